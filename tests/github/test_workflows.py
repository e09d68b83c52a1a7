"""What must hold of every workflow; and for each rule a broken copy of one, so that no rule passes by being blind."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from pmgitops import cli
from pmgitops.report import plans

GITHUB = Path(__file__).parents[2] / ".github"
PATHS = sorted([*GITHUB.glob("workflows/*.yml"), *GITHUB.glob("actions/*/action.yml")])
NAMES = [path.relative_to(GITHUB).as_posix() for path in PATHS]
LOCAL = "./.github/actions/pmgitops"


@dataclass(frozen=True)
class Workflow:
    """A workflow or an action: its name, its text, and what YAML makes of it. Scalars stay text, so `on` stays `on`."""

    name: str
    text: str

    @property
    def body(self) -> dict[str, Any]:
        return yaml.load(self.text, Loader=yaml.BaseLoader)

    @property
    def jobs(self) -> dict[str, dict[str, Any]]:
        return self.body.get("jobs", {})

    @property
    def steps(self) -> list[dict[str, Any]]:
        inner = self.body["runs"]["steps"] if "runs" in self.body else []
        return [*inner, *(step for job in self.jobs.values() for step in job["steps"])]

    @property
    def events(self) -> set[str]:
        return set(self.body.get("on", {}))


def read(name: str) -> Workflow:
    return Workflow(name, (GITHUB / name).read_text("utf-8"))


# The rules: each gives the problems of one workflow


def no_permissions_at_the_top(workflow: Workflow) -> Iterator[str]:
    if workflow.jobs and workflow.body.get("permissions") != {}:
        yield "permissions at the top are not {}"


def every_job_names_its_permissions(workflow: Workflow) -> Iterator[str]:
    for name, job in workflow.jobs.items():
        if not isinstance(job.get("permissions"), dict):
            yield f"{name} does not name its permissions"


def every_permission_has_its_reason(workflow: Workflow) -> Iterator[str]:
    scopes = "actions|checks|contents|deployments|id-token|issues|packages|pull-requests|security-events|statuses"
    for line in workflow.text.splitlines():
        if re.match(rf"\s+({scopes}): (read|write)\s*$", line):
            yield f"no reason beside {line.strip()}"


def every_job_ends(workflow: Workflow) -> Iterator[str]:
    for name, job in workflow.jobs.items():
        if int(job.get("timeout-minutes", 360)) > 60:
            yield f"{name} has no timeout worth the name"


def actions_are_pinned(workflow: Workflow) -> Iterator[str]:
    for line in workflow.text.splitlines():
        used = re.match(r"\s+(?:- )?uses: (\S+)(.*)", line)
        if used is None or used[1] == LOCAL:
            continue
        if not re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}", used[1]) or not re.fullmatch(
            r" # v\d+\.\d+\.\d+", used[2]
        ):
            yield f"{used[1]} is not pinned by a SHA with its version beside it"


def checkouts_leave_no_credentials(workflow: Workflow) -> Iterator[str]:
    for step in workflow.steps:
        if "actions/checkout" in step.get("uses", "") and step["with"].get("persist-credentials") != "false":
            yield f"{step['name']} leaves credentials behind"


def scripts_hold_no_expressions(workflow: Workflow) -> Iterator[str]:
    for step in workflow.steps:
        if "${{" in step.get("run", ""):
            yield f"{step['name']} pastes an expression into a script"


def pipes_fail(workflow: Workflow) -> Iterator[str]:
    if workflow.jobs and workflow.body.get("defaults", {}).get("run", {}).get("shell") != "bash":
        yield "scripts run without pipefail"


def pull_requests_get_nothing(workflow: Workflow) -> Iterator[str]:
    """What a pull request starts has no secret, no environment and no permission to write."""
    if "pull_request_target" in workflow.events:
        yield "runs on pull_request_target"
    if "pull_request" not in workflow.events:
        return
    if "secrets" in re.sub(r"#.*", "", workflow.text):
        yield "speaks of secrets"
    for name, job in workflow.jobs.items():
        if "environment" in job:
            yield f"{name} enters an environment"
        if set(job["permissions"].values()) - {"read"}:
            yield f"{name} may write"


def the_judges_check_out_main(workflow: Workflow) -> Iterator[str]:
    """Where a pull request is judged, what is checked out and installed is main's."""
    if workflow.name not in {"workflows/check.yml", "workflows/plan.yml"}:
        return
    if "check" in workflow.name and workflow.body["on"]["pull_request"] != {"branches": ["main"]}:
        yield "judges pull requests that do not go into main"
    for step in workflow.steps:
        if "actions/checkout" in step.get("uses", "") and step["with"].get("ref") not in {
            "${{ github.base_ref }}",
            "main",
        }:
            yield f"checks out {step['with'].get('ref')}"
        if re.search(r"git (checkout|switch|merge|worktree|reset|restore|pull)\b", step.get("run", "")):
            yield f"{step['name']} puts the pull request's files on disk"


