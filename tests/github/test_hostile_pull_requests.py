"""What a pull request brings is data: the commands of check.yml and plan.yml, on pull requests that mean ill."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.world import Ran, World

REQUEST = "requests/team/alex-groups.yaml"


class PullRequest:
    """A branch of the world's clone, judged from main as the workflows do it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.git("checkout", "-q", "-b", "pull-request")

    def git(self, *arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=self.world.clone, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def opened(self) -> str:
        """Commit what was written, and go back to main: nothing of it stays on disk."""
        self.git("add", "--all")
        self.git("commit", "-q", "-m", "innocent")
        head = self.git("rev-parse", "HEAD")
        self.git("checkout", "-q", "main")
        return head

    def check(self, head: str, form: str = "github") -> Ran:
        return self.world.run("check", "--base", "HEAD", "--head", head, "--format", form)

    def plan(self, head: str, form: str = "markdown") -> Ran:
        return self.world.run("plan", "--base", "HEAD", "--head", head, "--offline", "--format", form)


@pytest.fixture
def pull(world: World) -> PullRequest:
    world.configure(tickets=False)
    world.push("no tickets")
    return PullRequest(world)


def test_an_innocent_one_passes(pull: PullRequest, world: World) -> None:
    world.request("alex-groups")
    head = pull.opened()
    assert pull.check(head).code == 0
    assert pull.plan(head).code == 0


def test_its_policies_judge_nobody(pull: PullRequest, world: World) -> None:
    (world.clone / "policies/short-lived.yaml").unlink()
    world.request("alex-groups", duration="PT9H")
    head = pull.opened()
    checked = pull.check(head)
    assert checked.code == 1
    assert "title=short-lived::" in checked.out
    assert "title=mixed-change::" in checked.out
    assert pull.plan(head).code == 1


def test_its_configuration_routes_nothing(pull: PullRequest, world: World) -> None:
    world.configure("limits: {maxCancellations: 1000}\n", gate="off")
    (world.clone / "pmgitops.yaml").write_text("apiVersion: pmgitops/v1\nbranch: pull-request\nroutes: []\n")
    world.request("alex-groups")
    head = pull.opened()
    assert "title=mixed-change::" in pull.check(head).out
    assert [change["target"] for change in pull.plan(head, "json").json["changes"]] == ["permissions-management"]


def test_its_workflows_go_into_a_pull_request_of_their_own(pull: PullRequest, world: World) -> None:
    world.write(".github/workflows/check.yml", "name: check\n")
    world.request("alex-groups")
    assert "title=mixed-change::" in pull.check(pull.opened()).out


def test_its_links_are_not_followed(pull: PullRequest, world: World) -> None:
    (world.clone / "requests/team").mkdir()
    (world.clone / "requests/team/secrets.yaml").symlink_to("/etc/passwd")
    checked = pull.check(pull.opened())
    assert checked.code == 1
    assert "title=symlink::" in checked.out
    assert "root:" not in checked.out


def test_its_file_names_give_no_commands_to_the_runner(pull: PullRequest, world: World) -> None:
    folder = os.fsencode(world.clone / "requests/team")
    os.makedirs(folder, exist_ok=True)  # noqa: PTH103 - bytes
    names = [b"a\n::add-mask::b.yaml", b"::stop-commands::x.yaml", b"c%0A::error::d.yaml"]
    for name in names:
        with open(os.path.join(folder, name), "wb") as file:  # noqa: PTH118, PTH123 - bytes
            file.write(b"kind: aws-policies\n")
    checked = pull.check(pull.opened())
    *findings, summary = checked.out.splitlines()
    assert checked.code == 1
    assert len(findings) >= len(names)
    assert all(line.startswith("::error file=requests/team/") for line in findings)
    assert not summary.startswith("::")


def test_its_words_do_nothing_in_the_comment(pull: PullRequest, world: World) -> None:
    world.request("alex-groups")
    text = (world.clone / REQUEST).read_text()
    hostile = "'@contoso/admins <!-- pmgitops:plan --> <img src=x> [ok](https://evil.example) ``` | x'"
    (world.clone / REQUEST).write_text(
        text.replace("I need to add a user to a group", hostile).replace("alex@contoso.com", hostile)
    )
    planned = pull.plan(pull.opened())
    outside = "".join(planned.out.split("```")[::2])
    assert planned.out.startswith("<!-- pmgitops:plan -->\n")
    assert "<!--" not in outside.removeprefix("<!-- pmgitops:plan -->")
    for word in ("@contoso", "<img", "](https"):
        assert word not in outside


def test_it_can_end_its_code_block_nowhere(pull: PullRequest, world: World) -> None:
    world.request("alex-groups")
    text = (world.clone / REQUEST).read_text()
    (world.clone / REQUEST).write_text(
        text.replace("I need to add a user to a group", '"yes\\n```\\n# approved by security"')
    )
    planned = pull.plan(pull.opened())
    assert planned.code == 0, planned
    assert sum(line.startswith("```") for line in planned.out.splitlines()) == 2
    assert not any(line.startswith("#") and "approved by security" in line for line in planned.out.splitlines())


def test_judging_leaves_no_trace_of_it_on_disk(pull: PullRequest, world: World) -> None:
    world.request("alex-groups")
    head = pull.opened()
    pull.check(head)
    pull.plan(head)
    assert pull.git("status", "--porcelain") == ""
    assert not (world.clone / REQUEST).exists()
