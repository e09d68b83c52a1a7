"""Every file below `tests/cases/requests` is a test: what is accepted, and what is refused, where and why.

`accepted/<rule>/<why>.yaml` is a request. `rejected/<rule>/<why>.yaml` begins with a line for each finding:
`# expect: LINE:COLUMN RULE words of the message`. Dropping in a file is all it takes.
"""

import inspect
import re
from pathlib import Path

import pytest

from pmgitops import document, load
from pmgitops.model import problem, request, scalars, schedule

CASES = Path(__file__).parents[1] / "cases" / "requests"
ACCEPTED = sorted(CASES.glob("accepted/*/*.yaml"))
REJECTED = sorted(CASES.glob("rejected/*/*.yaml"))
EXPECT = re.compile(r"# expect: (\d+):(\d+) ([a-z-]+) ?(.*)")

MADE_IN_TESTS = {"size", "encoding", "character", "depth"}
"""Rules whose cases are better made than kept in files: `test_bytes.py`."""
OF_THE_TREE = {"name", "extension", "symlink", "submodule", "duplicate-name"}
"""Rules about files, not their content: `test_load.py`."""


def name(path):
    return "/".join(path.relative_to(CASES).parts[1:])


def rules():
    """The rules as the modules' docstrings list them."""
    for module in (document, load, problem, request, scalars, schedule):
        yield from re.findall(r"^\* ([a-z-]+)\s", inspect.getdoc(module), re.MULTILINE)


def loaded(path):
    return load.load(f"requests/{path.name}", path.read_bytes())


def expected(path):
    lines = path.read_text().splitlines()
    heads = [EXPECT.fullmatch(line) for line in lines if line.startswith("# expect")]
    return sorted((int(line), int(column), rule, words) for line, column, rule, words in (h.groups() for h in heads))


@pytest.mark.parametrize("path", ACCEPTED, ids=name)
def test_accepted(path):
    found = loaded(path)
    assert isinstance(found, load.RequestFile), found
    assert len(found.request.revision) == 64


@pytest.mark.parametrize("path", REJECTED, ids=name)
def test_rejected(path):
    found = loaded(path)
    assert isinstance(found, list), "is accepted"
    wanted = expected(path)
    assert [(f.line, f.column, f.rule) for f in found] == [(line, column, rule) for line, column, rule, _ in wanted]
    for finding, (*_, words) in zip(found, wanted, strict=True):
        assert words in finding.message
        assert finding.path == f"requests/{path.name}"
        assert finding.severity == "error"


@pytest.mark.parametrize("rule", sorted(set(rules())))
def test_every_rule_has_cases(rule):
    if rule in MADE_IN_TESTS | OF_THE_TREE:
        return
    for verdict in ("accepted", "rejected"):
        assert any((CASES / verdict / rule).glob("*.yaml")), f"no {verdict} case of {rule}"


def test_every_finding_is_of_a_rule_that_is_told_of():
    known = set(rules())
    for path in REJECTED:
        assert {finding.rule for finding in loaded(path)} <= known
    assert {path.parent.name for path in [*ACCEPTED, *REJECTED]} - {"several"} <= known


def test_one_broken_file_hides_no_other():
    """A folder of everything: each broken file is reported, no healthy one is."""
    folder = {f"requests/{path.parent.name}-{path.name}": path for path in [*REJECTED, *ACCEPTED]}
    reported = {path for path, case in folder.items() if isinstance(load.load(path, case.read_bytes()), list)}
    assert reported == {path for path, case in folder.items() if case in REJECTED}
    assert len(REJECTED) >= 60
