"""The schema of a request with what is known in it: an editor completes it, and tells on hover what it is.

What is known is offered beside the grammar, never instead of it: a snapshot may be older than what somebody rightly
asks for, and judging is the business of `check`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice
from typing import Any, Final

from pmgitops.drafting.fields import What
from pmgitops.drafting.known import Known, every
from pmgitops.model.schema import request_schema

MOST: Final = 25_000
"""Values of one list; an editor reads all of them whenever it opens a file."""
_MARKUP: Final = re.compile(r"[\\`*_{}\[\]<>#|!]")
"""What a display name from somewhere else may not do in an editor."""

Json = dict[str, Any]

_KINDS: Final = {
    "AwsPolicies": "aws",
    "AwsActions": "aws",
    "AzureActions": "azure",
    "AzureRoles": "azure",
    "GcpActions": "gcp",
    "GcpRoles": "gcp",
}
_FIELDS: Final[dict[str, What]] = {
    "authorizationSystemId": "system",
    "resourceId": "resource",
    "assignToRoleId": "assignable",
    "policies": "policy",
    "actions": "action",
    "roles": "role",
}
_CLOUDS: Final = ("aws", "azure", "gcp")


def with_known(sources: Sequence[Known]) -> Json:
    """The schema of a request, with the values that `sources` know as completions of their fields."""
    schema = request_schema()
    hints = _Hints(schema["$defs"], sources)
    for kind, cloud in _KINDS.items():
        for name, what in _FIELDS.items():
            hints.give(kind, name, what, (cloud,))
    for name in ("actions", "notActions"):
        hints.give("Statement", name, "action", ("aws",))
    hints.give("Identity", "externalId", "identity", _CLOUDS)
    hints.give("Ticket", "ticketSystem", "ticket-system", ("",))
    hints.give("Ticket", "ticketSubmitterIdentityId", "identity", _CLOUDS)
    hints.give("Ticket", "ticketApproverIdentityId", "approver", _CLOUDS)
    return schema


class _Hints:
    """Lists of known values, each once in the schema and referred to from every field that takes them."""

    def __init__(self, definitions: Json, sources: Sequence[Known]) -> None:
        self._definitions = definitions
        self._sources = sources

    def give(self, model: str, name: str, what: What, clouds: Sequence[str]) -> None:
        """Offer what is known to one field of a model, or to the items of that field."""
        fields = self._definitions[model]["properties"]
        reference = self._list(what, clouds) if name in fields else None
        if reference is None:
            return
        field = fields[name]
        lists = [part for part in (field, *field.get("anyOf", ())) if "items" in part]
        for part in lists:
            part["items"] = _beside(part["items"], reference)
        if not lists:
            fields[name] = _beside(field, reference)

    def _list(self, what: What, clouds: Sequence[str]) -> Json | None:
        """A reference to the list; None where nothing is known."""
        name = "Known" + "".join(part.title() for part in (*clouds, *what.split("-")))
        if name not in self._definitions:
            found = {one.value: one.about for cloud in clouds for one in every(self._sources, what, cloud)}
            if not found:
                return None
            kept = dict(islice(sorted(found.items()), MOST))
            listed: Json = {"enum": list(kept)}
            if len(found) > MOST:
                listed["$comment"] = f"the first {MOST} of {len(found)}"
            if any(kept.values()):  # VS Code and its YAML extension show these beside completions and on hover
                listed["markdownEnumDescriptions"] = [_MARKUP.sub(r"\\\g<0>", about) for about in kept.values()]
            self._definitions[name] = listed
        return {"$ref": f"#/$defs/{name}"}


def _beside(field: Json, reference: Json) -> Json:
    """A field that offers the values of `reference` and takes whatever it took before."""
    rest = dict(field)
    told = {"description": rest.pop("description")} if "description" in rest else {}
    others = rest.pop("anyOf") if rest.keys() == {"anyOf"} else [rest]
    return {**told, "anyOf": [reference, *others]}
