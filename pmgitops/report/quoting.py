"""Text of others, shown as what it is: it forges no line, gives no command, mentions nobody and links nowhere.

Paths may hold any character but a slash, and bytes that are not UTF-8 (as lone surrogates); messages repeat what stands
in files.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

_MARKDOWN = {char: f"&#{ord(char)};" for char in "\\`*_{}[]<>&|~@#:"}
# What GitHub makes a mention, a reference or a link of, it looks for after the entities have become characters again.
_ALIVE = re.compile(r"(?<!\w)@(?=\w)|#(?=\d)|\bGH-(?=\d)|\bwww(?=\.)", re.IGNORECASE)
_APART = "\u200b"


def visible(text: str) -> str:
    """Text in which everything can be seen; what cannot is written as its escape."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def one_line(text: str) -> str:
    """Text that keeps to its line and to what can be seen."""
    return visible(" ".join(text.split()))


def escaped(text: str) -> str:
    """Text inside Markdown."""
    apart = _ALIVE.sub(lambda match: match[0] + _APART, one_line(text))
    return "".join(_MARKDOWN.get(char, char) for char in apart)


def code(text: str) -> str:
    """Text as code inside a Markdown table, in which backticks would not do."""
    return f"<code>{escaped(text)}</code>"


def dumped(body: Any, option: int = orjson.OPT_INDENT_2) -> str:
    """JSON; a path that is not UTF-8 keeps its odd bytes as escapes."""
    try:
        return orjson.dumps(body, option=option).decode()
    except orjson.JSONEncodeError:
        return orjson.dumps(_encodable(body), option=option).decode()


def _encodable(body: Any) -> Any:
    if isinstance(body, str):
        return body.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if isinstance(body, dict):
        return {_encodable(key): _encodable(value) for key, value in body.items()}
    return [_encodable(item) for item in body] if isinstance(body, list | tuple) else body
