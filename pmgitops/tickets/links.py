"""The link between a request and its ticket: what goes wrong with it, and what ends it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from pmgitops.crew import unless_stopped
from pmgitops.errors import RemoteError
from pmgitops.ledger.book import Book
from pmgitops.ledger.standing import Standing
from pmgitops.model.request import Ticket
from pmgitops.model.ticket import TicketLink, TicketRecord
from pmgitops.settings import Config
from pmgitops.tickets.interface import TicketReader

_CANCELED = {"incident": "8", "change_request": "4", "change_task": "4"}
"""The stored state that says so, where a class has one of its own (stock values); elsewhere it is closed."""
_NEVER = frozenset({"rejected", "cancelled"})
"""Approvals that say no."""


@dataclass(frozen=True, slots=True)
class Turned:
    """A ticket that is not what it was, is again, or could not be looked at; `why` in words."""

    name: str
    ticket: str
    why: str
    read: bool = True


def look(
    names: Iterable[str],
    book: Book,
    readers: Mapping[str, TicketReader],
    stopping: Callable[[], bool] = lambda: False,
) -> list[Turned]:
    """Read the tickets of these requests again, and record what has turned since they were pinned, or turned back.

    What cannot be read is told, and stays as it was. Raises Stopped where the run is told to end.
    """
    turned: list[Turned] = []
    for system, group in _by_system(book.standings(names).values()).items():
        reader = readers.get(system)
        if reader is None:
            continue  # not contacted (any more): its notes say so
        links = [stands.ticket for stands in group if stands.ticket]
        try:
            records = unless_stopped(partial(reader.pinned, links), stopping=stopping)
        except RemoteError as error:
            turned += [
                Turned(stands.name, link.number, str(error), read=False)
                for stands, link in zip(group, links, strict=True)
            ]
            continue
        for stands, link in zip(group, links, strict=True):
            turned += _recorded(book, stands, link, records.get(link.sys_id))
    book.push()
    return turned


def forsaken(standing: Iterable[Standing], config: Config) -> frozenset[str]:
    """The requests whose access their ticket ends: it has turned, and the configuration says `cancel`."""
    return frozenset(
        stands.name
        for stands in standing
        if stands.divergence and not stands.orphaned and _says(config, stands, "cancel")
    )


def held_by(stands: Standing | None, wanted: Ticket | None, config: Config) -> str:
    """Why nothing is sent for a request under the ticket that it names, in words; empty where something may be."""
    ticket = stands.ticket if stands else None
    if stands is None or ticket is None or wanted is None or not stands.divergence or _says(config, stands, "annotate"):
        return ""
    if (ticket.system.casefold(), ticket.number) != (wanted.ticket_system.casefold(), wanted.ticket_number):
        return ""
    return f"{ticket.number} does not carry this request any more: {'; '.join(stands.divergence)}"


def close(names: Iterable[str], book: Book) -> None:
    """Begin to close out the links of requests whose access is over: the ticket gets the evidence, and is told last."""
    for name, stands in book.standings(names).items():
        if stands.to_close:
            book.write(name, "closing")
    book.push()


def _says(config: Config, stands: Standing, setting: str) -> bool:
    system = config.ticket_system(stands.ticket.system) if stands.ticket else None
    return (system.on_divergence if system else "annotate") == setting


def _by_system(standing: Iterable[Standing]) -> dict[str, list[Standing]]:
    systems: dict[str, list[Standing]] = {}
    for stands in standing:
        if stands.ticket and stands.tied:
            systems.setdefault(stands.ticket.system.casefold(), []).append(stands)
    return systems


def _recorded(book: Book, stands: Standing, link: TicketLink, now: TicketRecord | None) -> Sequence[Turned]:
    """Write an event where the link has turned, once for each change."""
    if stands.over and now is not None and not stands.orphaned:
        return ()  # there is nothing left that it could not carry
    why = () if stands.over and now else _differences(link, now)
    if (why, now is None) == (stands.divergence, stands.orphaned):
        return ()
    if why:
        book.write(stands.name, "diverged", why=list(why), orphaned=now is None)
        return (Turned(stands.name, link.number, f"{link.number} has turned: {'; '.join(why)}"),)
    book.write(stands.name, "in-order")
    return (Turned(stands.name, link.number, f"{link.number} is in order again"),)


def _differences(link: TicketLink, now: TicketRecord | None) -> tuple[str, ...]:
    """How a ticket differs, for the worse, from what was pinned; nothing where it is in order."""
    if now is None:
        return (f"{link.number} is not there any more, or pmgitops may not read it",)
    return tuple(_worse(link, now))


def _worse(link: TicketLink, now: TicketRecord) -> Iterator[str]:
    if now.number != link.number:
        yield f"its number is {now.number}, it was {link.number}"
    if now.table != link.table:
        yield f"it is a {now.table}, it was a {link.table}"
    state = now.state_label or now.state
    if now.state == _CANCELED.get(now.table):
        yield f"it was canceled ({state})"
    elif link.active == "true" and not now.active:
        yield f"it was closed ({state}) before the access has ended"
    if now.approval != link.approval and (link.approval == "approved" or now.approval in _NEVER):
        yield f"its approval is {now.approval or 'not requested'}, it was {link.approval or 'not requested'}"
