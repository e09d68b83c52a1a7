import os
import stat
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from pmgitops.errors import UsageError
from pmgitops.source import Blob, Repository, redacted

AWKWARD = {
    b"requests/a\nb.yaml": b"newline",
    b'requests/"quoted".yaml': b"quotes",
    b"requests/tab\there.yaml": b"tab",
    b"requests/caf\xc3\xa9.yaml": b"UTF-8",
    b"requests/latin\xe9.yaml": b"not UTF-8",
    b"requests/ spaced .yaml ": b"blanks",
    b"requests/[*]?.yaml": b"pathspec magic",
    b"requests/:(glob)x.yaml": b"more of it",
    b"requests/-rf.yaml": b"an option",
}
"""Names that git would quote, that look like something else, or that are not text."""


def paths(blobs):
    return [blob.path for blob in blobs]


class TestOpening:
    def test_says_that_there_is_no_repository(self, tmp_path):
        with pytest.raises(UsageError, match="is not in a git repository") as error:
            Repository(tmp_path)
        assert "git init" in error.value.hint

    def test_says_that_there_is_no_folder(self, tmp_path):
        with pytest.raises(UsageError, match="is not in a git repository"):
            Repository(tmp_path / "nowhere")

    def test_finds_the_repository_around_a_folder(self, folder, commit):
        head = commit({"requests/pay/a.yaml": b"a"})
        (folder / "requests").mkdir()
        repository = Repository(folder / "requests")
        assert repository.root == folder
        assert paths(repository.blobs(head)) == ["requests/pay/a.yaml"]

    def test_works_bare_linked_and_detached(self, folder, commit, git, tmp_path):
        head = commit({"a": b"1"})
        git(tmp_path, "clone", "-q", "--bare", str(folder), "bare.git")
        git(folder, "worktree", "add", "-q", "--detach", str(tmp_path / "linked"), head)
        assert Repository(tmp_path / "bare.git").root is None
        for place in ("bare.git", "linked"):
            assert Repository(tmp_path / place).content(Repository(tmp_path / place).commit("HEAD"), "a") == b"1"

    def test_does_not_import_git_before_there_is_a_repository(self):
        code = "import sys, pmgitops.source; sys.exit('git' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class TestCommits:
    def test_names_a_commit_in_full(self, folder, commit):
        head = commit({"a": b""})
        assert [Repository(folder).commit(rev) for rev in ("main", head[:8], head)] == [head] * 3

    @pytest.mark.parametrize("rev", ["nope", "0" * 40, "main:a", "main~7", "a b", "\udce9"])
    def test_says_how_to_get_an_unknown_revision(self, folder, commit, rev):
        commit({"a": b""})
        with pytest.raises(UsageError, match="unknown revision") as error:
            Repository(folder).commit(rev)
        assert "fetch-depth: 0" in error.value.hint

    @pytest.mark.parametrize("rev", ["--all", "-", "", "--output=x", "a\0b"])
    def test_takes_no_option_for_a_revision(self, folder, commit, rev):
        commit({"a": b""})
        with pytest.raises(UsageError, match="is not a revision"):
            Repository(folder).commit(rev)

    def test_refuses_a_shallow_clone(self, folder, commit, git, tmp_path):
        commit({"a": b"1"})
        commit({"a": b"2"})
        git(tmp_path, "clone", "-q", "--depth=1", folder.as_uri(), "shallow")
        Repository(folder).refuse_shallow()
        with pytest.raises(UsageError, match="shallow") as error:
            Repository(tmp_path / "shallow").refuse_shallow()
        assert "fetch-depth: 0" in error.value.hint

    def test_knows_ancestors(self, folder, commit, git):
        first = commit({"a": b"1"})
        second = commit({"a": b"2"})
        stranger = git(folder, "commit-tree", f"{first}^{{tree}}", "-m", "an orphan")
        repository = Repository(folder)
        assert repository.merge_base(first, second) == first
        assert repository.merge_base(first, stranger) is None
        assert repository.is_ancestor(first, second)
        assert repository.is_ancestor(second, second)
        assert not repository.is_ancestor(second, first)
        with pytest.raises(UsageError):
            repository.is_ancestor("0" * 40, first)

    def test_tells_who_wrote_and_who_committed(self, folder, commit, git, monkeypatch):
        head = commit({"a": b""})
        monkeypatch.setenv("GIT_AUTHOR_NAME", "Anna Müller")
        monkeypatch.setenv("GIT_AUTHOR_EMAIL", "anna@contoso.example")
        monkeypatch.setenv("GIT_COMMITTER_DATE", "1700000000 +0100")
        amended = git(folder, "commit-tree", f"{head}^{{tree}}", "-p", head, "-m", "author nobody <n@x> 1 +0000")
        told = Repository(folder).author(amended)
        assert (told.author, told.author_email) == ("Anna Müller", "anna@contoso.example")
        assert (told.committer, told.committer_email) == ("A Person", "person@contoso.example")
        assert told.at == datetime.fromtimestamp(1700000000, UTC)


