"""One runner after the other, on a real remote."""

import stat
from datetime import UTC, datetime

import pytest

from pmgitops.errors import UnsafeError, UsageError
from pmgitops.ledger.git import BRANCH, GitLedger, path_of
from pmgitops.ledger.interface import RUN, Entry, Ledger
from pmgitops.source import Repository

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def events(ledger: Ledger, name: str) -> list[str]:
    return [event.event for event in ledger.history(name)]


class TestReadingAndWriting:
    def test_is_empty_before_the_first_append(self, runner):
        ledger: Ledger = runner("one")
        ledger.refresh()
        assert ledger.head is None
        assert ledger.history("anna") == ()
        assert ledger.histories(["anna", RUN]) == {"anna": (), RUN: ()}
        assert ledger.last(RUN) is None
        assert ledger.open() == frozenset()
        assert list(ledger.names()) == []

    def test_another_runner_reads_what_was_appended(self, runner):
        one, two = runner("one", clock=lambda: NOON), runner("two")
        assert one.append([Entry("anna", "intended", {"revision": "r1"})], opened={"anna"}) == frozenset()
        assert two.history("anna") == ()
        two.refresh()
        assert two.head == one.head
        [event] = two.history("anna")
        assert (event.seq, event.at, event.event, event.data) == (
            1,
            "2026-01-31T12:00:00Z",
            "intended",
            {"revision": "r1"},
        )
        assert two.last("anna") == event

    def test_many_entries_are_one_commit(self, runner, origin, git):
        ledger = runner("one")
        entries = [Entry(f"name-{number:02}", "intended", {"n": number}) for number in range(30)]
        more = [Entry("name-00", "submitted"), Entry(RUN, "applied", {"commit": "c"})]
        ledger.append(entries + more, opened={entry.name for entry in entries})
        assert git(origin, "rev-list", "--count", BRANCH) == "1"
        assert events(ledger, "name-00") == ["intended", "submitted"]
        assert events(ledger, RUN) == ["applied"]
        assert sorted(ledger.names()) == sorted(ledger.open()) == [entry.name for entry in entries]
        assert list(ledger.verify_all()) == []

    def test_nothing_to_append_is_nothing_to_do(self, runner, origin, git):
        assert runner("one").append([]) == frozenset()
        assert git(origin, "for-each-ref", BRANCH) == ""

    def test_open_tells_whose_request_has_not_ended(self, runner):
        one, two = runner("one"), runner("two")
        one.append([Entry("anna", "intended"), Entry("bert", "intended")], opened={"anna", "bert"})
        one.append([Entry("anna", "completed", after=1)], closed={"anna"})
        one.append([Entry("bert", "submitted", after=1)], opened={"bert"})
        two.refresh()
        assert two.open() == {"bert"}
        assert sorted(two.names()) == ["anna", "bert"]
        one.append([Entry("bert", "completed", after=2)], closed={"bert"})
        assert one.open() == frozenset()

    def test_events_stand_where_the_design_says(self, runner, origin, git):
        runner("one").append([Entry("anna", "intended"), Entry(RUN, "applied")], opened={"anna"})
        assert git(origin, "ls-tree", "-r", "--name-only", BRANCH).split() == [
            "ledger/55/anna.jsonl",
            "ledger/open/55/anna",
            "ledger/run.jsonl",
        ]

    def test_commits_tell_what_they_hold_and_whose_they_are(self, runner, origin, git):
        ledger = runner("one", clock=lambda: NOON, author="Robot Ä <robot@contoso.example>")
        ledger.append([Entry("anna", "intended")])
        ledger.append([Entry("anna", "submitted", after=1), Entry(RUN, "applied")])
        told = git(origin, "log", "--format=%an|%ae|%cn|%ct|%B", BRANCH)
        assert told.splitlines() == [
            "Robot Ä|robot@contoso.example|Robot Ä|1769860800|2 events",
            "",
            "submitted anna 2",
            "applied /run 1",
            "Robot Ä|robot@contoso.example|Robot Ä|1769860800|intended anna 1",
        ]

    def test_any_file_name_can_be_a_name(self, runner):
        names = ["café", "a b", "-rf", "x'y\"z", "run", "open", "日本", "a" * 200, "x.jsonl", "HEAD", "*"]
        one, two = runner("one"), runner("two")
        one.append([Entry(name, "intended", {"n": name}) for name in names], opened=names)
        one.append([Entry(name, "submitted", after=1) for name in names])
        two.refresh()
        assert all(events(two, name) == ["intended", "submitted"] for name in names)
        assert set(two.names()) == set(two.open()) == set(names)
        assert list(two.verify_all()) == []

    @pytest.mark.parametrize("name", ["", ".", "..", ".git", "a/b", "../x", "a\nb", "a\0b", "\udce9", "a" * 201, "/x"])
    def test_no_name_leaves_its_place(self, name):
        with pytest.raises(UsageError, match="cannot be the name"):
            path_of(name)

    def test_an_entry_must_have_a_name_that_stays_in_its_place(self, runner, origin, git):
        with pytest.raises(UsageError, match="cannot be the name"):
            runner("one").append([Entry("anna", "intended"), Entry("../x", "intended")])
        assert git(origin, "for-each-ref", BRANCH) == ""


