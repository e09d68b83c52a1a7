"""Where a request's file goes, and putting it there: never over something else, unless a person says so."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Collection, Iterator
from itertools import chain, count
from pathlib import Path, PurePosixPath
from typing import Final

from pmgitops.errors import UsageError
from pmgitops.load import NAME, name_of

REQUESTS: Final = "requests"
_PART: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def folder_of(text: str) -> str:
    """`platform`, `requests/platform` or `requests` as a folder below the root. UsageError where it is none."""
    parts = [part for part in text.strip("/").split("/") if part not in {"", "."}]
    below = parts[1:] if parts[:1] == [REQUESTS] else parts
    if text.startswith(("/", "~")) or not all(_PART.fullmatch(part) for part in below):
        raise UsageError(f"{text!r} is not a folder below {REQUESTS}/", hint="--dir platform, or --dir platform/oncall")
    return "/".join((REQUESTS, *below))


def usual_folder(paths: Collection[str]) -> str:
    """The only folder that requests stand in; otherwise `requests` itself."""
    folders = {str(PurePosixPath(path).parent) for path in paths if name_of(path)}
    return folders.pop() if len(folders) == 1 else REQUESTS


def checked(name: str) -> str:
    """A name that a request may have. UsageError where it is none."""
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is not a request's name", hint="--name with 1 to 100 of a-z, 0-9 and -, not beginning with -"
        )
    return name


def numbered(name: str) -> Iterator[str]:
    """`name`, and then with a number behind it, without end."""
    return chain((name,), (f"{name}-{number}" for number in count(2)))


def put(root: Path, path: str, data: bytes, *, force: bool) -> bool:
    """Write the file at `path` below the root; False where it stands there already, to the byte.

    Raises:
        UsageError: Something else stands there, and `force` is not given; or it cannot be written.
    """
    file = root / path
    _refuse_links(root, path)
    try:
        if file.exists():
            if file.read_bytes() == data:
                return False
            if not force:
                raise UsageError(f"{path} is there already, and says something else", hint="--force, or another --name")
        file.parent.mkdir(parents=True, exist_ok=True)
        _replace(file, data)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None
    return True


def _refuse_links(root: Path, path: str) -> None:
    """What a link leads to is not ours to write."""
    parts = PurePosixPath(path).parts
    for length in range(1, len(parts) + 1):
        place = root.joinpath(*parts[:length])
        if place.is_symlink() or (length < len(parts) and place.exists() and not place.is_dir()):
            raise UsageError(f"{'/'.join(parts[:length])} is not a folder of this repository's own")


def _replace(file: Path, data: bytes) -> None:
    """All of it or nothing; somebody who reads meanwhile reads the one or the other."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")  # what begins with a dot is no request
    try:
        draft.write_bytes(data)
        draft.replace(file)
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()