class TestAuthors:
    """Who last made a file what it is."""

    @pytest.fixture
    def by(self, folder, commit, git, monkeypatch):
        def make(who, files):
            before = git(folder, "for-each-ref", "--format=%(objectname)", "refs/heads/main")
            monkeypatch.setenv("GIT_AUTHOR_EMAIL", f"{who}@contoso.example")
            tree = commit(files) + "^{tree}"
            made = git(folder, "commit-tree", tree, *(["-p", before] if before else []), "-m", "x")
            git(folder, "update-ref", "refs/heads/main", made)
            return made

        return make

    def authors(self, folder, head, under="requests"):
        repository = Repository(folder)
        told = repository.authors(head, list(repository.blobs(head, under)))
        return {path: who.partition("@")[0] for path, who in told.items()}

    def test_is_who_changed_it_last(self, folder, by):
        by("anna", {"requests/a": b"1", "requests/b": b"1", "other": b"1"})
        by("bert", {"requests/a": b"1", "requests/b": b"2", "other": b"1"})
        head = by("carl", {"requests/a": b"1", "requests/b": b"2", "requests/team/c": b"1", "other": b"2"})
        assert self.authors(folder, head) == {"requests/a": "anna", "requests/b": "bert", "requests/team/c": "carl"}

    def test_who_moves_or_restores_it_is(self, folder, by):
        by("anna", {"requests/a": b"1"})
        by("bert", {"requests/a": b"2"})
        moved = by("carl", {"requests/x": b"2", "requests/a": None})
        assert self.authors(folder, moved) == {"requests/x": "carl"}
        restored = by("dora", {"requests/a": b"1"})
        assert self.authors(folder, restored) == {"requests/a": "dora", "requests/x": "carl"}

    def test_a_merge_is_not_unless_it_made_the_file(self, folder, by, git, monkeypatch):
        base = by("anna", {"requests/a": b"0", "requests/b": b"0", "requests/c": b"0"})
        one = by("bert", {"requests/a": b"1", "requests/b": b"0", "requests/c": b"1"})
        git(folder, "update-ref", "refs/heads/main", base)
        other = by("carl", {"requests/a": b"0", "requests/b": b"2", "requests/c": b"2"})
        tree = git(
            folder, "rev-parse", by("nobody", {"requests/a": b"1", "requests/b": b"2", "requests/c": b"3"}) + "^{tree}"
        )
        monkeypatch.setenv("GIT_AUTHOR_EMAIL", "dora@contoso.example")
        merge = git(folder, "commit-tree", tree, "-p", one, "-p", other, "-m", "merged")
        assert self.authors(folder, merge) == {"requests/a": "bert", "requests/b": "carl", "requests/c": "dora"}

    def test_names_are_taken_as_they_are(self, folder, by):
        head = by("anna", {f"requests/{name}": b"1" for name in ("@b", ":c", "ä", "a b", "x\ny")})
        assert set(self.authors(folder, head).values()) == {"anna"}
        assert len(self.authors(folder, head)) == 5
        assert Repository(folder).authors(head, []) == {}


