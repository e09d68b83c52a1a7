"""Writing requests: what flags, prompts, another request or a ticket say -> a file in the house's layout -> a proposal.

* fields    every field with its flag; imports nothing, so that `--help` is quick
* words     durations, recurrences and statements as people say them
* draft     the answers as one nested mapping, completed by defaults and judged by the request's own model
* layout    a request as the bytes of its file
* known     what may be meant: from the repository itself, and from the snapshot of the catalog
* hints     the schema of a request with what is known, for editors
* forms     a catalog item's variables -> a draft, by the mapping in the configuration
* prompts   asking a person (extra `prompts`)
* place     where the file goes, and putting it there
* branch    the commit of the files alone, by plumbing: neither index nor work tree is touched
* hosting   the pull request on GitHub
"""
