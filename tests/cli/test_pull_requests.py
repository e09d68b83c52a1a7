"""The guards that judge a pull request: what it brings is data, and nobody changes the rules for their own request."""

from __future__ import annotations

import pytest

from tests.world import POLICY, Ran, World, git


class PullRequest:
    """A branch that asks to be merged into main."""

    def __init__(self, world: World) -> None:
        self.world = world
        git("checkout", "-q", "-b", "proposal", at=world.clone)

    def commit(self, message: str = "proposed") -> None:
        git("add", "--all", at=self.world.clone)
        git("commit", "-q", "-m", message, at=self.world.clone)

    def check(self) -> Ran:
        """`check` as the pull request's workflow runs it."""
        self.commit()
        return self.world.run("check", "--base", "main", "--head", "proposal", "--format", "json")

    def found(self) -> list[tuple[str, str, int]]:
        """Rule, path and line of every finding."""
        return [(found["rule"], found["path"], found["line"]) for found in self.check().json["findings"]]


@pytest.fixture
def pull(world: World) -> PullRequest:
    world.request("stands-already")
    world.push("stands already")
    return PullRequest(world)


def test_one_that_adds_a_request_passes(pull: PullRequest, world: World) -> None:
    world.request("alex-groups")
    checked = pull.check()
    assert (checked.code, checked.json) == (0, {"requests": 1, "findings": []})


def test_only_what_it_changes_is_judged(pull: PullRequest, world: World) -> None:
    git("checkout", "-q", "main", at=world.clone)
    world.request("too-long", duration="PT9H")
    world.push("slipped in")
    git("checkout", "-q", "-B", "proposal", at=world.clone)
    world.request("alex-groups")
    assert pull.found() == []


def test_it_is_judged_from_where_it_left_the_base(pull: PullRequest, world: World) -> None:
    """What main has gained in the meantime is none of the pull request's doing."""
    world.request("alex-groups")
    pull.commit()
    git("checkout", "-q", "main", at=world.clone)
    world.write("requests/team/broken.yaml", "kind: nothing\n")
    world.write("policies/more.yaml", POLICY.replace("short-lived", "more"))
    world.push("main moves on")
    checked = world.run("check", "--base", "main", "--head", "proposal", "--format", "json")
    assert (checked.code, checked.json) == (0, {"requests": 1, "findings": []})


@pytest.mark.parametrize(
    "policed", ["policies/new.yaml", "policies/data.yaml", "pmgitops.yaml", ".github/workflows/x.yml"]
)
def test_requests_and_rules_do_not_travel_together(pull: PullRequest, world: World, policed: str) -> None:
    world.request("alex-groups")
    world.write(policed, "apiVersion: pmgitops/v1\n")
    assert pull.found() == [("mixed-change", policed.split("/", maxsplit=1)[0], 1)]


def test_rules_alone_may_be_changed(pull: PullRequest, world: World) -> None:
    world.write("policies/new.yaml", POLICY.replace("short-lived", "new"))
    assert pull.found() == []


def test_it_is_judged_by_the_policies_that_it_would_weaken(pull: PullRequest, world: World) -> None:
    world.write("policies/short-lived.yaml", POLICY.replace("'8h'", "'80h'").replace("PT9H", "PT90H"))
    world.request("alex-groups", duration="PT9H")
    assert {rule for rule, *_ in pull.found()} == {"mixed-change", "short-lived"}


def test_it_is_judged_by_the_configuration_that_it_would_loosen(pull: PullRequest, world: World) -> None:
    world.configure(gate="off")
    world.request("alex-groups", ticket="none-of-yours")
    assert {rule for rule, *_ in pull.found()} == {"mixed-change", "ticket"}


def test_a_configuration_that_it_breaks_does_not_matter_to_its_judgement(pull: PullRequest, world: World) -> None:
    world.write("pmgitops.yaml", "nonsense: [\n")
    world.request("alex-groups")
    checked = pull.check()
    assert checked.code == 1
    assert {found["rule"] for found in checked.json["findings"]} == {"mixed-change"}


def test_without_policies_nothing_passes(pull: PullRequest, world: World) -> None:
    git("checkout", "-q", "main", at=world.clone)
    (world.clone / "policies/short-lived.yaml").unlink()
    world.push("no rules")
    git("checkout", "-q", "-B", "proposal", at=world.clone)
    world.request("alex-groups")
    checked = pull.check()
    assert checked.code == 1
    assert [found["rule"] for found in checked.json["findings"]] == ["policy-file"]


