"""A canonical request of each kind, and canonical circumstances: what the cases of policies are laid over."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

NOW = datetime(2026, 1, 15, 9, tzinfo=UTC)
"""When cases are judged that do not say: a Thursday morning."""

_SUBSCRIPTION = "87eefd90-95a3-480a-ba42-56ff299a05ee"
_COMMON: Mapping[str, Any] = {
    "apiVersion": "pmgitops/v1",
    "identity": {"externalId": "alex@contoso.com", "source": "ed", "type": "user"},
    "justification": "Replace the certificate that the payment service reads at its start",
    "scheduleInfo": {"expiration": {"duration": "PT1H"}},
    "ticketInfo": {
        "ticketNumber": "CHG0030001",
        "ticketSystem": "ServiceNow",
        "ticketSubmitterIdentityId": "alex@contoso.com",
        "ticketApproverIdentityId": "alexmanager@contoso.com",
    },
}

REQUESTS: Mapping[str, Mapping[str, Any]] = {
    "aws-policies": {
        **_COMMON,
        "kind": "aws-policies",
        "authorizationSystemId": "956987887735",
        "policies": ["arn:aws:iam::956987887735:policy/ReadCertificates"],
        "assignToRoleId": "arn:aws:iam::956987887735:role/saml-user",
    },
    "aws-actions": {
        **_COMMON,
        "kind": "aws-actions",
        "authorizationSystemId": "956987887735",
        "statements": [
            {
                "statementId": "certificates",
                "effect": "allow",
                "actions": ["s3:GetObject", "s3:PutObject"],
                "resources": ["arn:aws:s3:::certificates/*"],
            }
        ],
        "assignToRoleId": "arn:aws:iam::956987887735:role/saml-user",
    },
    "azure-actions": {
        **_COMMON,
        "kind": "azure-actions",
        "authorizationSystemId": _SUBSCRIPTION,
        "actions": ["Microsoft.Compute/virtualMachines/restart/action"],
        "resourceId": f"/subscriptions/{_SUBSCRIPTION}/resourceGroups/payment",
    },
    "azure-roles": {
        **_COMMON,
        "kind": "azure-roles",
        "authorizationSystemId": _SUBSCRIPTION,
        "roles": ["cdda3590-29a3-44f6-95f2-9f980659eb04"],
        "resourceId": f"/subscriptions/{_SUBSCRIPTION}/resourceGroups/payment",
    },
    "gcp-actions": {
        **_COMMON,
        "kind": "gcp-actions",
        "authorizationSystemId": "carbide-bonsai-205017",
        "actions": ["aiplatform.dataItems.create"],
        "resourceId": "carbide-bonsai-205017",
    },
    "gcp-roles": {
        **_COMMON,
        "kind": "gcp-roles",
        "authorizationSystemId": "carbide-bonsai-205017",
        "roles": ["roles/dialogflow.reader"],
        "resourceId": "carbide-bonsai-205017",
    },
}

TICKET: Mapping[str, Any] = {
    "found": True,
    "number": "CHG0030001",
    "class": "change_request",
    "state": "-1",
    "stateLabel": "Implement",
    "active": True,
    "approval": "approved",
    "shortDescription": "Replace the certificate of the payment service",
    "submitters": ["alex@contoso.com"],
    "openedBy": "alex@contoso.com",
    "approvers": ["alexmanager@contoso.com"],
    "planned": True,
    "windowStart": "2026-01-15T08:00:00Z",
    "windowEnd": "2026-01-15T18:00:00Z",
    "configurationItem": "payment",
    "assignmentGroup": "Cloud Operations",
}

CATALOG: Mapping[str, Any] = {
    "present": True,
    "age": "P1D",
    "system": "Payment",
    "online": True,
    "modifiable": True,
}

CHANGE: Mapping[str, Any] = {"action": "create", "author": "alex@contoso.com"}


def laid_over(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with what `top` says: mappings merged, anything else replaced."""
    merged = dict(base)
    for key, value in top.items():
        below = merged.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            merged[key] = laid_over(below, value)
        else:
            merged[key] = value
    return merged


def without(value: Mapping[str, Any], path: str) -> dict[str, Any]:
    """A copy that lacks what stands at a dotted path."""
    head, _, rest = path.partition(".")
    kept = {key: child for key, child in value.items() if key != head}
    return {**value, head: without(value[head], rest)} if rest and isinstance(value.get(head), Mapping) else kept
