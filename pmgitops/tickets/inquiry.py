"""Asks the ticket systems about everything that requests claim: each ticket once, several at a time, people in bulk.

A request costs two calls, find the number and read the record, and one more when its ticket is read again; approvals
and people share their calls, `SHARE` tickets or people each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from pmgitops.crew import in_parallel
from pmgitops.errors import RemoteError
from pmgitops.model.ticket import Approval, TicketRecord, UserOrWhy
from pmgitops.settings import Config, Party, TicketSystem
from pmgitops.tickets.gate import Claim, Seen, Verdict, answers, asks, judge
from pmgitops.tickets.interface import TicketReader

Key = tuple[str, str]
"""A ticket system's name without case, and a ticket's number."""
Item = TypeVar("Item")
Answer = TypeVar("Answer")

SHARE = 50
"""Tickets whose approvals are read together."""


def verdicts(claims: Sequence[Claim], config: Config, readers: Mapping[str, TicketReader]) -> list[Verdict]:
    """What the gate says of these claims, with the record and the people that were read.

    Which other requests a ticket carries is not known here: `exclusive` is for who holds the ledger.
    """
    seen = look_up(claims, config, readers)
    return [judge(claim, config, seen.get(key_of(claim), Seen())) for claim in claims]


def key_of(claim: Claim) -> Key:
    """What a claim's ticket is looked up by."""
    return (claim.ticket.ticket_system.casefold(), claim.ticket.ticket_number) if claim.ticket else ("", "")


def look_up(claims: Iterable[Claim], config: Config, readers: Mapping[str, TicketReader]) -> dict[Key, Seen]:
    """What is seen of every ticket that has to be asked about; where somebody does not answer, `trouble` says so."""
    asked: dict[str, list[Claim]] = {}
    for claim in claims:
        if asks(claim, config):
            asked.setdefault(key_of(claim)[0], []).append(claim)
    seen: dict[Key, Seen] = {}
    for name, group in asked.items():
        system, reader = config.ticket_system(name), readers.get(name)
        if system and reader:
            seen |= _seen(group, system, reader)
        else:
            seen |= {
                key_of(claim): Seen(trouble=f"{claim.ticket.ticket_system} is not read here")
                for claim in group
                if claim.ticket
            }
    return seen


def changed(
    records: Mapping[str, TicketRecord], config: Config, name: str, readers: Mapping[str, TicketReader]
) -> dict[str, str]:
    """By the same keys, what became of records of one ticket system since they were judged: in words, and only of those
    that are not as they were. What cannot be read again is not as it was.
    """
    system, reader = config.ticket_system(name), readers.get(name)
    if system is None or reader is None:
        return dict.fromkeys(records, f"{name} is not read here")
    distinct = {record.sys_id: record for record in records.values()}
    now = _side_by_side(partial(_or_trouble, reader.snapshot), list(distinct.values()), system.parallel)
    read = dict(zip(distinct, now, strict=True))
    approvals = _approvals([one for one in now if isinstance(one, TicketRecord)], system, reader)
    return {
        key: why
        for key, record in records.items()
        if (why := _difference(record, read[record.sys_id], approvals.get(record.sys_id, ())))
    }


def _difference(before: TicketRecord, now: TicketRecord | str | None, approvals: tuple[Approval, ...] | str) -> str:
    trouble = now if isinstance(now, str) else approvals if isinstance(approvals, str) else ""
    if trouble:
        return f"{before.number} cannot be read again: {trouble}"
    if now is None:
        return f"{before.number} was there when it was judged, and is not any more; it is judged again"
    assert isinstance(now, TicketRecord)
    assert not isinstance(approvals, str)
    if replace(now, approvals=approvals).digest == before.digest:
        return ""
    return f"{before.number} was changed after it was judged; it is judged again"


# One ticket system


def _seen(claims: Sequence[Claim], system: TicketSystem, reader: TicketReader) -> dict[Key, Seen]:
    try:
        people = reader.users(_identities(claims, system))
        robot = _robot(people, system, reader)
    except RemoteError as error:
        return {key_of(claim): Seen(trouble=str(error)) for claim in claims}
    keys = list(dict.fromkeys(map(key_of, claims)))
    found = _side_by_side(lambda key: _found(key[1], system, reader), keys, system.parallel)
    read = [(number, seen.records) for (_, number), seen in zip(keys, found, strict=True)]
    worth = [records[0] for number, records in read if _is_worth_reading(number, records, system)]
    approvals = _approvals(worth, system, reader)
    return {
        key: replace(_with_approvals(seen, approvals), users=people, robot=robot)
        for key, seen in zip(keys, found, strict=True)
    }


def _found(number: str, system: TicketSystem, reader: TicketReader) -> Seen:
    """What has a number; in full where it is one, the one that was asked for, and of a class that is allowed."""
    try:
        records = tuple(reader.find(number))
        if not _is_worth_reading(number, records, system):
            return Seen(records)
        record = reader.snapshot(records[0])
    except RemoteError as error:
        return Seen(trouble=str(error))
    return Seen((record,) if record else ())


def _is_worth_reading(number: str, records: Sequence[TicketRecord], system: TicketSystem) -> bool:
    """Whether what was found can pass: one, what was asked for, of a class that is allowed."""
    return len(records) == 1 and answers(records[0], number) and system.states_of(records[0].table) is not None


def _with_approvals(seen: Seen, approvals: Mapping[str, tuple[Approval, ...] | str]) -> Seen:
    if len(seen.records) != 1:
        return seen
    rows = approvals.get(seen.records[0].sys_id, ())
    return Seen(trouble=rows) if isinstance(rows, str) else Seen((replace(seen.records[0], approvals=rows),))


def _approvals(
    records: Iterable[TicketRecord], system: TicketSystem, reader: TicketReader
) -> dict[str, tuple[Approval, ...] | str]:
    """The rows of each ticket whose class needs approval, or why they could not be read."""
    sys_ids = sorted({record.sys_id for record in records if record.table in system.approval})
    chunks = [sys_ids[start : start + SHARE] for start in range(0, len(sys_ids), SHARE)]
    read = _side_by_side(partial(_or_trouble, reader.approvals), chunks, system.parallel)
    return {
        sys_id: rows if isinstance(rows, str) else rows[sys_id]
        for chunk, rows in zip(chunks, read, strict=True)
        for sys_id in chunk
    }


def _identities(claims: Sequence[Claim], system: TicketSystem) -> list[str]:
    """Everybody who is compared with somebody."""
    compared: set[Party] = set(system.distinct)
    if system.submitter != "off":
        compared.add("submitter")
    if system.approver != "off":
        compared.add("approver")
    named = {claim.named(party) for claim in claims for party in compared}
    robot = system.robot if system.robot and "robot" in system.distinct else ""
    return sorted({*named, robot} - {""})


def _robot(people: Mapping[str, UserOrWhy], system: TicketSystem, reader: TicketReader) -> UserOrWhy:
    if "robot" not in system.distinct:
        return "absent"
    return people[system.robot] if system.robot else reader.myself() or "absent"


# Side by side


def _side_by_side(act: Callable[[Item], Answer], items: Sequence[Item], hands: int) -> list[Answer]:
    """`act` on every item, as many at once as there are connections."""
    done = in_parallel(lambda item: (act(item),), items, hands=hands, stopping=lambda: False)
    return [answer[0] for answer in done if answer]


def _or_trouble(act: Callable[[Item], Answer], item: Item) -> Answer | str:
    """What a call brings, or why it did not."""
    try:
        return act(item)
    except RemoteError as error:
        return str(error)
