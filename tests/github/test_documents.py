"""What the documents name is there: files, commands, tests."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from pmgitops import cli

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([ROOT / "docs/operations.md", ROOT / "docs/threat-model.md", *ROOT.glob("docs/decisions/*.md")])
OURS = re.compile(r"`((?:\.github|\.ci|docs|locks|pmgitops|policies|tests)/[\w./-]+)`(?: `([a-z_]\w*)`)?")
USERS = {"pmgitops/ledger", ".github/CODEOWNERS"}
"""What stands in a user's repository: a branch's name, and a file that is made from the example."""


def missing(text: str) -> list[str]:
    """Paths that are not there, and names that do not stand in the file before them."""
    found = []
    for path, name in OURS.findall(text):
        if path in USERS:
            continue
        place = ROOT / path
        if not place.exists():
            found.append(path)
        elif name and not re.search(rf"\b{name}\b", place.read_text("utf-8")):
            found.append(f"{path} {name}")
    return found


def unknown(text: str) -> list[str]:
    """Command lines of pmgitops that its parser does not take."""
    spans = re.findall(r"`(pmgitops [a-z][^`]*)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    lines = re.findall(r"^\$ (pmgitops .*)$", text, flags=re.MULTILINE)
    found = []
    for line in (*spans, *lines):
        command: click.Command = cli.pmgitops
        try:
            context = command.make_context("pmgitops", shlex.split(line)[1:])
            while isinstance(command, click.Group):
                name, inner, rest = command.resolve_command(context, [*context._protected_args, *context.args])
                assert inner is not None
                command, context = inner, inner.make_context(name, rest, parent=context)
        except click.ClickException:
            found.append(line)
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_what_it_names_is_there(document: Path) -> None:
    text = document.read_text("utf-8")
    assert missing(text) == []
    assert unknown(text) == []
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_what_is_missing_is_found() -> None:
    assert missing("`pmgitops/nowhere.py` and `pmgitops/plan.py` `no_such_name`") == [
        "pmgitops/nowhere.py",
        "pmgitops/plan.py no_such_name",
    ]
    assert unknown("`pmgitops plan --force` and\n```\n$ pmgitops fly\n```") == ["pmgitops plan --force", "pmgitops fly"]


def test_every_decision_is_in_the_index() -> None:
    index = (ROOT / "docs/decisions/README.md").read_text("utf-8")
    decisions = {path.name for path in ROOT.glob("docs/decisions/0*.md")}
    assert decisions
    assert set(re.findall(r"\((0[\w.-]+\.md)\)", index)) == decisions
