"""From a request to the body of `POST .../scheduledPermissionsRequests`. Pure.

Shapes: Microsoft Graph beta, scheduledPermissionsRequest and the types below it. Absent members are left out,
`expiration.type` is always written, and every `@odata.type` starts with `#microsoft.graph.`, the form OData defines and
the only one that Microsoft's SDK recognises.
"""

from __future__ import annotations

from typing import Any

from pmgitops.model.request import (
    AnyRequest,
    AwsActions,
    AwsPolicies,
    AzureActions,
    AzureRoles,
    GcpActions,
    GcpRoles,
    Identity,
    Statement,
)
from pmgitops.targets.interface import Inexpressible, Payload
from pmgitops.targets.permissions_management.parse import comparable, parse


class PermissionsManagement:
    """The target's pure half."""

    name = "permissions-management"
    host = "graph.microsoft.com"
    retired = (
        "Microsoft retired Entra Permissions Management on 2025-10-01, and its API grants nothing any more. Route the "
        "kind to a living target, give this one another endpoint (the sandbox's, for one), or set allowRetired: true"
    )

    def render(self, request: AnyRequest) -> dict[str, Any]:
        """The body of the POST, but for the correlation."""
        content = request.content()
        body = {
            "requestedPermissions": _permissions(request),
            "justification": content["justification"],
            "notes": content.get("notes"),
            "scheduleInfo": content["scheduleInfo"],
            "ticketInfo": content.get("ticketInfo"),
        }
        return _present(body)

    def parse(self, body: Payload) -> AnyRequest | Inexpressible:
        """The request that is rendered as this body, or why there is none."""
        return parse(body, self.render)

    def comparable(self, body: Payload) -> dict[str, Any]:
        """A body in the one form of all bodies that mean the same."""
        return comparable(body)

    def correlated(self, payload: Payload, correlation: str) -> dict[str, Any]:
        """The body with the correlation as the last line of `notes`: the API takes no key of ours."""
        notes = payload.get("notes")
        return {**payload, "notes": f"{notes}\n{correlation}" if notes else correlation}


TARGET = PermissionsManagement()


def _permissions(request: AnyRequest) -> dict[str, Any]:
    return _present(
        {
            "@odata.type": _odata(_DEFINITIONS[request.provider]),
            "authorizationSystemInfo": _system(request.authorization_system_id, request.provider),
            "actionInfo": _action_info(request),
            "identityInfo": _identity(request),
            "resourceId": getattr(request, "resource_id", None),
        }
    )


_DEFINITIONS = {
    "aws": "awsPermissionsDefinition",
    "azure": "singleResourceAzurePermissionsDefinition",
    "gcp": "singleResourceGcpPermissionsDefinition",
}


def _action_info(request: AnyRequest) -> dict[str, Any]:
    info: dict[str, Any]
    match request:
        case AwsPolicies():
            info = {
                "@odata.type": _odata("awsPolicyPermissionsDefinitionAction"),
                "policies": _ids(request.policies),
                "assignToRoleId": request.assign_to_role_id,
            }
        case AwsActions():
            info = {
                "@odata.type": _odata("awsActionsPermissionsDefinitionAction"),
                "statements": [_statement(statement) for statement in request.statements],
                "assignToRoleId": request.assign_to_role_id,
            }
        case AzureActions():
            info = {"@odata.type": _odata("azureActionPermissionsDefinitionAction"), "actions": list(request.actions)}
        case AzureRoles():
            info = {"@odata.type": _odata("azureRolePermissionsDefinitionAction"), "roles": _ids(request.roles)}
        case GcpActions():
            info = {"@odata.type": _odata("gcpActionPermissionsDefinitionAction"), "actions": list(request.actions)}
        case GcpRoles():
            info = {"@odata.type": _odata("gcpRolePermissionsDefinitionAction"), "roles": _ids(request.roles)}
    return _present(info)


def _statement(statement: Statement) -> dict[str, Any]:
    """Of the four lists the service takes all, empty ones included (they are non-nullable)."""
    return _present(
        {
            "statementId": statement.statement_id,
            "actions": list(statement.actions or ()),
            "notActions": list(statement.not_actions or ()),
            "resources": list(statement.resources or ()),
            "notResources": list(statement.not_resources or ()),
            "effect": statement.effect,
            "condition": statement.model_dump(mode="json")["condition"],
        }
    )


def _identity(request: AnyRequest) -> dict[str, Any]:
    identity = request.identity
    source: dict[str, Any] = {"@odata.type": _odata(f"{identity.source}IdentitySource")}
    if identity.source == "aws":
        source["authorizationSystemInfo"] = _system(identity.account_id or request.authorization_system_id, "aws")
    return {
        "externalId": _external_id(identity, request.provider),
        "source": source,
        "identityType": identity.type,
    }


def _external_id(identity: Identity, provider: str) -> str:
    """A SAML or Entra user in AWS is known by its role session name, marked `rsn:`."""
    by_session = provider == "aws" and identity.source in {"saml", "ed"} and identity.type == "user"
    prefix = "rsn:" if by_session and not identity.external_id.startswith("rsn:") else ""
    return prefix + identity.external_id


def _system(system_id: str, provider: str) -> dict[str, Any]:
    return {"authorizationSystemId": system_id, "authorizationSystemType": provider.upper()}


def _ids(values: tuple[str, ...]) -> list[dict[str, str]]:
    return [{"id": value} for value in values]


def _odata(name: str) -> str:
    return f"#microsoft.graph.{name}"


def _present(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