def who_may_write_parses_nothing(workflow: Workflow) -> Iterator[str]:
    if "workflow_run" not in workflow.events:
        return
    if "secrets" in re.sub(r"#.*", "", workflow.text):
        yield "speaks of secrets"
    for name, job in workflow.jobs.items():
        does_more = any("uses" in step or ".venv/" in step["run"] for step in job["steps"])
        if does_more and "write" in job["permissions"].values():
            yield f"{name} may write, and does more than that"


def secrets_stay_in_their_environment(workflow: Workflow) -> Iterator[str]:
    for name, job in workflow.jobs.items():
        if "${{ secrets." in str(job) and job.get("environment") != "production":
            yield f"{name} takes secrets outside the environment"


def commands_exist(workflow: Workflow) -> Iterator[str]:
    for arguments in commands(workflow):
        try:
            parsed(arguments)
        except click.ClickException as error:
            yield f"pmgitops {' '.join(arguments)}: {error.format_message()}"


def histories_are_whole(workflow: Workflow) -> Iterator[str]:
    """A shallow clone is refused by `apply`, and has no fork point to judge from."""
    judging = any(arguments[0] in {"check", "plan", "apply"} for arguments in commands(workflow))
    for step in workflow.steps:
        if judging and "actions/checkout" in step.get("uses", "") and step["with"].get("fetch-depth") != "0":
            yield f"{step['name']} cuts the history off"


def commands(workflow: Workflow) -> Iterator[list[str]]:
    """The arguments of every call of pmgitops; `"$@"` stands for all that a person may have said."""
    for step in workflow.steps:
        for line in step.get("run", "").replace("\\\n", " ").splitlines():
            lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
            lexer.whitespace_split = True
            words = list(lexer)
            if words[:1] != [".venv/bin/pmgitops"]:
                continue
            end = next((place for place, word in enumerate(words) if set(word) <= set("();<>|&")), len(words))
            said = [argument for guard in cli.GUARDS for argument in ("--allow", guard)] + ["--digest", "0123456789ab"]
            yield [argument for word in words[1:end] for argument in (said if word == "$@" else [word])]


def parsed(arguments: list[str]) -> click.Context:
    """What click makes of a command line, which is not run. Raises ClickException."""
    command: click.Command = cli.pmgitops
    context = command.make_context("pmgitops", list(arguments)) if arguments != ["--version"] else None
    while context is not None and isinstance(command, click.Group):
        name, found, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        assert found is not None
        command, context = found, found.make_context(name, rest, parent=context)
    return context or click.Context(command)


