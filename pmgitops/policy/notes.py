"""The templates of notes under `policies/templates/`: which there are, what they know, and what is wrong with one.

`note.txt.j2` is for every note, `<transition>.txt.j2` for the notes of one transition (`granted.txt.j2`). They are
Jinja, and less: names, `if`, comparisons, `~` and some filters. Without loops, calls and variables of its own, no
template can take longer or become larger than what is written in it. What comes last in a note (the evidence and the
marker) is not a template's business.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from pmgitops.model.finding import Finding
from pmgitops.model.problem import nearest

if TYPE_CHECKING:
    from jinja2 import Environment, Template, nodes

FOLDER = "templates"
SUFFIX = ".txt.j2"
NAMES = {
    "headline": "what happened, in words",
    "transition": "what happened, in one word: linked, submitted, granted, ...",
    "name": "the request's name",
    "revision": "its revision, 64 hex digits",
    "access": "what it asks for, in words",
    "identity": "for whom",
    "justification": "why",
    "target": "where it is delivered",
    "remote_id": "its id there; empty before it has one",
    "detail": "what the target, or pmgitops, says of it; may be empty",
    "at": "when it happened, such as 2026-01-15 09:30:00 UTC",
    "ticket": "the ticket's number",
}
"""What a template knows: all of them text of one line."""
TRANSITIONS = (
    *("linked", "submitted", "approved", "rejected", "granting", "granted", "grantingFailed"),
    *("revoking", "revoked", "revokingFailed", "completed", "canceled", "diverged", "inOrder", "closed-out"),
)
"""What a ticket is told of."""
FILTERS = ("capitalize", "d", "default", "first", "last", "length", "lower", "title", "trim", "truncate", "upper")


def is_template(path: str) -> bool:
    """Whether a file under `policies/` is the template of a note."""
    return PurePosixPath(path).parent.name == FOLDER and path.endswith(SUFFIX)


def stem(path: str) -> str:
    """What the template at this path is for: `note`, or a transition."""
    return PurePosixPath(path).name.removesuffix(SUFFIX)


def findings(path: str, data: bytes) -> Iterator[Finding]:
    """Everything that is wrong with the template at this path, at its line."""
    known = ("note", *TRANSITIONS)
    if stem(path) not in known:
        meant = nearest(stem(path), known)
        advice = f"did you mean {meant + SUFFIX!r}?" if meant else f"known are {', '.join(known)}"
        yield Finding(path, 1, 1, "policy-template", f"there is no note called {stem(path)!r}; {advice}")
    try:
        source = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        yield Finding(path, 1, 1, "policy-template", "is not UTF-8")
        return
    for line, column, message in _faults(source):
        yield Finding(path, line, column, "policy-template", message)


def rendered(source: str, values: Mapping[str, str]) -> str | None:
    """What the template makes of these values of `NAMES`; None where anything is wrong with it."""
    from jinja2 import TemplateError  # noqa: PLC0415  # 50 ms, and only where notes are written

    template = _compiled(source)
    try:
        return template.render(values) if template else None
    except (TemplateError, TypeError, ValueError, ArithmeticError):
        return None


@cache
def _compiled(source: str) -> Template | None:
    return None if _faults(source) else _environment().from_string(source)


@cache
def _environment() -> Environment:
    from jinja2 import StrictUndefined  # noqa: PLC0415  # 50 ms, and only where notes are written
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415

    # Plain text: what is escaped for HTML here would be shown escaped there.
    return ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )


@cache
def _faults(source: str) -> tuple[tuple[int, int, str], ...]:
    from jinja2 import TemplateError, TemplateSyntaxError  # noqa: PLC0415  # as above
    from jinja2.nodes import Const, Test  # noqa: PLC0415

    from pmgitops.policy import wording  # noqa: PLC0415  # as above

    known: Mapping[str, tuple[str, ...] | None] = dict.fromkeys(NAMES)
    found = [(fault.line, fault.column, fault.message) for fault in wording.faults(source, {}, known)]
    if found:
        return tuple(found)
    tree = _environment().parse(source)
    refused = [(node.lineno, 1, f"notes have no {_called(node)}") for node in _nodes(tree) if not _plain(node)]
    if refused:
        return tuple(dict.fromkeys(refused))
    try:  # with every name there, and with those empty that may be
        for fill in ("x", ""):
            _environment().from_string(source).render(dict.fromkeys(NAMES, fill))
    except TemplateSyntaxError as error:
        return ((error.lineno, 1, f"not a template: {error.message}"),)
    except (TemplateError, TypeError, ValueError, ArithmeticError) as error:
        tests = [node.lineno for node in tree.find_all((Test, Const))]
        return ((min(tests, default=1), 1, f"cannot be written: {error}"),)
    return ()


def _nodes(node: nodes.Node) -> Iterator[nodes.Node]:
    for child in node.iter_child_nodes():
        yield child
        yield from _nodes(child)


_PLAIN = frozenset({
    *("Output", "TemplateData", "Name", "Const", "If", "CondExpr", "Compare", "Operand", "Not", "And", "Or", "Concat"),
    *("Filter", "Test", "Keyword"),
})  # fmt: skip


def _plain(node: Any) -> bool:
    kind = type(node).__name__
    return kind in _PLAIN and (kind != "Filter" or node.name in FILTERS)


def _called(node: Any) -> str:
    kind = type(node).__name__
    if kind == "Filter":
        return f"filter {node.name!r}; known are {', '.join(FILTERS)}"
    words = {"For": "loops", "Call": "calls", "Assign": "variables of their own", "Getattr": "fields", "Mul": "'*'"}
    return words.get(kind, f"{kind.lower()!r}")