class TestTrees:
    def test_lists_every_name_as_it_is(self, folder, commit):
        head = commit(AWKWARD)
        found = list(Repository(folder).blobs(head, "requests"))
        assert [os.fsencode(blob.path) for blob in found] == sorted(AWKWARD)
        assert {blob.mode for blob in found} == {"100644"}

    def test_tells_what_is_no_file(self, folder, commit):
        head = commit({"link": "link:../etc/passwd", "sub": "sub:" + "1" * 40, "plain": b""})
        found = {blob.path: blob for blob in Repository(folder).blobs(head)}
        assert {path: (blob.mode, blob.is_file) for path, blob in found.items()} == {
            "link": ("120000", False),
            "plain": ("100644", True),
            "sub": ("160000", False),
        }

    @pytest.mark.parametrize(
        ("under", "found"),
        [
            ("", ["requests.yaml", "requests/a", "requests/b/c", "requests2/d"]),
            ("requests", ["requests/a", "requests/b/c"]),
            ("requests/", ["requests/a", "requests/b/c"]),
            ("requests/b", ["requests/b/c"]),
            ("requests/a", ["requests/a"]),
            ("nothing", []),
            ("req*", []),
        ],
    )
    def test_stays_under_a_folder(self, folder, commit, under, found):
        head = commit(dict.fromkeys(["requests/a", "requests/b/c", "requests2/d", "requests.yaml"], b""))
        repository = Repository(folder)
        assert paths(repository.blobs(head, under)) == found
        assert paths(repository.changes(None, head, under)) == found

    def test_compares_two_commits(self, folder, commit):
        base = commit({"r/gone": b"1", "r/same": b"2", "r/mended": b"3", "r/linked": b"4", "x": b""})
        head = commit(
            {"r/gone": None, "r/moved": b"1", "r/mended": b"5", "r/linked": "link:x", b"r/\xff\n": b"", "x": b"6"}
        )
        changes = Repository(folder).changes(base, head, "r")
        assert [(change.status, change.path) for change in changes] == [
            ("D", "r/gone"),
            ("M", "r/linked"),
            ("M", "r/mended"),
            ("A", "r/moved"),
            ("A", "r/\udcff\n"),
        ]
        by_path = {change.path: change for change in changes}
        assert by_path["r/gone"].new is None
        assert by_path["r/moved"].old is None
        assert by_path["r/moved"].new == by_path["r/gone"].old._replace(path="r/moved")
        assert by_path["r/linked"].new.mode == "120000"

    def test_takes_nothing_for_a_base(self, folder, commit):
        head = commit({"r/a": b"1", "b": b"2"})
        repository = Repository(folder)
        assert [(change.status, change.path, change.old) for change in repository.changes(None, head)] == [
            ("A", "b", None),
            ("A", "r/a", None),
        ]
        assert repository.touched(None, head) == {"b", "r"}

    def test_tells_what_was_touched_at_the_top(self, folder, commit):
        base = commit({"requests/a": b"1", "policies/p": b"1", ".github/w": b"1", "docs/d": b"1"})
        head = commit({"requests/b/c": b"2", "policies/p": None, b"n\n\xff": b""})
        assert Repository(folder).touched(base, head) == {"requests", "policies", "n\n\udcff"}
        assert Repository(folder).touched(base, base) == set()

    def test_finds_namesakes(self, folder, commit):
        head = commit(
            dict.fromkeys(["r/a.yaml", "r/x/a.yaml", "r/x/b.yaml", "r/x/a.yaml.bak", "r/ba.yaml", "a.yaml"], b"")
        )
        repository = Repository(folder)
        wanted = {"a.yaml", "b.yaml", "c.yaml", "x"}
        assert repository.namesakes(head, wanted, "r") == {
            "a.yaml": ["r/a.yaml", "r/x/a.yaml"],
            "b.yaml": ["r/x/b.yaml"],
        }
        assert repository.namesakes(head, {"a.yaml"})["a.yaml"][0] == "a.yaml"
        assert repository.namesakes(head, ()) == {}

    def test_says_that_a_tree_cannot_be_listed(self, folder, commit):
        commit({"a": b""})
        with pytest.raises(UsageError, match="git ls-tree failed"):
            list(Repository(folder).blobs("0" * 40))


