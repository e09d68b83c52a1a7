"""ServiceNow through pysnow, which this module alone imports.

pysnow 0.7.17 is used unmodified under a session of ours, because left to itself it does not notice failed writes,
follows redirects with credentials, carries one call's parameters into the next and escapes nothing in queries. Hence:
our session is injected and judges every answer before pysnow sees it; a resource is made anew for every call; values
that go into a query have passed a grammar; a record is written by PATCH on its sys_id and never through `update()`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import requests

from pmgitops.errors import Commit, PermanentRemoteError, RemoteError
from pmgitops.model.item import OrderedItem
from pmgitops.model.ticket import TicketLink, TicketRecord
from pmgitops.tickets.interface import Journal
from pmgitops.tickets.login import Session

MARKER = re.compile(r"pmgitops/1 [0-9a-f]{32}")
_FIELDS = ["sys_id", "sys_class_name", "number", "state", "active", "approval", "short_description"]
_TABLE = re.compile(r"[a-z][a-z0-9_]{1,79}")
_SYS_ID = re.compile(r"[0-9a-f]{32}")
_NUMBER = re.compile(r"[A-Za-z0-9_-]{1,40}")
_PAGE = 200
_PAGES = 10
"""At most so many pages of a ticket's work notes are searched, newest first."""


class ServiceNow:
    """One instance; both ports, since ServiceNow ties rights to the user and not to the token. One thread at a time."""

    def __init__(self, host: str, session: Session) -> None:
        import pysnow  # noqa: PLC0415  # 200 ms, and only where tickets are read

        parts = urlsplit(host)
        self.instance = parts.netloc
        self._client = pysnow.Client(host=parts.netloc, session=session, use_ssl=parts.scheme == "https")
        self._journal_open: bool | None = None

    def find(self, number: str) -> list[TicketRecord]:
        """The tickets of any class with this number, at most two."""
        query = f"number={_checked(_NUMBER, number)}"
        rows, _ = self._rows("/table/task", query, fields=_FIELDS, limit=2, display_value="all")
        return [_record(self.instance, row) for row in rows]

    def markers(self, link: TicketLink) -> Journal:
        """Our markers among the work notes: from the journal table, or where that is closed to us from the record
        itself.
        """
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
        if not seen:
            text = self._displayed_notes(link)
            found.update(MARKER.findall(text))
            seen = len(text)
        return Journal(frozenset(found), readable=bool(seen))

    def sees_notes(self) -> bool:
        """Whether any ticket's work notes are seen; asked once, since it counts only after something went wrong."""
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

    def _displayed_notes(self, link: TicketLink) -> str:
        path = f"/table/{_checked(_TABLE, link.table)}"
        query = f"sys_id={_checked(_SYS_ID, link.sys_id)}"
        rows, _ = self._rows(path, query, fields=["work_notes"], limit=1, display_value=True)
        return str(rows[0].get("work_notes", "")) if rows else ""

    def _rows(self, path: str, query: str, *, count: bool = True, **options: Any) -> tuple[list[dict[str, Any]], int]:
        """What a list shows, and how many rows it says that there are."""

        def call() -> tuple[Any, Mapping[str, str]]:
            resource = self._client.resource(api_path=path)
            if not count:  # counting all of a large table takes longer than finding the first few of its rows
                resource.parameters.add_custom({"sysparm_no_count": True})
            answer = resource.get(query=query, stream=False, **options)
            return answer.all(), answer.headers

        rows, headers = _plainly(call)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise PermanentRemoteError(f"{self.instance}{path} answered without rows", code="not-api")
        total = headers.get("X-Total-Count", "")
        return rows, int(total) if re.fullmatch(r"[0-9]{1,9}", total) else len(rows)

    def _call(self, path: str, method: str, append: str, body: Mapping[str, str]) -> dict[str, Any]:
        def call() -> Any:
            resource = self._client.resource(api_path=path)
            return resource.request(method, path_append=append, data=json.dumps(body)).one()

        answer = _plainly(call, commit=Commit.UNKNOWN)
        return answer if isinstance(answer, dict) else {}

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


def _record(instance: str, row: Mapping[str, Any]) -> TicketRecord:
    state = row.get("state", "")
    return TicketRecord(
        instance=instance,
        table=_stored(row, "sys_class_name"),
        sys_id=_stored(row, "sys_id"),
        number=_stored(row, "number"),
        state=_stored(row, "state"),
        state_label=str(state.get("display_value", "")) if isinstance(state, dict) else "",
        active=_stored(row, "active") == "true",
        approval=_stored(row, "approval"),
        short_description=_stored(row, "short_description"),
    )
