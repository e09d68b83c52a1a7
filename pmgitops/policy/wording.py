"""Jinja, and the only place that knows of it: the templates of messages, and what is wrong with one."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, get_args, get_origin

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pmgitops.model.problem import nearest
from pmgitops.policy.declared import fields as declared
from pmgitops.policy.declared import is_kind
from pmgitops.policy.engine import Fault
from pmgitops.policy.message import written

__all__ = ["ENVIRONMENT", "TemplateError", "faults"]

# Not escaped: a message is plain text, and what shows it (terminal, Markdown, SARIF) escapes in its own way.
ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=StrictUndefined, finalize=written, autoescape=False)


def faults(source: str, variables: Mapping[str, type], others: Mapping[str, tuple[str, ...] | None]) -> list[Fault]:
    """Mistakes in a message. `others`: further names, with their fields where these are known."""
    try:
        tree = ENVIRONMENT.parse(source)
    except TemplateSyntaxError as error:
        return [Fault(error.lineno, 1, f"not a template: {error.message}")]
    foreign = [
        _at(source, node.name, f"unknown {what} {node.name!r}{_did_you_mean(node.name, known)}")
        for kind, what, known in _VOCABULARY
        for node in tree.find_all(kind)
        if node.name not in known
    ]
    if foreign:  # jinja2 looks no further either
        return list(dict.fromkeys(foreign))
    known = [*variables, *others]
    found = [
        _at(source, name, f"unknown name {name!r}{_did_you_mean(name, known)}") for name in _undeclared(tree, known)
    ]
    for chain in _chains(tree):
        found += _unknown_fields(source, chain, variables, others)
    return list(dict.fromkeys(found))


_VOCABULARY: tuple[tuple[Any, str, Collection[str]], ...] = (
    (nodes.Filter, "filter", ENVIRONMENT.filters),
    (nodes.Test, "test", ENVIRONMENT.tests),
)


def _undeclared(tree: nodes.Template, known: Collection[str]) -> list[str]:
    """Names that are neither facts nor made by the template itself (which is slow to tell apart, and seldom needed)."""
    unknown = {node.name for node in tree.find_all(nodes.Name)}.difference(known)
    return sorted(meta.find_undeclared_variables(tree).difference(known)) if unknown else []


def _chains(tree: nodes.Template) -> Iterator[list[str]]:
    """Every `name.field.field` of a template."""
    for node in tree.find_all(nodes.Getattr):
        chain: list[str] = []
        inner: nodes.Node = node
        while isinstance(inner, nodes.Getattr):
            chain.insert(0, inner.attr)
            inner = inner.node
        if isinstance(inner, nodes.Name):
            yield [inner.name, *chain]


def _unknown_fields(
    source: str, chain: list[str], variables: Mapping[str, type], others: Mapping[str, tuple[str, ...] | None]
) -> list[Fault]:
    name, *fields = chain
    known = others.get(name)
    if known is not None and fields[0] not in known:
        return [_at(source, fields[0], f"unknown field {fields[0]!r} of {name}{_did_you_mean(fields[0], known)}")]
    kind: Any = variables.get(name)
    for field in fields:
        if not is_kind(kind):
            break
        types = declared(kind)
        if field not in types:
            return [_at(source, field, f"unknown field {field!r} of {name}{_did_you_mean(field, types)}")]
        kind, name = types[field], field
        if get_origin(kind) is tuple:
            kind = get_args(kind)
    return []


def _at(source: str, word: str, message: str) -> Fault:
    match = re.search(rf"\b{re.escape(word)}\b", source)
    before = source[: match.start()] if match else ""
    return Fault(before.count("\n") + 1, len(before) - before.rfind("\n"), message)


def _did_you_mean(name: str, known: Collection[str]) -> str:
    meant = nearest(name, known)
    return f"; did you mean {meant!r}?" if meant else f"; known are {', '.join(known)}"