class TestContents:
    def test_gives_every_byte_in_order(self, folder, commit):
        head = commit(
            {**AWKWARD, "empty": b"", "nul": b"\0\n\0", "header": b"0" * 40 + b" blob 3\nabc", "big": b"x" * 300_000}
        )
        repository = Repository(folder)
        blobs = list(repository.blobs(head))
        given = list(repository.contents(blobs, 1 << 20))
        assert [blob for blob, _ in given] == blobs
        contents = {os.fsencode(blob.path): content for blob, content in given}
        assert contents.items() >= AWKWARD.items()
        assert contents[b"big"] == b"x" * 300_000
        assert contents[b"header"].endswith(b"\nabc")

    def test_streams_more_than_the_pipes_hold(self, folder, commit):
        head = commit({f"r/{number:05}": b"%d" % number for number in range(5000)})
        repository = Repository(folder)
        given = repository.contents(repository.blobs(head), 100)
        assert [int(content) for _, content in given] == list(range(5000))

    def test_passes_over_what_is_no_file_or_too_large(self, folder, commit):
        head = commit({"a": "link:b", "b": b"12345", "c": b"1234", "d": "sub:" + "1" * 40, "e": b"1"})
        repository = Repository(folder)
        given = {blob.path: content for blob, content in repository.contents(repository.blobs(head), 4)}
        assert given == {"a": None, "b": None, "c": b"1234", "d": None, "e": b"1"}

    def test_does_not_hold_what_is_too_large(self, folder, commit):
        head = commit({"a": os.urandom(1 << 22), "b": b"small"})
        repository = Repository(folder)
        tracemalloc.start()
        try:
            given = [content for _, content in repository.contents(repository.blobs(head), 1000)]
            assert tracemalloc.get_traced_memory()[1] < 1 << 20
        finally:
            tracemalloc.stop()
        assert given == [None, b"small"]

    def test_says_that_an_object_is_missing(self, folder, commit):
        commit({"a": b""})
        with pytest.raises(UsageError, match=r"object of 'a' is missing"):
            list(Repository(folder).contents([Blob("a", "1" * 40, "100644")], 10))

    def test_raises_what_its_source_raises(self, folder, commit):
        head = commit({"a": b"1"})
        repository = Repository(folder)

        def broken() -> Iterator[Blob]:
            yield from repository.blobs(head)
            raise ValueError("enough")

        with pytest.raises(ValueError, match="enough"):
            list(repository.contents(broken(), 10))

    def test_may_be_left_early(self, folder, commit):
        head = commit({f"r/{number:05}": os.urandom(500) for number in range(3000)})
        repository = Repository(folder)
        given = repository.contents(repository.blobs(head), 1000)
        next(given)
        given.close()
        deadline = time.monotonic() + 5
        while any(thread.name == "git-cat-file" for thread in threading.enumerate()):
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def test_reads_expressions(self, folder, commit):
        head = commit({"a b": b"1", "r/c": b"2"})
        found = Repository(folder).read([f"{head}:a b", f"{head}:nope", f"{head}:r", "", f"{head}:r/c", "nope blob 3"])
        assert list(found) == [b"1", None, None, None, b"2", None]

    def test_reads_one_file(self, folder, commit):
        head = commit({"a/b.yaml": b"1", "link": "link:a/b.yaml", "big": b"x" * ((1 << 20) + 1)})
        repository = Repository(folder)
        assert repository.content(head, "a/b.yaml") == b"1"
        assert [repository.content(head, path) for path in ("link", "a", "nope", "a/b")] == [None] * 4
        with pytest.raises(UsageError, match="larger"):
            repository.content(head, "big")


class TestHardening:
    def test_runs_nothing_that_the_repository_configures(self, folder, commit, git, tmp_path):
        trace = tmp_path / "ran"
        script = tmp_path / "script"
        script.write_text(f"#!/bin/sh\ntouch {trace}\n")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        base = commit({"a": b"1", ".gitattributes": b"* diff=evil filter=evil\n"})
        head = commit({"a": b"2"})
        for key in ("core.fsmonitor", "core.pager", "diff.evil.textconv", "diff.external", "filter.evil.smudge"):
            git(folder, "config", key, str(script))
        (folder / ".git/hooks").mkdir(exist_ok=True)
        (folder / ".git/hooks/post-checkout").symlink_to(script)
        repository = Repository(folder)
        repository.changes(base, head)
        list(repository.contents(repository.blobs(head), 10))
        assert not trace.exists()

    def test_reads_no_replaced_objects(self, folder, commit, git):
        head = commit({"a": b"reviewed"})
        other = git(folder, "hash-object", "-w", "--stdin", stdin=b"swapped")
        git(folder, "replace", git(folder, "rev-parse", f"{head}:a"), other)
        assert git(folder, "show", f"{head}:a") == "swapped"
        assert Repository(folder).content(head, "a") == b"reviewed"

    @pytest.mark.parametrize(
        ("told", "shown"),
        [
            ("fatal: https://user:s3cret@host/x.git: no", "fatal: https://host/x.git: no"),
            ("ssh://git@host/x", "ssh://host/x"),
            ("'https://ghp_token@github.example/a b'", "'https://github.example/a b'"),
            ("mail a@b.example about https://host/x", "mail a@b.example about https://host/x"),
        ],
    )
    def test_hides_credentials(self, told, shown):
        assert redacted(told) == shown
