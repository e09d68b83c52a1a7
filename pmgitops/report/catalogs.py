"""What discovery answered, what a pull came to, what the snapshot has: tables, JSON, Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pmgitops.report.quoting import code, dumped, escaped, one_line, visible

if TYPE_CHECKING:
    from pmgitops.catalog.operations import Operation
    from pmgitops.catalog.pull import Difference, Pulled

MOST_LISTED = 20
"""Entries of one sort that a summary names; the others are counted."""
WIDEST = 80
"""Characters of a cell."""
_DULL = ("dataCollectionInfo.entitlements.lastCollectionDateTime",)


def operations(table: Mapping[str, Operation]) -> str:
    """What `catalog get` can ask for."""
    rows = [(one.name, " ".join(name.upper() for name in one.parameters), one.title) for one in table.values()]
    return _aligned(("OPERATION", "TAKES", "GIVES"), rows)


def rows_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """A table with a column for each member that any row has, members of members by their path."""
    flat = [dict(_flat(row)) for row in rows]
    columns = list(dict.fromkeys(name for row in flat for name in row if name not in _DULL))
    shown = [tuple(_cell(row.get(column)) for column in columns) for row in flat]
    last = Counter(column.rpartition(".")[2] for column in columns)
    titles = [name if last[name := column.rpartition(".")[2]] == 1 else column for column in columns]
    return _aligned(titles, shown) if rows else "nothing"


def rows_json(rows: Sequence[Mapping[str, Any]], *, one: bool) -> str:
    """As Graph has it: an object, or a list of them."""
    return dumped(rows[0] if one else list(rows))


def _flat(row: Mapping[str, Any], above: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in row.items():
        if "@odata.context" in name or (name == "@odata.type" and not isinstance(value, str)):
            continue
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        elif name == "@odata.type":
            yield f"{above}type", value.rpartition(".")[2]
        elif value not in (None, "", []):
            yield above + name, value


def _cell(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(_cell(inner) for inner in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_cell(inner)}" for name, inner in _flat(value))
    return "" if value is None else str(value)


def _aligned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [tuple(map(_short, row)) for row in (head, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def _short(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= WIDEST else line[: WIDEST - 3] + "..."


# A pull


def pulled_text(pulled: Pulled) -> str:
    """What was read, what is different, what was refused, what to do next."""
    lines = [_begins(pulled)]
    if pulled.whole:
        lines += [f"  {text}" for text in _counted(pulled.difference)]
        lines += [f"  {sign} {where}: {what}" for sign, where, what in _listed(pulled.difference)]
    lines += [f"refused  {where}: {part}: {why}" for where, part, why in pulled.refused]
    lines += [f"failed   {where}: {why}" for where, why in pulled.failed]
    if not pulled.whole:
        lines.append("nothing was written; pull again, and it goes on where it was")
    return "\n".join(one_line(line) if line == line.lstrip() else "  " + one_line(line) for line in lines)


def pulled_json(pulled: Pulled) -> str:
    """For programs."""
    difference = pulled.difference
    return dumped({
        "systems": pulled.systems,
        "resumed": pulled.resumed,
        "whole": pulled.whole,
        "first": difference.first,
        "added": [_entry_json(where, entry) for where, entry in difference.added],
        "removed": [_entry_json(where, entry) for where, entry in difference.removed],
        "severity": [one._asdict() for one in difference.severity],
        "changed": difference.changed,
        "refused": [{"where": where, "part": part, "why": why} for where, part, why in pulled.refused],
        "failed": [{"where": where, "why": why} for where, why in pulled.failed],
    })  # fmt: skip


def pulled_markdown(pulled: Pulled) -> str:
    """For the pull request that brings the snapshot."""
    lines = [f"**Catalog**: {escaped(_begins(pulled))}", ""]
    if pulled.whole:
        lines += [f"- {escaped(text)}" for text in _counted(pulled.difference)]
        rows = list(_listed(pulled.difference))
        if rows:
            lines += ["", "| | where | what |", "|---|---|---|"]
            lines += [f"| {escaped(sign)} | {code(where)} | {code(what)} |" for sign, where, what in rows]
    if pulled.refused or pulled.failed:
        lines += ["", "Not read, and so unknown to every rule that asks:", ""]
        lines += [f"- {code(where)} {escaped(part)}: {escaped(why)}" for where, part, why in pulled.refused]
        lines += [f"- {code(where)}: {escaped(why)}" for where, why in pulled.failed]
    return "\n".join(lines)


def _begins(pulled: Pulled) -> str:
    earlier = f", of which an earlier pull had read {pulled.resumed}" if pulled.resumed else ""
    if pulled.interrupted:
        return f"interrupted among {pulled.systems} systems{earlier}"
    if pulled.failed:
        return f"{pulled.systems} systems{earlier}; {len(pulled.failed)} could not be read"
    return f"{pulled.systems} systems{earlier}"


def _counted(difference: Difference) -> list[str]:
    """One sentence for each sort of difference."""
    if difference.first:
        return ["the first snapshot, with nothing to compare it with"]
    if not difference:
        return ["nothing is different"]
    lines = []
    for word, entries in (("added", difference.added), ("removed", difference.removed)):
        counts = Counter(entry.kind for _, entry in entries)
        if counts:
            lines.append(f"{word}: " + ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())))
    if difference.severity:
        lines.append(f"severity changed: {len(difference.severity)} action")
    if difference.changed:
        lines.append(f"changed otherwise: {difference.changed}")
    return lines


def _listed(difference: Difference) -> Iterable[tuple[str, str, str]]:
    """The first of each sort: a severity before everything else, since rules turn on it."""
    severity = [("!", one.cloud, f"{one.action}: {one.before} -> {one.after}") for one in difference.severity]
    added = [("+", where, f"{entry.kind} {entry.external_id}") for where, entry in difference.added]
    removed = [("-", where, f"{entry.kind} {entry.external_id}") for where, entry in difference.removed]
    for sort in (severity, [] if difference.first else added, removed):
        yield from sort[:MOST_LISTED]
        if len(sort) > MOST_LISTED:
            yield sort[0][0], "", f"and {len(sort) - MOST_LISTED} more"


def _entry_json(where: str, entry: Any) -> dict[str, str]:
    return {"where": where, "kind": entry.kind, "externalId": entry.external_id}


PULLED = {"text": pulled_text, "json": pulled_json, "markdown": pulled_markdown}


# The snapshot, searched


def found_text(found: Sequence[Mapping[str, Any]], *, more: bool) -> str:
    """A line for each entry."""
    if not found:
        return "nothing"
    rows = [(one["where"], one["kind"], one["externalId"], one.get("name", ""), _about(one)) for one in found]
    text = _aligned(("WHERE", "KIND", "EXTERNAL ID", "NAME", ""), rows)
    return text + ("\nand more; say more words, or --most" if more else "")


def _about(one: Mapping[str, Any]) -> str:
    """What distinguishes it: severity and deed of an action, type of an identity."""
    return visible(
        " ".join(str(one[name]) for name in ("severity", "does", "type", "status", "capability") if one.get(name))
    )
