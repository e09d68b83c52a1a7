"""What a request grants, as single permissions: two requests that share one hold the same access open."""

from __future__ import annotations

from pmgitops.model.request import (
    AnyRequest,
    AwsActions,
    AwsPolicies,
    AzureActions,
    AzureRoles,
    GcpActions,
    GcpRoles,
)


def grants(request: AnyRequest) -> tuple[str, ...]:
    """`provider system identity permission @ place`, sorted; compared as text, without case where the cloud does so."""
    match request:
        case AwsPolicies():
            wanted = [(policy, request.assign_to_role_id or "") for policy in request.policies]
        case AwsActions():
            wanted = [
                (action.lower(), f"{request.assign_to_role_id or ''} {resource}")
                for statement in request.statements
                if statement.effect == "allow"
                for action in statement.actions or ()
                for resource in statement.resources or ()
            ]
        case AzureActions():
            wanted = [(action.lower(), request.resource_id.lower()) for action in request.actions]
        case AzureRoles():
            wanted = [(role.lower(), request.resource_id.lower()) for role in request.roles]
        case GcpActions():
            wanted = [(action, request.resource_id) for action in request.actions]
        case GcpRoles():
            wanted = [(role, request.resource_id) for role in request.roles]
    whose = f"{request.provider} {request.authorization_system_id} {request.identity.external_id.lower()}"
    return tuple(sorted(f"{whose} {permission} @ {place}" for permission, place in wanted))
