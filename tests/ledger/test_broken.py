"""Somebody's hand in the branch."""

from collections.abc import Callable

import pytest

from pmgitops.ledger.git import BRANCH, GitLedger, path_of
from pmgitops.ledger.interface import RUN, Entry, LedgerBrokenError


@pytest.fixture
def ledger(runner: Callable[..., GitLedger]) -> GitLedger:
    """Two histories of three events, and one of a run."""
    made = runner("one")
    for seq, event in enumerate(["intended", "submitted", "active"]):
        made.append([Entry(name, event, {"n": seq}, after=seq) for name in ("anna", "bert")], opened={"anna", "bert"})
    made.append([Entry(RUN, "applied")])
    return made


@pytest.fixture
def tamper(origin, git) -> Callable[..., None]:
    """Commits a file (None: removes it) on top of the branch at the remote: a push that is a fast-forward."""

    def commit(path: str, text: bytes | None) -> None:
        file = (
            b"D %s\n" % path.encode()
            if text is None
            else b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(text), text)
        )
        stream = b"commit %s\ncommitter M <m@x> 1 +0000\ndata 1\nx\nfrom %s^0\n" % ((BRANCH.encode(),) * 2)
        git(origin, "fast-import", "--quiet", stdin=stream + file)

    return commit


@pytest.fixture
def text(origin, git) -> Callable[[str], bytes]:
    """The text of a history at the remote."""
    return lambda name: git(origin, "show", f"{BRANCH}:{path_of(name)}").encode() + b"\n"


def told(ledger: GitLedger) -> list[str]:
    ledger.refresh()
    return [str(error).removeprefix("the ledger is broken: ") for error in ledger.verify_all()]


def test_a_sound_ledger_has_nothing_to_tell(ledger):
    assert told(ledger) == []
    ledger.verify("anna")
    ledger.verify(RUN)


def test_an_edited_line_is_named(ledger, tamper, text):
    tamper(path_of("anna"), text("anna").replace(b"submitted", b"rejected", 1))
    ledger.refresh()
    for read in (ledger.history, ledger.verify):
        with pytest.raises(LedgerBrokenError, match=r"ledger/55/anna\.jsonl:3: not tied"):
            read("anna")
    assert len(ledger.history("bert")) == 3
    assert told(ledger) == [
        "ledger/55/anna.jsonl:3: not tied to the line before: one of the two was changed",
        "ledger/55/anna.jsonl: a commit of the branch changed it otherwise than by appending",
    ]


@pytest.mark.parametrize("keep", [0, 1, 2])
def test_lines_cut_from_the_end_are_found_in_the_commits(ledger, tamper, text, keep):
    tamper(path_of("anna"), b"".join(text("anna").splitlines(keepends=True)[:keep]))
    ledger.refresh()
    assert len(ledger.history("anna")) == keep
    assert "ledger/55/anna.jsonl: a commit of the branch changed it otherwise than by appending" in told(ledger)


def test_an_edited_last_line_is_found_in_the_commits(ledger, tamper, text):
    tamper(path_of("anna"), text("anna").replace(b"active", b"failed"))
    assert told(ledger) == ["ledger/55/anna.jsonl: a commit of the branch changed it otherwise than by appending"]


def test_an_edit_that_was_undone_is_found(ledger, tamper, text):
    before = text("anna")
    tamper(path_of("anna"), before.replace(b"active", b"failed"))
    tamper(path_of("anna"), before)
    assert len(told(ledger)) == 2


def test_a_removed_history_is_found(ledger, tamper):
    tamper(path_of("anna"), None)
    assert told(ledger) == [
        "ledger/open/55/anna: is told to be open, and has no history",
        "ledger/55/anna.jsonl: a commit of the branch changed it otherwise than by appending",
    ]


@pytest.mark.parametrize(
    "path", ["ledger/README.md", "ledger/ab/anna.jsonl", "ledger/55/anna.jsonl.orig", "ledger/open/00/anna", "ledger/x"]
)
def test_a_foreign_file_is_found(ledger, tamper, path):
    tamper(path, b"x")
    assert told(ledger) == [f"{path}: not a file of the ledger"]


def test_a_line_may_not_be_cut(ledger, tamper, text):
    tamper(path_of("anna"), text("anna")[:-5])
    ledger.refresh()
    with pytest.raises(LedgerBrokenError, match=r"anna\.jsonl:3: the line is cut off"):
        ledger.history("anna")
    with pytest.raises(LedgerBrokenError):
        ledger.histories(["bert", "anna"])


def test_a_merge_is_found(ledger, origin, git):
    tip = git(origin, "rev-parse", BRANCH)
    merge = git(origin, "commit-tree", f"{tip}^{{tree}}", "-p", tip, "-p", f"{tip}~1", "-m", "merge")
    git(origin, "update-ref", BRANCH, merge)
    assert told(ledger) == [f"{BRANCH}: commit {merge} does not follow the one before it"]


def test_nothing_is_appended_to_a_broken_history(ledger, tamper, text, origin, git):
    tamper(path_of("anna"), text("anna")[:-5])
    before = git(origin, "rev-parse", BRANCH)
    with pytest.raises(LedgerBrokenError, match=r"anna\.jsonl:3"):
        ledger.append([Entry("bert", "completed", after=3), Entry("anna", "completed", after=3)])
    assert git(origin, "rev-parse", BRANCH) == before
    assert ledger.append([Entry("bert", "completed", after=3)]) == frozenset()