class TestMovingOn:
    def test_a_name_that_moved_on_is_left_out_and_the_others_are_written(self, runner):
        one, two = runner("one"), runner("two")
        two.refresh()
        one.append([Entry("anna", "intended", {"by": "one"})], opened={"anna"})
        lost = two.append(
            [Entry("anna", "intended", {"by": "two"}), Entry("bert", "intended", {"by": "two"})],
            opened={"bert"},
            closed={"anna"},
        )
        assert lost == {"anna"}
        assert [event.data["by"] for event in two.history("anna")] == ["one"]
        assert [event.data["by"] for event in two.history("bert")] == ["two"]
        assert two.open() == {"anna", "bert"}

    def test_when_all_moved_on_nothing_is_written(self, runner, origin, git):
        one, two = runner("one"), runner("two")
        one.append([Entry("anna", "intended")])
        assert two.append([Entry("anna", "intended")]) == {"anna"}
        assert git(origin, "rev-list", "--count", BRANCH) == "1"

    def test_events_of_one_name_are_written_together_or_not_at_all(self, runner):
        one, two = runner("one"), runner("two")
        one.append([Entry("anna", "intended")])
        assert two.append([Entry("anna", "intended"), Entry("anna", "submitted")]) == {"anna"}
        assert two.append([Entry("anna", "submitted", after=1), Entry("anna", "observed", after=1)]) == frozenset()
        assert events(two, "anna") == ["intended", "submitted", "observed"]

    def test_having_seen_more_than_there_is_counts_as_moved_on(self, runner):
        assert runner("one").append([Entry("anna", "submitted", after=3)]) == {"anna"}

    @pytest.mark.parametrize(
        ("entries", "marks"),
        [
            ([Entry("a", "x"), Entry("a", "y", after=1)], {}),
            ([Entry("a", "x")], {"opened": {"a"}, "closed": {"a"}}),
            ([Entry("a", "x")], {"opened": {"b"}}),
            ([Entry(RUN, "x")], {"opened": {RUN}}),
            ([Entry("a", "x", {"seq": 1})], {}),
        ],
    )
    def test_entries_do_not_contradict_each_other(self, runner, entries, marks):
        with pytest.raises(ValueError, match=r"seen|opened|called"):
            runner("one").append(entries, **marks)


