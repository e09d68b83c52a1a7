"""How the sandbox behaves where a tenant or an instance may differ; `/_control/settings` turns every one of these."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any


def camel(name: str) -> str:
    """The name as JSON has it."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


@dataclass(frozen=True)
class Behaviour:
    """One sentence under each field; the defaults are those of a stock service."""

    page_size: int = 100
    """Graph: the most entries on one page."""
    next_link_blanks: bool = False
    """Graph: write blanks in `@odata.nextLink` as they are, as the published examples do."""
    step_seconds: float = 1.0
    """Graph: how long granting and revoking take."""
    failing: list[str] = field(default_factory=list)
    """Graph: `granting`, `revoking`, or both end in grantingFailed or revokingFailed."""

    pim_archive_ended: bool = False
    """Graph: the legacy list of PIM returns no data any more, as Microsoft announced for 2026-10-28."""

    display_offset_hours: float = -8.0
    """ServiceNow: the user's time zone in display values."""
    display_format: str = "%Y-%m-%d %H:%M:%S"
    """ServiceNow: the user's format of times in display values."""
    invalid_query_returns_no_rows: bool = False
    """ServiceNow: `glide.invalid_query.returns_no_rows`; otherwise an invalid term is ignored."""
    refuse_duplicate_numbers: bool = False
    """ServiceNow: `number` is unique; stock instances do not make it so."""
    hidden: list[str] = field(default_factory=list)
    """ServiceNow: numbers or sys_ids that row ACLs hide, after the page was cut."""
    unreadable: list[str] = field(default_factory=list)
    """ServiceNow: fields (`caller_id`, `incident.caller_id`) that ACLs hide: left out of rows, 403 in a query."""
    unwritable: list[str] = field(default_factory=list)
    """ServiceNow: fields that ACLs protect: what is written into them is dropped, answered 200 all the same."""
    locked: list[str] = field(default_factory=list)
    """ServiceNow: numbers, sys_ids or tables whose rows ACLs protect: a write is answered 403."""
    api_closed: list[str] = field(default_factory=list)
    """ServiceNow: tables at which the API-level ACL stops everybody, `*` for all: 403 whatever is asked."""
    error_details: bool = True
    """ServiceNow: errors say more in `detail`; otherwise it is null."""
    rules: list[dict[str, Any]] = field(default_factory=list)
    """ServiceNow: business rules and data policies, as `servicenow/rules.py` describes them."""
    state_model: bool = False
    """ServiceNow: a change may only move along the states of its model."""
    journal_readable: bool = True
    """ServiceNow: the caller may read sys_journal_field; otherwise 200 and no rows."""
    notes_readable: bool = True
    """ServiceNow: the caller sees journal text in a record's display values."""
    basic_auth: bool = True
    """ServiceNow: Basic authentication is let in."""
    jwt_key: str = ""
    """ServiceNow: the public key, in PEM, of those who may sign a JWT for the bearer grant; empty refuses the grant."""
    rate_limit: int = 0
    """ServiceNow: calls that one user may make in an hour of the sandbox's clock; 0 for any number."""
    session_queue: int = 0
    """ServiceNow: calls of one session that may be under way; one more is answered 202, not run. 0 for any number."""
    token_seconds: int = 1800
    """ServiceNow: how long an OAuth token lives, on the sandbox's clock."""
    attachment_encrypted: bool = False
    """ServiceNow: attachments are encrypted, so `hash` is empty."""
    attachment_refuse_identical: bool = False
    """ServiceNow: the same bytes may not be attached twice to one record."""
    attachment_max_bytes: int = 10 * 1024 * 1024
    """ServiceNow: `com.glide.attachment.max_size`."""
    attachment_extensions: list[str] = field(default_factory=list)
    """ServiceNow: `glide.attachment.extensions`; empty lets every one in."""

    def changed(self, wanted: dict[str, Any]) -> Behaviour:
        """With some settings changed; ValueError names what there is not or what has the wrong type."""
        known = {camel(setting.name): setting.name for setting in fields(self)}
        values = {}
        for key, value in wanted.items():
            if key not in known:
                raise ValueError(f"there is no setting '{key}'; there are {', '.join(known)}")
            values[known[key]] = _fitting(key, value, getattr(self, known[key]))
        return replace(self, **values)

    def as_json(self) -> dict[str, Any]:
        """Every setting under its JSON name."""
        return {camel(name): value for name, value in asdict(self).items()}


def _fitting(key: str, value: object, present: object) -> Any:
    if isinstance(present, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not type(present):
        raise ValueError(f"'{key}' wants {type(present).__name__}, not {type(value).__name__}")
    return value
