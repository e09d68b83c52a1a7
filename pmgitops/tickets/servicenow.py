"""ServiceNow through pysnow, which this module alone imports.

pysnow 0.7.17 is used unmodified under a session of ours, because left to itself it does not notice failed writes,
follows redirects with credentials, carries one call's parameters into the next and escapes nothing in queries. Hence:
our session is injected and judges every answer before pysnow sees it; a resource is made anew for every call, and a
client of pysnow's is used by one thread at a time; values that go into a query have passed a grammar; a record is
written by PATCH on its sys_id and never through `update()`.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from queue import LifoQueue
from typing import Any, Literal
from urllib.parse import urlsplit

import requests

from pmgitops.errors import Commit, PermanentRemoteError, RemoteError
from pmgitops.model.item import OrderedItem
from pmgitops.model.ticket import Approval, Referred, TicketLink, TicketRecord, User, UserOrWhy
from pmgitops.tickets.answers import failed
from pmgitops.tickets.interface import Journal, StoredFile
from pmgitops.tickets.login import Session
from pmgitops.tickets.markers import MARKER
from pmgitops.tickets.probe import Glance
from pmgitops.tickets.roles import to_read

_FIELDS = ("sys_id", "sys_class_name", "number", "state", "active", "approval", "short_description")
_JUDGED = _FIELDS[:-1]
"""Those without which nothing can be said of a ticket."""
_DECISION = ("sysapproval", "approver", "state", "sys_updated_by")
"""The same of an approval."""
_SCOPE = ("cmdb_ci", "assignment_group")
_MORE = (
    *(*_SCOPE, "correlation_id"),
    *("sys_mod_count", "sys_updated_on", "sys_updated_by"),
)
_CALLERS: dict[str, tuple[str, ...]] = {
    "incident": ("caller_id",),
    "sc_request": ("requested_for",),
    "sc_req_item": ("requested_for", "request.requested_for"),
    "sc_task": ("request_item.requested_for",),
    "change_request": ("requested_by",),
    "change_task": ("change_request.requested_by",),
}
"""The fields of each class that name whom a ticket is for; of all others only who opened it (stock names)."""
_WINDOWS = {
    "change_request": ("start_date", "end_date"),
    "change_task": ("planned_start_date", "planned_end_date"),
}
"""The classes that are planned, and the fields that say from when to when (stock names)."""
_TABLE = re.compile(r"[a-z][a-z0-9_]{1,79}")
_SYS_ID = re.compile(r"[0-9a-f]{32}")
_NUMBER = re.compile(r"[A-Za-z0-9_-]{1,40}")
_IDENTITY = re.compile(r"[A-Za-z0-9._%+'~!#&/-]{1,100}(@[A-Za-z0-9.-]{1,255})?")
"""An e-mail address or a user name, without anything that means something in a query (`^`, `,`, `javascript:`)."""
_ME = "90d1921e5f510100a9ad2572f2b477fe"
"""The stock dynamic filter "Me"."""
_NO_LINKS = {"sysparm_exclude_reference_link": True}
_SOME = 50
"""Tickets or identities that one call asks about."""
_FILE = re.compile(r"pmgitops-[0-9a-f]{12}-[A-Za-z-]{1,40}-[0-9a-f]{16}\.json")
_Way = Literal["journal", "record", "blind"]
"""Where the work notes of a class are seen: in the journal table, on the record alone, or nowhere."""
_NAME = 100
"""The most characters of `correlation_id`."""
_PAGE = 200
_PAGES = 10
"""At most so many pages of a ticket's work notes are searched, newest first."""


