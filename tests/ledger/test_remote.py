"""A remote that refuses, vanishes, or does not answer."""

import time
from collections.abc import Callable

import pytest

from pmgitops.errors import Commit, LedgerConflictError, PermanentRemoteError, TemporaryRemoteError
from pmgitops.ledger.git import BRANCH
from pmgitops.ledger.interface import Entry


@pytest.fixture
def hook(origin) -> Callable[[str, str], None]:
    """Installs a hook at the remote; an empty script removes it."""

    def install(name: str, script: str) -> None:
        place = origin / "hooks" / name
        place.parent.mkdir(exist_ok=True)
        place.write_text(f"#!/bin/sh\n{script}\n")
        place.chmod(0o755 if script else 0o644)

    return install


@pytest.fixture
def count(origin, git) -> Callable[[], int]:
    """How many commits the ledger has at the remote."""
    return lambda: int(git(origin, "rev-list", "--count", BRANCH)) if git(origin, "for-each-ref", BRANCH) else 0


@pytest.mark.parametrize("name", ["pre-receive", "update"])
def test_a_hook_that_refuses_is_no_conflict(runner, hook, count, name):
    hook(name, "echo 'ledger is frozen' >&2; exit 1")
    ledger = runner("one")
    begun = time.monotonic()
    with pytest.raises(PermanentRemoteError, match=r"hook declined.*ledger is frozen") as error:
        ledger.append([Entry("anna", "intended")])
    assert time.monotonic() - begun < 2
    assert (error.value.commit, error.value.exit_code) == (Commit.NO, 6)
    assert "contents: write" in error.value.hint
    hook(name, "")
    assert ledger.append([Entry("anna", "intended")]) == frozenset()
    assert count() == 1


def test_a_remote_that_is_gone_says_so(runner, origin, tmp_path, count):
    ledger = runner("one", patience=0.1)
    ledger.append([Entry("anna", "intended")])
    origin.rename(tmp_path / "gone")
    with pytest.raises(TemporaryRemoteError, match="cannot be reached") as error:
        ledger.refresh()
    assert error.value.commit is Commit.NO
    with pytest.raises(TemporaryRemoteError, match="is not known") as error:
        ledger.append([Entry("bert", "intended")])
    assert error.value.commit is Commit.UNKNOWN
    (tmp_path / "gone").rename(origin)
    assert ledger.append([Entry("bert", "intended")]) == frozenset()
    assert count() == 2


def test_a_remote_that_was_never_reached_has_nothing(runner, origin, tmp_path):
    ledger = runner("one", patience=0.1)
    origin.rename(tmp_path / "gone")
    with pytest.raises(TemporaryRemoteError) as error:
        ledger.append([Entry("anna", "intended")])
    assert error.value.commit is Commit.NO


def test_a_remote_that_comes_back_in_time_is_waited_for(runner, hook, tmp_path, count):
    hook("pre-receive", f"test -e {tmp_path}/second || {{ touch {tmp_path}/second; kill -9 $PPID; }}")
    assert runner("one").append([Entry("anna", "intended")], opened={"anna"}) == frozenset()
    assert count() == 1


def test_a_push_that_arrived_without_an_answer_is_found(runner, hook, count):
    """The connection breaks after the remote's branch has moved: the entries stand, and are not written again."""
    ledger = runner("one")
    hook("post-receive", "kill -9 $PPID")
    assert ledger.append([Entry("anna", "intended")]) == frozenset()
    assert ledger.append([Entry("anna", "submitted", after=1)]) == frozenset()
    assert [event.event for event in ledger.history("anna")] == ["intended", "submitted"]
    assert count() == 2


def test_a_push_that_arrived_too_late_to_be_told_is_found(runner, hook, count):
    ledger = runner("one", timeout=0.6)
    hook("post-receive", "sleep 5")
    assert ledger.append([Entry("anna", "intended")]) == frozenset()
    assert count() == 1


def test_a_push_that_was_lost_and_overtaken_is_written_on_top(runner, hook, count, tmp_path):
    one, two = runner("one"), runner("two")
    two.append([Entry("carl", "intended")])
    one.refresh()
    # The first push dies unanswered; meanwhile somebody else's commit arrives.
    other = tmp_path / "two/.git"
    hook(
        "pre-receive",
        f"test -e {tmp_path}/second && exit 0; touch {tmp_path}/second; unset GIT_QUARANTINE_PATH GIT_OBJECT_DIRECTORY;"
        f"parent=$(git rev-parse {BRANCH}); cd {tmp_path};"
        f"new=$(git --git-dir={other} commit-tree $parent^{{tree}} -p $parent -m other);"
        f"git --git-dir={other} push -q origin $new:{BRANCH}; kill -9 $PPID",
    )
    assert one.append([Entry("anna", "intended"), Entry("carl", "intended")]) == {"carl"}
    assert count() == 3
    assert len(one.history("anna")) == 1


def test_a_push_that_never_arrives_says_that_it_is_not_known(runner, hook, count):
    hook("pre-receive", "kill -9 $PPID")
    with pytest.raises(TemporaryRemoteError, match="is not known") as error:
        runner("one", patience=0.2).append([Entry("anna", "intended")])
    assert error.value.commit is Commit.UNKNOWN
    assert count() == 0


def test_a_branch_that_never_stands_still_is_given_up(runner, origin):
    """The remote's ref is locked, as it is while somebody else's push goes through."""
    ledger = runner("one", patience=0.3)
    ledger.append([Entry("anna", "intended")])
    lock = origin / f"{BRANCH}.lock"
    lock.touch()
    with pytest.raises(LedgerConflictError):
        ledger.append([Entry("bert", "intended")])
    lock.unlink()
    assert ledger.append([Entry("bert", "intended")]) == frozenset()
