"""From a place inside a text to its place in the YAML file that it stands in: plain, quoted, literal or folded."""

from __future__ import annotations

from collections.abc import Iterator

from pmgitops.document import Position


def within(source: str, start: Position, text: str, line: int, column: int) -> Position:
    """Where line:column of `text` stands in `source`, whose scalar for it begins at `start`."""
    lines = text.split("\n")
    if not 1 <= line <= len(lines):
        return start
    wanted = sum(len(before) + 1 for before in lines[: line - 1]) + column - 1
    last = start
    for index, place in _visible(source, start, text):
        if index >= wanted:
            return place
        last = Position(place.line, place.column + 1)  # behind the text's end, say, where something is missing
    return last


def _visible(source: str, start: Position, text: str) -> Iterator[tuple[int, Position]]:
    """Each character of the text that is no blank, with its place. YAML folds blanks and keeps the others in order."""
    rows = source.replace("\r\n", "\n").split("\n")
    row, at = start.line - 1, start.column - 1
    opening = rows[row][at : at + 1]
    if opening in ("|", ">"):
        row, at = row + 1, 0
    elif opening in ("'", '"'):
        at += 1
    for index, char in enumerate(text):
        if char.isspace():
            continue
        while row < len(rows):
            rest = rows[row][at:]
            blanks = len(rest) - len(rest.lstrip())
            if opening == '"' and rest[blanks:].startswith(_BLANK_ESCAPES) and rest[blanks:] != "\\":
                at += blanks + 2
            elif rest[blanks:] and not (opening == '"' and rest[blanks:] == "\\"):
                break
            else:
                row, at = row + 1, 0
        if row == len(rows):
            return
        at += blanks
        yield index, Position(row + 1, at + 1)
        at += _width(rows[row][at:], char, opening)


_BLANK_ESCAPES = ("\\n", "\\t", "\\r", "\\ ")


def _width(rest: str, char: str, opening: str) -> int:
    """How many characters of the file write this one."""
    if opening == "'" and char == "'":
        return 2
    if opening == '"' and rest.startswith("\\"):
        return 2 + {"x": 2, "u": 4, "U": 8}.get(rest[1:2], 0)
    return 1
