"""Where requests stand, as the ledger tells it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pmgitops.errors import UsageError
from pmgitops.ledger.book import Book
from pmgitops.ledger.standing import Standing


def status(book: Book, names: Sequence[str], everything: Iterable[str]) -> list[Standing]:
    """Where requests stand: those named, or all of them."""
    chosen = names or sorted(everything)
    unknown = [name for name in names if book[name] is None]
    if unknown:
        raise UsageError(f"the ledger knows no request {', '.join(unknown)}", hint="pmgitops status lists them all")
    return list(book.standings(chosen).values())