class TestTheClone:
    @pytest.mark.parametrize("option", [(), ("--bare",), ("--mirror",)])
    def test_may_be_of_any_kind(self, clone, runner, option):
        ledger = GitLedger(Repository(clone("any", *option)))
        ledger.append([Entry("anna", "intended")])
        other = runner("other")
        other.append([Entry("anna", "submitted", after=1)])
        ledger.refresh()
        assert events(ledger, "anna") == ["intended", "submitted"]

    def test_may_be_a_linked_worktree(self, clone, git, tmp_path):
        git(clone("main-clone"), "worktree", "add", "-q", "--detach", str(tmp_path / "linked"))
        ledger = GitLedger(Repository(tmp_path / "linked"))
        ledger.append([Entry("anna", "intended")])
        assert GitLedger(Repository(tmp_path / "main-clone")).head == ledger.head

    def test_keeps_everything_of_the_users(self, clone, git, tmp_path):
        place = clone("users")
        (place / "f").write_text("staged")
        git(place, "add", "f")
        (place / "f").write_text("dirty")
        git(place, "checkout", "-q", "--detach")
        before = [
            git(place, *show)
            for show in (("status", "--porcelain"), ("for-each-ref", "refs/heads"), ("ls-files", "-s"))
        ]
        script = tmp_path / "script"
        script.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        for hook in ("pre-push", "pre-commit", "post-commit", "reference-transaction", "commit-msg"):
            (place / ".git/hooks").mkdir(exist_ok=True)
            (place / ".git/hooks" / hook).symlink_to(script)
        for key, value in {"commit.gpgSign": "true", "push.gpgSign": "true", "gpg.program": str(script)}.items():
            git(place, "config", key, value)
        ledger = GitLedger(Repository(place))
        ledger.append([Entry("anna", "intended")], opened={"anna"})
        ledger.refresh()
        for hook in (place / ".git/hooks").iterdir():
            hook.unlink()
        after = [
            git(place, *show)
            for show in (("status", "--porcelain"), ("for-each-ref", "refs/heads"), ("ls-files", "-s"))
        ]
        assert after == before
        assert not (tmp_path / "ran").exists()
        assert not (place / ".git/FETCH_HEAD").exists()
        assert (
            git(place, "for-each-ref", "--format=%(refname)", "refs/pmgitops") == f"refs/pmgitops/origin/{BRANCH[11:]}"
        )

    def test_is_read_without_the_remote(self, runner, origin, tmp_path):
        one = runner("one")
        one.append([Entry("anna", "intended")], opened={"anna"})
        origin.rename(tmp_path / "gone")
        later = GitLedger(Repository(tmp_path / "one"))
        assert events(later, "anna") == ["intended"]
        assert later.open() == {"anna"}

    def test_is_read_as_the_users_own_fetch_brought_it(self, runner, clone):
        runner("one").append([Entry("anna", "intended")])
        assert events(GitLedger(Repository(clone("fresh"))), "anna") == ["intended"]

    def test_may_not_be_shallow(self, runner, origin, git, tmp_path):
        runner("one").append([Entry("anna", "intended")])
        git(tmp_path, "clone", "-q", "--depth=1", origin.as_uri(), "shallow")
        git(tmp_path / "shallow", "fetch", "-q", "--depth=1", "origin", "HEAD")
        (tmp_path / "shallow/.git/shallow").write_text(git(tmp_path / "shallow", "rev-parse", "HEAD") + "\n")
        with pytest.raises(UsageError, match="shallow"):
            GitLedger(Repository(tmp_path / "shallow")).refresh()

    def test_must_know_the_remote(self, clone):
        with pytest.raises(UsageError, match="no remote 'upstream'"):
            GitLedger(Repository(clone("one")), remote="upstream").append([Entry("anna", "intended")])

    @pytest.mark.parametrize(
        "ref", ["main", "refs/heads/", "refs/tags/x", "refs/heads/a..b", "+refs/heads/x", "refs/heads/a:b"]
    )
    def test_the_branch_must_be_one(self, clone, ref):
        with pytest.raises(UsageError, match="not a branch"):
            GitLedger(Repository(clone("one")), ref=ref)

    def test_the_author_must_be_one(self, clone):
        with pytest.raises(UsageError, match="not an author"):
            GitLedger(Repository(clone("one")), author="robot")


class TestTheBranch:
    def test_may_be_another(self, runner, origin, git):
        runner("one", ref="refs/heads/audit/trail").append([Entry("anna", "intended")])
        assert git(origin, "for-each-ref", "--format=%(refname)") == "refs/heads/audit/trail\nrefs/heads/main"

    def test_is_never_somebody_elses(self, runner, origin, git):
        before = git(origin, "rev-parse", "main")
        ledger = runner("one", ref="refs/heads/main")
        with pytest.raises(UsageError, match="is not a ledger"):
            ledger.append([Entry("anna", "intended")])
        assert git(origin, "rev-parse", "main") == before

    def test_may_not_be_rewritten(self, runner, origin, git):
        one, two = runner("one"), runner("two")
        one.append([Entry("anna", "intended")])
        one.append([Entry("anna", "submitted", after=1)])
        two.refresh()
        git(origin, "update-ref", BRANCH, f"{BRANCH}~1")
        for act in (two.refresh, lambda: one.append([Entry("bert", "intended")])):
            with pytest.raises(UnsafeError, match="rewritten") as error:
                act()
            assert error.value.guard == ""
        assert git(origin, "rev-list", "--count", BRANCH) == "1"

    def test_a_rewrite_is_noticed_by_a_later_run(self, runner, origin, git, tmp_path):
        one = runner("one")
        one.append([Entry("anna", "intended")])
        git(origin, "update-ref", "-d", BRANCH)
        later = GitLedger(Repository(tmp_path / "one"))
        with pytest.raises(UnsafeError, match="gone from origin") as error:
            later.refresh()
        git(tmp_path / "one", *error.value.hint.removeprefix("restore it: git ").split())
        later.refresh()
        assert events(later, "anna") == ["intended"]

    def test_a_rewrite_can_be_accepted_by_hand(self, runner, origin, git, tmp_path):
        one, two = runner("one"), runner("two")
        one.append([Entry("anna", "intended")])
        git(origin, "update-ref", "-d", BRANCH)
        two.append([Entry("bert", "intended")])
        with pytest.raises(UnsafeError, match="rewritten") as error:
            one.refresh()
        place = tmp_path / "one"
        git(place, *error.value.hint.partition(": git ")[2].split())
        git(place, "fetch", "-q", "--prune")
        later = GitLedger(Repository(place))
        later.refresh()
        assert list(later.names()) == ["bert"]