def test_names_are_unique_wherever_files_stand(pull: PullRequest, world: World) -> None:
    (world.clone / "requests/other").mkdir()
    text = (world.clone / "requests/team/stands-already.yaml").read_text()
    world.write("requests/other/stands-already.yaml", text)
    assert pull.found() == [("duplicate-name", "requests/other/stands-already.yaml", 1)]


def test_moving_a_file_is_no_second_one(pull: PullRequest, world: World) -> None:
    git("mv", "requests/team/stands-already.yaml", "requests/stands-already.yaml", at=world.clone)
    assert pull.found() == []


def test_a_link_is_not_followed(pull: PullRequest, world: World) -> None:
    (world.clone / "requests/team/linked.yaml").symlink_to("stands-already.yaml")
    assert pull.found() == [("symlink", "requests/team/linked.yaml", 1)]


def test_a_link_to_a_folder_is_not_followed(pull: PullRequest, world: World) -> None:
    (world.clone / "requests/elsewhere").symlink_to("/etc", target_is_directory=True)
    assert pull.found() == [("symlink", "requests/elsewhere", 1)]


def test_a_file_of_any_size_is_judged_by_its_size(pull: PullRequest, world: World) -> None:
    world.write("requests/team/large.yaml", "# " + "x" * 70_000)
    assert pull.found() == [("size", "requests/team/large.yaml", 1)]


@pytest.mark.parametrize("verb", ["check", "plan"])
def test_a_revision_that_is_not_there(world: World, verb: str) -> None:
    ran = world.run(verb, "--base", "nowhere", "--head", "HEAD")
    assert ran.code == 2
    assert "nowhere" in ran.err
    assert "hint:" in ran.err


@pytest.mark.parametrize(
    "revision", ["--upload-pack=touch /tmp/x", "HEAD:requests", "HEAD^{tree}", "", "main..proposal"]
)
def test_a_revision_that_is_no_commit(world: World, revision: str) -> None:
    ran = world.run("check", "--base", revision, "--head", "HEAD")
    assert ran.code == 2, ran
    assert "Traceback" not in ran.err


def test_a_head_without_a_base(world: World) -> None:
    ran = world.run("check", "--head", "HEAD")
    assert (ran.code, ran.err.splitlines()[0]) == (2, "pmgitops: --base is missing")


def test_paths_beside_revisions(world: World) -> None:
    assert world.run("check", "requests", "--base", "HEAD", "--head", "HEAD").code == 2


# The plan of a pull request


def test_the_plan_that_was_shown_is_the_one_that_is_applied(pull: PullRequest, world: World) -> None:
    world.run("apply")
    world.request("alex-groups")
    pull.commit()
    shown = world.run("plan", "--base", "main", "--head", "proposal", "--format", "json").json
    git("checkout", "-q", "main", at=world.clone)
    git("merge", "-q", "--no-ff", "-m", "merged", "proposal", at=world.clone)
    git("push", "-q", "origin", "HEAD:main", at=world.clone)
    applied = world.run("apply", "--digest", shown["digest"], "--format", "json")
    assert applied.code == 0, applied
    assert [row["name"] for row in applied.json["applied"]] == ["alex-groups"]


def test_its_plan_contacts_nobody(pull: PullRequest, world: World) -> None:
    world.control("DELETE", "log")
    world.request("alex-groups")
    pull.commit()
    shown = world.run("plan", "--base", "main", "--head", "proposal", "--offline", "--format", "json")
    assert shown.code == 0, shown
    assert [change["action"] for change in shown.json["changes"]] == ["create"]
    assert world.control("GET", "log")["log"] == []


def test_differences_end_with_three_where_asked_for(pull: PullRequest, world: World) -> None:
    world.request("alex-groups")
    pull.commit()
    arguments = ["plan", "--base", "main", "--head", "proposal", "--offline"]
    assert world.run(*arguments).code == 0
    assert world.run(*arguments, "--detailed-exitcode").code == 3
    assert world.run("plan", "--base", "main", "--head", "main", "--offline", "--detailed-exitcode").code == 0
