"""What exists: discovered from the authorization systems, committed as a snapshot, looked up by everything that judges.

operations   every read of discovery as a table, and the one place where text of others gets into an address
discovery    Graph, asked: pages that end, answers that are what they say
interface    what any source of a snapshot has to give; ARM, Graph v1.0, AWS and GCP may fill the same one
codec        entries as lines: sorted, one a line, looked up without reading the others
snapshot     the reader: `Catalog`, lazy, with a typed error wherever it cannot tell
pull         the writer: concurrent, resumed, compared with what was there
patterns     wildcards over many names;  aws  AWS's actions with their access levels and what they lead to
"""
