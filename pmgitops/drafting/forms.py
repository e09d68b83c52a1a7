"""A catalog item's variables as a draft, by the form that the configuration has for the item.

Every text of a form is a template of its own (sandboxed Jinja, strict) whose result is one value: whatever a variable
holds, it adds no field, no item and no template. Only a list that the form writes as one text is split, at commas and
line breaks, because the form says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from pmgitops.drafting import draft as drafts
from pmgitops.drafting import words
from pmgitops.drafting.draft import Draft
from pmgitops.drafting.fields import DURATION
from pmgitops.errors import UsageError
from pmgitops.model.item import OrderedItem
from pmgitops.settings import CONFIG, Form

if TYPE_CHECKING:
    from jinja2.sandbox import SandboxedEnvironment

LISTS: Final = frozenset(
    {"policies", "actions", "roles", "resources", "notActions", "notResources", "statements", "daysOfWeek"}
)
"""Fields that are lists; written as one text, they are split."""


def draft_of(item: OrderedItem, system: str, forms: Mapping[str, Form]) -> Draft:
    """What a ticket says, as a draft: who it is for, the ticket itself, and what the form makes of its variables.

    Raises:
        UsageError: There is no form for the item, or a template asks for something that is not there.
    """
    form = _form_of(item, forms)
    ticket = {"ticketNumber": item.number, "ticketSystem": system}
    draft: Draft = drafts.of_kind(form.kind)
    drafts.put(draft, ("identity", "externalId"), item.requested_for)
    drafts.put(draft, ("justification",), item.short_description)
    drafts.put(draft, ("ticketInfo",), ticket)
    drafts.put(draft, ("ticketInfo", "ticketSubmitterIdentityId"), item.requested_for)
    drafts.put(draft, ("ticketInfo", "ticketApproverIdentityId"), item.approver)
    filled = _Filling(item).mapping(form.fields, ())
    length = drafts.get(filled, DURATION.path)
    if isinstance(length, str):
        drafts.put(filled, DURATION.path, words.duration(length))
    return drafts.laid_over(draft, filled)


def _form_of(item: OrderedItem, forms: Mapping[str, Form]) -> Form:
    """The form of the item's sys_id, or of its name."""
    by_name = {name.casefold(): form for name, form in forms.items()}
    form = forms.get(item.form_id) or by_name.get(item.form.casefold())
    if form is None:
        raise UsageError(
            f"{item.number} was ordered as {item.form!r}, for which {CONFIG} has no form",
            hint=f"add it to the forms of the ticket system; there are: {', '.join(forms)}",
        )
    return form


class _Filling:
    """Templates filled with one item."""

    def __init__(self, item: OrderedItem) -> None:
        self._values = {
            "variables": item.variables,
            "ticket": {
                "number": item.number,
                "requestedFor": item.requested_for,
                "approver": item.approver,
                "shortDescription": item.short_description,
            },
        }
        self._environment = _environment()

    def mapping(self, fields: Mapping[str, Any], path: tuple[str, ...]) -> Draft:
        """Every member filled; those that come to nothing are left out."""
        found = {name: self._value(value, (*path, name)) for name, value in fields.items()}
        return {name: value for name, value in found.items() if value not in ("", [], {})}

    def _value(self, value: Any, path: tuple[str, ...]) -> Any:
        if isinstance(value, Mapping):
            return self.mapping(value, path)
        if isinstance(value, list | tuple):
            items = [self._value(item, (*path, str(place))) for place, item in enumerate(value)]
            return [item for item in items if item not in ("", {})]
        text = self._text(str(value), ".".join(path))
        if path[-1] in LISTS:
            return [item for line in text.splitlines() for part in line.split(",") if (item := part.strip())]
        return text

    def _text(self, template: str, where: str) -> str:
        from jinja2 import TemplateError  # noqa: PLC0415  # see _environment

        try:
            return self._environment.from_string(template).render(self._values).strip()
        except (TemplateError, TypeError, ValueError, ArithmeticError) as error:
            known = ", ".join(self._values["variables"]) or "none"
            raise UsageError(
                f"the form's {where}: {str(error).rstrip('.')}", hint=f"the variables of this ticket: {known}"
            ) from None


def _environment() -> SandboxedEnvironment:
    from jinja2 import StrictUndefined  # noqa: PLC0415  # 50 ms, and only where a form is filled
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415

    # What is filled in is YAML's to quote, and nobody's to show: escaping for HTML would change it.
    return ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