class ServiceNow:
    """One instance; both ports, since ServiceNow ties rights to the user and not to the token.

    Any number of threads: each call has a session and a client of pysnow's to itself, and there are at most `parallel`
    of them, so that a call may wait for another's end. All pause where ServiceNow asks one of them to.
    """

    def __init__(self, host: str, session: Session, *, parallel: int = 1) -> None:
        import pysnow  # noqa: PLC0415  # 200 ms, and only where tickets are read

        parts = urlsplit(host)
        self.instance = parts.netloc
        self._session = session
        client: Callable[..., Any] = pysnow.Client
        self._log_in = partial(client, host=parts.netloc, use_ssl=parts.scheme == "https")
        self._client = self._log_in(session=session)
        self._idle: LifoQueue[Any] = LifoQueue()  # the one used last has the warmest connection
        for _ in range(parallel - 1):
            self._idle.put(None)  # made when it is first needed
        self._idle.put(self._client)
        self._journal_open: bool | None = None
        self._files_open: bool | None = None
        self._shown: dict[str, _Way] = {}
        self._probed: dict[str, bool] = {}
        self._told: set[str] = set()
        self._users: dict[str, UserOrWhy] = {}

    # What the gate reads

    def find(self, number: str) -> list[TicketRecord]:
        """The tickets of any class with this number, at most two, with what every class has."""
        query = f"number={_checked(_NUMBER, number)}"
        rows, total = self._rows("/table/task", query, fields=[*_FIELDS], limit=2, display_value="all")
        for row in rows:
            _refuse_hidden(row, _JUDGED, number, _stored(row, "sys_class_name"))
        if len(rows) == 1 and total > 1:  # one that is kept from us has the number as well
            rows.append({"number": number})
        return [_record(self.instance, row) for row in rows]

    def snapshot(self, ticket: TicketRecord | TicketLink) -> TicketRecord | None:
        """The record behind a sys_id, read on its class's table, with everything but its approvals."""
        table, sys_id = _checked(_TABLE, ticket.table), _checked(_SYS_ID, ticket.sys_id)
        people = (*_CALLERS.get(table, ()), "opened_by")
        fields = (*_FIELDS, *_MORE, *_WINDOWS.get(table, ()), *(part for one in people for part in _user_fields(one)))
        asked = {"sysparm_fields": ",".join(fields), "sysparm_display_value": "all", **_NO_LINKS}
        try:
            row = self._call(f"/table/{table}", "GET", f"/{sys_id}", params=asked)
        except RemoteError as error:
            if error.code == "absent-or-hidden":
                return None
            raise
        _refuse_hidden(row, _JUDGED, ticket.number, table)
        if _stored(row, "sys_id") != sys_id:
            raise PermanentRemoteError(f"{self.instance} answered with another record than {sys_id}", code="mismatch")
        return _record(self.instance, row, table)

    def approvals(self, sys_ids: Collection[str]) -> dict[str, tuple[Approval, ...]]:
        """The approval rows of these tickets, several tickets a call."""
        found: dict[str, list[Approval]] = {sys_id: [] for sys_id in sys_ids}
        fields = [*_DECISION, "sys_updated_on", "approver.user_name", "approver.email"]
        for some in _chunks(sorted(found)):
            query = f"sysapprovalIN{','.join(_checked(_SYS_ID, sys_id) for sys_id in some)}^ORDERBYsys_id"
            for row in self._all("/table/sysapproval_approver", query, fields):
                _refuse_hidden(row, _DECISION, "approvals", "sysapproval_approver")
                ticket, approver = _stored(row, "sysapproval"), _user(row, "approver")
                if ticket not in some:
                    raise PermanentRemoteError(f"{self.instance} answered with other approvals", code="mismatch")
                if approver:
                    by, on = _stored(row, "sys_updated_by"), _stored(row, "sys_updated_on")
                    found[ticket].append(Approval(approver, _stored(row, "state"), by, on))
        return {sys_id: tuple(rows) for sys_id, rows in found.items()}

    def users(self, identities: Collection[str]) -> dict[str, UserOrWhy]:
        """The one active user that each identity is, by e-mail address or else by user name; asked once a run."""
        for one in identities:
            if not _IDENTITY.fullmatch(one):
                self._users[one] = "malformed"
        for field in ("email", "user_name"):
            for some in _chunks(sorted({one for one in identities if one not in self._users})):
                self._users |= self._users_with(field, some)
        return {one: self._users.get(one, "absent") for one in identities}

    def _users_with(self, field: str, identities: Sequence[str]) -> dict[str, UserOrWhy]:
        """Those of the identities that stand in this field of an active user; compared without case."""
        written = sorted({*identities, *map(str.lower, identities)})  # whether case counts is the instance's database's
        query = f"{field}IN{','.join(written)}^active=true^ORDERBYsys_id"
        rows = self._all("/table/sys_user", query, ["sys_id", "user_name", "name", "email"])
        found: dict[str, list[User]] = {}
        for row in rows:
            _refuse_hidden(row, ("sys_id",), "users", "sys_user")
            user = User(*(_stored(row, name) for name in ("sys_id", "user_name", "name", "email")))
            found.setdefault(_stored(row, field).casefold(), []).append(user)
        if found.keys() - {one.casefold() for one in identities}:
            raise PermanentRemoteError(f"{self.instance} answered with other users", code="mismatch")
        named = {one: found[one.casefold()] for one in identities if one.casefold() in found}
        return {one: users[0] if len(users) == 1 else "ambiguous" for one, users in named.items()}

    def myself(self) -> User | None:
        """Who we are logged in as, by the stock filter "Me"; None where an instance has it not, and shows others."""
        names = ["sys_id", "user_name", "name", "email"]
        rows, _ = self._rows("/table/sys_user", f"sys_idDYNAMIC{_ME}", fields=names, limit=2)
        return User(*(_stored(rows[0], name) for name in names)) if len(rows) == 1 else None

    def pinned(self, links: Sequence[TicketLink]) -> dict[str, TicketRecord]:
        """The records of these links as they are now, by sys_id, whatever class they have come to; many in a call."""
        found: dict[str, TicketRecord] = {}
        for some in _chunks(sorted({_checked(_SYS_ID, link.sys_id) for link in links})):
            query = f"sys_idIN{','.join(some)}"
            rows, _ = self._rows("/table/task", query, fields=[*_FIELDS], limit=len(some), display_value="all")
            for row in rows:
                _refuse_hidden(row, _JUDGED, "tickets", _stored(row, "sys_class_name"))
            records = {record.sys_id: record for record in (_record(self.instance, row) for row in rows)}
            if not records.keys() <= set(some):  # a term of a query that is not understood is ignored
                raise PermanentRemoteError(f"{self.instance} answered for other records than asked", code="mismatch")
            found |= records
        return found

    # What the outbox reads and writes

    def markers(self, link: TicketLink) -> Journal:
        """Our markers among the work notes: from the journal table, or where that is closed to us from the record
        itself. Which of them shows anything is learnt from what is seen, class by class, and not asked again.
        """
        way = self._shown.get(link.table)
        found, seen = (set[str](), 0) if way == "record" else self._journaled(link)
        if seen or (way is None and self._journal_shows(link.table)):
            way = self._shown[link.table] = "journal"
        elif way in {None, "record"}:
            text = self._displayed_notes(link)
            found.update(MARKER.findall(text))
            if text:
                way = self._shown[link.table] = "record"
            elif way is None and link.sys_id in self._told:
                way = self._shown[link.table] = "blind"  # there is a note for certain, and nothing shows it
        return Journal(frozenset(found), readable=way in {"journal", "record"})

    def _journal_shows(self, table: str) -> bool:
        """Whether the journal shows notes of any ticket of a class, so that one without any has none; asked once."""
        if table not in self._probed:
            query = f"name={_checked(_TABLE, table)}^element=work_notes"
            self._probed[table] = bool(self._journal(query, limit=10, count=False)[0])
        return self._probed[table]

    def _journaled(self, link: TicketLink) -> tuple[set[str], int]:
        """Our markers in the journal table, and how many entries were seen."""
        found: set[str] = set()
        seen = 0
        query = f"element_id={_checked(_SYS_ID, link.sys_id)}^element=work_notes^ORDERBYDESCsys_created_on"
        for page in range(_PAGES):
            rows, total = self._journal(query, offset=page * _PAGE)
            seen += len(rows)
            for row in rows:
                found.update(MARKER.findall(str(row.get("value", ""))))
            # Rows that we may not see are taken out after a page was cut: a short page need not be the last.
            if (page + 1) * _PAGE >= total:
                break
        return found, seen

    def sees_notes(self) -> bool:
        """Whether any ticket's work notes are seen; asked once, since it counts only after something went wrong."""
        if not {"journal", "record"}.isdisjoint(self._shown.values()):
            return True
        if self._journal_open is None:
            self._journal_open = bool(self._journal("element=work_notes", limit=10, count=False)[0])
        return self._journal_open

    def _journal(self, query: str, *, limit: int = _PAGE, **options: Any) -> tuple[list[dict[str, Any]], int]:
        return self._rows("/table/sys_journal_field", query, fields=["value"], limit=limit, **options)

    def add_note(self, link: TicketLink, text: str) -> None:
        """One PATCH of `work_notes` alone, on the class's table, never repeated here."""
        path = f"/table/{_checked(_TABLE, link.table)}"
        answer = self._call(path, "PATCH", f"/{_checked(_SYS_ID, link.sys_id)}", {"work_notes": text})
        if _stored(answer, "sys_id") != link.sys_id:
            raise PermanentRemoteError(
                f"{self.instance} answered for another record than {link.number}",
                code="mismatch",
                commit=Commit.UNKNOWN,
            )
        self._told.add(link.sys_id)

    def correlate(self, link: TicketLink, name: str) -> None:
        """One PATCH of `correlation_id` and `correlation_display`, where both are empty: who came first keeps them."""
        path = f"/table/{_checked(_TABLE, link.table)}"
        fields = ["correlation_id", "correlation_display"]
        rows, _ = self._rows(path, f"sys_id={_checked(_SYS_ID, link.sys_id)}", fields=fields, limit=1)
        if rows and [_stored(rows[0], field) for field in fields] == ["", ""]:
            body = {"correlation_id": f"pmgitops:{name}"[:_NAME], "correlation_display": "pmgitops"}
            self._call(path, "PATCH", f"/{link.sys_id}", body)

    # Files

    def attachments(self, link: TicketLink, name: str) -> list[StoredFile]:
        """The ticket's files of exactly this name; `hash` is what ServiceNow says their SHA-256 is."""
        query = (
            f"table_name={_checked(_TABLE, link.table)}^table_sys_id={_checked(_SYS_ID, link.sys_id)}"
            f"^file_name={_checked(_FILE, name)}"
        )
        rows, _ = self._rows("/attachment", query, limit=_PAGE)
        files = [_file(row) for row in rows if _stored(row, "table_sys_id") == link.sys_id]
        self._files_open = True if files else self._files_open
        return [file for file in files if file.name == name]

    def sees_files(self) -> bool:
        """Whether any ticket's files are seen; asked once, as `sees_notes`."""
        if self._files_open is None:
            self._files_open = bool(self._rows("/attachment", "sys_idISNOTEMPTY", limit=10, count=False)[0])
        return self._files_open

    def attach(self, link: TicketLink, name: str, content: bytes) -> StoredFile:
        """One upload of raw bytes, never repeated here; `pysnow`'s own reads a path and tells of no failure."""
        params = {
            "table_name": _checked(_TABLE, link.table),
            "table_sys_id": _checked(_SYS_ID, link.sys_id),
            "file_name": _checked(_FILE, name),
        }

        def call() -> Any:
            with self._borrowed() as client:
                resource = client.resource(api_path="/attachment")
                resource.parameters.add_custom(params)
                return resource.request("POST", path_append="/file", data=content).one()

        row = _plainly(call, commit=Commit.UNKNOWN)
        if not isinstance(row, dict) or (_stored(row, "table_sys_id"), _stored(row, "file_name")) != (
            link.sys_id,
            name,
        ):
            raise PermanentRemoteError(
                f"{self.instance} answered for another file than {name}", code="mismatch", commit=Commit.UNKNOWN
            )
        return _file(row)

    def fetch(self, file: StoredFile) -> bytes:
        """A file's content."""

        def call() -> Any:
            path = f"/{_checked(_SYS_ID, file.sys_id)}/file"
            with self._borrowed() as client:
                resource = client.resource(api_path="/attachment")
                answer = resource.request("GET", path_append=path, headers={"Accept": "*/*"})
                return answer._response.content  # noqa: SLF001  # pysnow has no other way to what is not JSON

        content = _plainly(call)
        return content if isinstance(content, bytes) else b""

    # What is verified

    def repeated(self, link: TicketLink) -> frozenset[str]:
        """The markers of ours that more than one work note of the ticket has, as far as the journal is open to us."""
        query = f"element_id={_checked(_SYS_ID, link.sys_id)}^element=work_notes^ORDERBYDESCsys_created_on"
        found: Counter[str] = Counter()
        for page in range(_PAGES):
            rows, total = self._journal(query, offset=page * _PAGE)
            found.update(marker for row in rows for marker in set(MARKER.findall(str(row.get("value", "")))))
            if (page + 1) * _PAGE >= total:
                break
        return frozenset(marker for marker, times in found.items() if times > 1)

    # What a probe tries

    def fields_of(self, table: str) -> list[str]:
        """The fields of a class that the gate decides by."""
        more = (*_SCOPE, *_WINDOWS.get(table, ()), *_CALLERS.get(table, ()), "opened_by") if table != "task" else ()
        return [*_FIELDS, *more]

    def glance(self, table: str, fields: Sequence[str], *, most: int, count: bool = True) -> Glance:
        """The first rows of a table; they are counted only where none is shown, since counting takes long."""
        path = "/attachment" if table == "sys_attachment" else f"/table/{_checked(_TABLE, table)}"
        rows, _ = self._rows(path, "", fields=[*fields], limit=most, count=False)
        there = self._rows(path, "", fields=[*fields], limit=1)[1] if count and not rows else len(rows)
        left_out = [name for name in fields if rows and all(name not in row for row in rows)]
        return Glance(len(rows), there, tuple(left_out))

    def _displayed_notes(self, link: TicketLink) -> str:
        path = f"/table/{_checked(_TABLE, link.table)}"
        query = f"sys_id={_checked(_SYS_ID, link.sys_id)}"
        rows, _ = self._rows(path, query, fields=["work_notes"], limit=1, display_value=True)
        return str(rows[0].get("work_notes", "")) if rows else ""

    def _all(self, path: str, query: str, fields: list[str]) -> Iterator[dict[str, Any]]:
        """Every row of a list that shows in an order of its own, references both as sys_id and as they are shown."""
        done, total = 0, 1
        while done < total:
            rows, total = self._rows(path, query, fields=fields, limit=_PAGE, offset=done, display_value="all")
            yield from rows
            done += _PAGE  # rows that we may not see are taken out after a page was cut

    def _rows(self, path: str, query: str, *, count: bool = True, **options: Any) -> tuple[list[dict[str, Any]], int]:
        """What a list shows, and how many rows it says that there are."""

        def call() -> tuple[Any, Mapping[str, str]]:
            with self._borrowed() as client:
                resource = client.resource(api_path=path)
                if not count:  # counting all of a large table takes longer than finding the first few of its rows
                    resource.parameters.add_custom({"sysparm_no_count": True})
                answer = resource.get(query=query, stream=False, **options)
                return answer.all(), answer.headers

        rows, headers = _plainly(call)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise PermanentRemoteError(f"{self.instance}{path} answered without rows", code="not-api")
        total = headers.get("X-Total-Count", "")
        return rows, int(total) if re.fullmatch(r"[0-9]{1,9}", total) else len(rows)

    def _call(
        self,
        path: str,
        method: str,
        append: str,
        body: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """One record, read or written by its address."""

        def call() -> Any:
            with self._borrowed() as client:
                resource = client.resource(api_path=path)
                resource.parameters.add_custom(dict(params or {}))
                data = {} if body is None else {"data": json.dumps(body)}
                return resource.request(method, path_append=append, **data).one()

        answer = _plainly(call, commit=Commit.NO if method == "GET" else Commit.UNKNOWN)
        return answer if isinstance(answer, dict) else {}

    @contextlib.contextmanager
    def _borrowed(self) -> Iterator[Any]:
        """A client that nobody else has meanwhile."""
        client = self._idle.get()
        try:
            client = client or self._log_in(session=self._session.another())
            yield client
        finally:
            self._idle.put(client)

    def ordered(self, number: str) -> list[OrderedItem]:
        """The requested items with this number, with the answers of whoever ordered them; at most two."""
        fields = ["sys_id", "number", "short_description", "cat_item", "requested_for.email"]
        query = f"number={_checked(_NUMBER, number)}"
        rows, _ = self._rows("/table/sc_req_item", query, fields=fields, limit=2, display_value="all")
        return [self._ordered(row) for row in rows]

    def _ordered(self, row: Mapping[str, Any]) -> OrderedItem:
        key, item = _checked(_SYS_ID, _stored(row, "sys_id")), row.get("cat_item", "")
        asked = f"sysapproval={key}^stateINapproved,requested^ORDERBYstate"  # who approved, before who is asked
        people, _ = self._rows("/table/sysapproval_approver", asked, fields=["approver.email"], limit=1)
        name, value = "sc_item_option.item_option_new.name", "sc_item_option.value"
        answers, _ = self._rows("/table/sc_item_option_mtom", f"request_item={key}", fields=[name, value], limit=_PAGE)
        return OrderedItem(
            number=_stored(row, "number"),
            form=str(item.get("display_value", "")) if isinstance(item, dict) else "",
            form_id=_stored(row, "cat_item"),
            short_description=_stored(row, "short_description"),
            requested_for=_stored(row, "requested_for.email"),
            approver=_stored(people[0], "approver.email") if people else "",
            variables={_stored(one, name): _stored(one, value) for one in answers if _stored(one, name)},
        )


def _plainly(call: Callable[[], Any], commit: Commit = Commit.NO) -> Any:
    """Pysnow's own exceptions, where any still come, as ours: never with their text, which holds the whole URL."""
    import pysnow.exceptions  # noqa: PLC0415  # see ServiceNow.__init__

    try:
        return call()
    except RemoteError:
        raise
    except (
        pysnow.exceptions.PysnowException,
        requests.RequestException,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
    ) as error:
        raise PermanentRemoteError(
            f"ServiceNow's answer could not be read ({type(error).__name__})", code="bug", commit=commit
        ) from error


def _checked(grammar: re.Pattern[str], text: str) -> str:
    if not grammar.fullmatch(text):
        raise PermanentRemoteError(f"{text!r} cannot be a table or record of ServiceNow", code="mismatch")
    return text


def _stored(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name, "")
    return str(value.get("value", "") if isinstance(value, dict) else value)


def _shown(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name, "")
    return str(value.get("display_value", "") if isinstance(value, dict) else "")


def _refuse_hidden(row: Mapping[str, Any], needed: Iterable[str], what: str, table: str) -> None:
    """An ACL leaves out fields that we may not read: that is no answer, and not the same as an empty one."""
    hidden = [name for name in needed if name not in row]
    if hidden:
        message = (
            f"ServiceNow does not let pmgitops read {', '.join(hidden)} of {what}: its user needs {to_read(table)}"
        )
        raise failed("unreadable", message, hint="`pmgitops ticket probe` tells everything that is missing")


def _hidden(row: Mapping[str, Any], table: str) -> dict[str, str]:
    """What of a record may not be read, and the fields that it is made of."""
    parts = {
        "callers": _CALLERS.get(table, ()),
        "opened_by": ("opened_by",),
        "window": _WINDOWS.get(table, ()),
        "configuration_item": ("cmdb_ci",),
        "assignment_group": ("assignment_group",),
    }
    hidden = {name: [field for field in fields if field not in row] for name, fields in parts.items()}
    return {name: ", ".join(fields) for name, fields in hidden.items() if fields}


def _chunks(items: Sequence[str]) -> Iterator[Sequence[str]]:
    """As many as fit well into an address."""
    return (items[start : start + _SOME] for start in range(0, len(items), _SOME))


def _user_fields(field: str) -> tuple[str, ...]:
    return field, f"{field}.user_name", f"{field}.email"


def _user(row: Mapping[str, Any], field: str) -> User | None:
    """The user that a reference field points to; None where it is empty or may not be read."""
    sys_id, *parts = (_stored(row, name) for name in _user_fields(field))
    return User(sys_id, parts[0], _shown(row, field), parts[1]) if sys_id else None


def _referred(row: Mapping[str, Any], field: str) -> Referred | None:
    sys_id = _stored(row, field)
    return Referred(sys_id, _shown(row, field)) if sys_id else None


def _file(row: Mapping[str, Any]) -> StoredFile:
    return StoredFile(_stored(row, "sys_id"), _stored(row, "file_name"), _stored(row, "hash"))


def _record(instance: str, row: Mapping[str, Any], table: str = "") -> TicketRecord:
    """A row as a record; `table` is where it was read, which tells the fields that it has of its own."""
    callers = (_user(row, field) for field in _CALLERS.get(table, ()))
    start, end = _WINDOWS.get(table, ("", ""))
    return TicketRecord(
        instance=instance,
        table=_stored(row, "sys_class_name"),
        sys_id=_stored(row, "sys_id"),
        number=_stored(row, "number"),
        state=_stored(row, "state"),
        state_label=_shown(row, "state"),
        active=_stored(row, "active") == "true",
        approval=_stored(row, "approval"),
        short_description=_stored(row, "short_description"),
        callers=tuple(user for user in callers if user),
        opened_by=_user(row, "opened_by"),
        window_start=_stored(row, start),
        window_end=_stored(row, end),
        configuration_item=_referred(row, "cmdb_ci"),
        assignment_group=_referred(row, "assignment_group"),
        correlation_id=_stored(row, "correlation_id"),
        hidden=_hidden(row, table) if table else {},
        modifications=_stored(row, "sys_mod_count"),
        updated_on=_stored(row, "sys_updated_on"),
        updated_by=_stored(row, "sys_updated_by"),
    )
