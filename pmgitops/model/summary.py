"""A request in one line for a person: what, where, for whom, how long."""

from __future__ import annotations

from collections.abc import Sequence

from pmgitops.model.request import (
    AnyRequest,
    AwsActions,
    AwsPolicies,
    AzureActions,
    AzureRoles,
    GcpActions,
    GcpRoles,
)
from pmgitops.model.schedule import Schedule


def access(request: AnyRequest) -> str:
    """What is asked for and where, such as `AWS 956987887735: policy AddUserToGroup`."""
    match request:
        case AwsPolicies():
            what = _few("policy", [arn.rsplit("/", 1)[-1] for arn in request.policies])
        case AwsActions():
            actions = [
                action
                for statement in request.statements
                for action in statement.actions or statement.not_actions or ()
            ]
            what = _few("action", actions)
        case AzureActions() | GcpActions():
            what = _few("action", request.actions)
        case AzureRoles() | GcpRoles():
            what = _few("role", request.roles)
    where = getattr(request, "resource_id", "")
    on = f" on {where}" if where and where != request.authorization_system_id else ""
    return f"{request.provider.upper()} {request.authorization_system_id}: {what}{on}"


def how_long(schedule: Schedule) -> str:
    """Start, end and repetition, such as `PT1H from approval`."""
    expiration = schedule.expiration
    end = expiration.duration or (f"until {expiration.end_date_time}" if expiration.end_date_time else expiration.type)
    start = f" from {schedule.start_date_time:%Y-%m-%d %H:%M} UTC" if schedule.start_date_time else " from approval"
    repeats = f", {schedule.recurrence.pattern.type}" if schedule.recurrence else ""
    return f"{end}{start}{repeats}"


def _few(noun: str, names: Sequence[str]) -> str:
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    plural = noun if len(names) == 1 else noun.replace("policy", "policie") + "s"
    return f"{plural} {shown}"
