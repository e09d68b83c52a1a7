"""`--help`: complete, the same in the documentation, and quick because it imports nothing heavy."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from pmgitops import __version__
from pmgitops.cli import pmgitops
from tests.world import ROOT, run

HEAVY = {"pydantic", "pydantic_settings", "git", "requests", "pysnow", "yaml", "jinja2", "orjson", "rich", "stamina"}
HEAVY |= {"azure", "cel_expr_python", "google", "starlette", "uvicorn"}


@pytest.fixture(autouse=True)
def _one_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def verbs(command: click.Command = pmgitops, *words: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield words, command
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from verbs(below, *words, name)


VERBS = [pytest.param(words, command, id=" ".join(words) or "pmgitops") for words, command in verbs()]


@pytest.mark.parametrize(("words", "command"), VERBS)
def test_every_verb_and_every_option_says_what_it_is(words: tuple[str, ...], command: click.Command) -> None:
    assert command.help, words
    options = [option for option in command.params if isinstance(option, click.Option)]
    assert [option.name for option in options if not option.help] == []
    shown = run(*words, "--help")
    assert (shown.code, shown.err) == (0, "")
    assert run(*words, "-h").out == shown.out
    assert all(option.opts[0] in shown.out for option in options)
    assert all(len(line) <= 100 for line in shown.out.splitlines())


def test_it_tells_the_exit_codes() -> None:
    text = run("--help").out
    codes = (
        "0 done",
        "1 findings",
        "2 usage",
        "3 differences",
        "4 refused",
        "5 ticket",
        "6 some",
        "70 a bug",
        "130 int",
    )
    assert [code for code in codes if code not in text] == []


def test_the_version() -> None:
    assert run("--version").out == f"pmgitops, version {__version__}\n"


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
QUOTED = re.compile(r"^```\w*\n\$ (pmgitops\b[^\n]*--help)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_the_documentation_quotes_is_what_it_says(page: Path, request: pytest.FixtureRequest) -> None:
    """`--bless` fills in what stands behind `$ pmgitops ... --help`."""
    text = page.read_text("utf-8")
    if request.config.getoption("--bless"):
        text = QUOTED.sub(lambda match: match[0].removesuffix(match[2] + "```") + said(match[1]) + "```", text)
        page.write_text(text, "utf-8")
    quoted = {command: words for command, words in QUOTED.findall(text) if words}
    assert quoted == {command: said(command) for command in quoted}


def said(command: str) -> str:
    return run(*command.split()[1:]).out


def test_a_quotation_is_found() -> None:
    blocks = ["console\n$ pmgitops check --help\nUsage\n\nMore\n", "\n$ pmgitops --help\n", "\n$ pmgitops x\n"]
    text = "".join(f"```{block}```\n\nText.\n" for block in blocks)
    assert QUOTED.findall(text) == [("pmgitops check --help", "Usage\n\nMore\n"), ("pmgitops --help", "")]


@pytest.mark.parametrize("line", ["--help", "check --help", "apply --help", "policy test --help", "--version"])
def test_it_imports_nothing_heavy(line: str) -> None:
    script = (
        "import sys\nfrom pmgitops.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit as left:\n    assert left.code == 0\n"
        "print('\\n' + ' '.join(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *line.split()], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "click" in loaded
    assert loaded & HEAVY == set()