Rule = Callable[[Workflow], Iterator[str]]
RULES: list[Rule] = [
    no_permissions_at_the_top,
    every_job_names_its_permissions,
    every_permission_has_its_reason,
    every_job_ends,
    actions_are_pinned,
    checkouts_leave_no_credentials,
    scripts_hold_no_expressions,
    pipes_fail,
    pull_requests_get_nothing,
    the_judges_check_out_main,
    who_may_write_parses_nothing,
    secrets_stay_in_their_environment,
    commands_exist,
    histories_are_whole,
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_rule_holds(rule: Rule, name: str) -> None:
    assert list(rule(read(name))) == []


BROKEN: list[tuple[Rule, str, str, str]] = [
    (no_permissions_at_the_top, "ci.yml", "permissions: {}", "permissions: read-all"),
    (every_job_names_its_permissions, "ci.yml", "    permissions:\n      contents: read # to check out\n", ""),
    (every_permission_has_its_reason, "apply.yml", " # to log in to Entra ID without a stored secret", ""),
    (every_job_ends, "check.yml", "    timeout-minutes: 10\n", ""),
    (actions_are_pinned, "ci.yml", "@e797f83bcb11b83ae66e0230d6156d7c80228e7c # v6.0.0", "@v6"),
    (actions_are_pinned, "ci.yml", " # v6.0.0", ""),
    (checkouts_leave_no_credentials, "apply.yml", "persist-credentials: false", "persist-credentials: true"),
    (scripts_hold_no_expressions, "check.yml", 'git fetch --quiet --no-tags --no-recurse-submodules origin "$HEAD"',
     "git fetch origin ${{ github.head_ref }}"),
    (pipes_fail, "plan.yml", "shell: bash", "shell: sh"),
    (pull_requests_get_nothing, "check.yml", "contents: read", "contents: write"),
    (pull_requests_get_nothing, "check.yml", "${{ github.token }}", "${{ secrets.PERSONAL }}"),
    (pull_requests_get_nothing, "check.yml", "  pull_request:", "  pull_request_target:"),
    (pull_requests_get_nothing, "ci.yml", "    name: tests, macOS\n", "    name: tests\n    environment: production\n"),
    (the_judges_check_out_main, "check.yml", "${{ github.base_ref }}", "${{ github.event.pull_request.head.sha }}"),
    (the_judges_check_out_main, "check.yml", "    branches: [main] #", "    types: [opened] #"),
    (the_judges_check_out_main, "plan.yml", "run: git fetch", "run: git pull"),
    (who_may_write_parses_nothing, "plan.yml", "contents: read # to", "pull-requests: write # to"),
    (who_may_write_parses_nothing, "plan.yml", "${{ github.token }}", "${{ secrets.PERSONAL }}"),
    (secrets_stay_in_their_environment, "apply.yml", "environment: production", "environment: staging"),
    (commands_exist, "check.yml", "--format github", "--format gitlab"),
    (commands_exist, "plan.yml", "plan --base HEAD", "diff --base HEAD"),
    (commands_exist, "apply.yml", "pmgitops apply", "pmgitops apply --force"),
    (histories_are_whole, "reconcile.yml", "fetch-depth: 0", "fetch-depth: 1"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "name", "was", "becomes"), BROKEN, ids=lambda value: getattr(value, "__name__", None))
def test_rule_finds_what_is_broken(rule: Rule, name: str, was: str, becomes: str) -> None:
    workflow = read(f"workflows/{name}")
    assert was in workflow.text
    assert list(rule(Workflow(workflow.name, workflow.text.replace(was, becomes)))) != []


def test_every_rule_has_a_broken_workflow() -> None:
    assert {rule for rule, *_ in BROKEN} == set(RULES)


# What holds between files


def test_the_commands_that_are_needed_are_there() -> None:
    called = {name: [arguments[0] for arguments in commands(read(name))] for name in NAMES}
    assert called["workflows/check.yml"] == ["check", "plan"]
    assert called["workflows/plan.yml"] == ["check", "plan"]
    assert called["workflows/apply.yml"] == called["workflows/reconcile.yml"] == ["apply"]


def test_apply_and_reconcile_share_one_group_and_finish_what_they_began() -> None:
    apply, reconcile = read("workflows/apply.yml").body, read("workflows/reconcile.yml").body
    assert (
        apply["concurrency"] == reconcile["concurrency"] == {"group": "pmgitops-apply", "cancel-in-progress": "false"}
    )
    groups = [read(name).body["concurrency"]["group"] for name in NAMES if read(name).jobs]
    assert groups.count("pmgitops-apply") == 2


def test_apply_and_reconcile_are_the_same_job() -> None:
    apply, reconcile = (read(f"workflows/{name}.yml").jobs["apply"] for name in ("apply", "reconcile"))
    assert {key: value for key, value in reconcile.items() if key not in {"if", "needs", "steps"}} == {
        key: value for key, value in apply.items() if key != "steps"
    }
    *before, last = apply["steps"]
    *before_too, last_too = reconcile["steps"]
    assert before_too == before
    assert {key: value for key, value in last_too["env"].items() if key not in {"ALLOW", "DIGEST"}} == last["env"]
    log_in, call = last["run"].rsplit("\n", 2)[0], last["run"].rsplit("\n", 2)[1]
    assert log_in in last_too["run"]
    assert last_too["run"].endswith(f'{call} "$@"\n')


def test_reconcile_offers_the_guards_that_there_are() -> None:
    inputs = read("workflows/reconcile.yml").body["on"]["workflow_dispatch"]["inputs"]
    assert inputs["allow"]["options"] == ["nothing", *cli.GUARDS]
    assert inputs["allow"]["default"] == "nothing"


def test_an_override_waits_for_a_second_person() -> None:
    jobs = read("workflows/reconcile.yml").jobs
    assert jobs["confirm"]["environment"] == "override"
    assert jobs["confirm"]["permissions"] == {}
    assert jobs["apply"]["needs"] == "confirm"
    assert "needs.confirm.result == 'success'" in jobs["apply"]["if"]


def test_plan_follows_a_workflow_that_there_is() -> None:
    names = {workflow.body["name"] for workflow in map(read, NAMES) if workflow.jobs}
    assert set(read("workflows/plan.yml").body["on"]["workflow_run"]["workflows"]) <= names


def test_plan_knows_the_marker_and_the_limit_of_the_report() -> None:
    text = read("workflows/plan.yml").text
    assert set(re.findall(r"<!--.*?-->", text)) == {plans.MARKER}
    assert f"head -c {plans.MOST} " in text
