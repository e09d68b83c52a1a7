"""
A request: what access, for whom, why, how long and under which ticket. Never how it is delivered.

Six kinds in the terms of Microsoft Graph's Permissions Management, without its OData noise. `REQUEST` validates any of
them.

* identity        an account where the identity is in none
* statement       both or neither of what a statement has one of
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, ClassVar, Literal, get_args

import rfc8785
from pydantic import Field, TypeAdapter, field_validator, model_validator

from pmgitops.model.scalars import (
    AwsAccount,
    AwsAction,
    AwsPolicy,
    AwsResource,
    AwsRole,
    AzureOperation,
    AzureScope,
    GcpPermission,
    GcpProject,
    GcpResource,
    GcpRole,
    Guid,
    Id,
    StatementId,
    Text,
    TicketNumber,
    Value,
    Verbatim,
    distinct,
    refuse,
)
from pmgitops.model.schedule import Schedule

Provider = Literal["aws", "azure", "gcp"]


class Identity(Value):
    """Who gets the access."""

    external_id: Id
    """The identity's name in its source: an e-mail address, a user principal name, an ARN. Written plainly."""
    source: Literal["saml", "ed", "local", "aws"]
    """Where the identity lives: a SAML provider, Entra ID (`ed`), the authorization system itself, an AWS account."""
    type: Literal["user", "role", "application", "managedIdentity", "serviceAccount"]
    """What kind of identity it is."""
    account_id: AwsAccount | None = None
    """With `source: aws`, the account of the identity; by default the request's own."""

    @model_validator(mode="after")
    def _account_of_aws(self) -> Identity:
        if self.account_id and self.source != "aws":
            raise refuse("identity", f"accountId goes with source aws, not {self.source}", at="accountId")
        return self


class Ticket(Value):
    """The ticket that the request stands on (Graph beta's `ticketInfo`)."""

    ticket_number: TicketNumber
    """The number that the ticket system knows the ticket by, such as INC1234567."""
    ticket_system: Text
    """The name of a ticket system in `pmgitops.yaml`, such as ServiceNow."""
    ticket_submitter_identity_id: Id | None = None
    """Who opened the ticket."""
    ticket_approver_identity_id: Id | None = None
    """Who approves it."""


_Comparison = Annotated[dict[Id, Verbatim | Annotated[tuple[Verbatim, ...], Field(min_length=1)]], Field(min_length=1)]


class Statement(Value):
    """One statement of an AWS policy document, in Graph's terms."""

    statement_id: StatementId
    """Its name, unique in the request."""
    effect: Literal["allow", "deny"]
    """Whether the actions are granted or forbidden."""
    actions: Annotated[tuple[AwsAction, ...], Field(min_length=1), distinct("action")] | None = None
    """What it is about; this or `notActions`."""
    not_actions: Annotated[tuple[AwsAction, ...], Field(min_length=1), distinct("action")] | None = None
    """All actions but these."""
    resources: Annotated[tuple[AwsResource, ...], Field(min_length=1), distinct("resource")] | None = None
    """What it is done to; this or `notResources`."""
    not_resources: Annotated[tuple[AwsResource, ...], Field(min_length=1), distinct("resource")] | None = None
    """All resources but these."""
    condition: Annotated[dict[Id, _Comparison], Field(min_length=1)] | None = None
    """Operator -> key -> value or values, as IAM has it; scalars stay the text written."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Statement:
        for one, other, names in (
            (self.actions, self.not_actions, ("actions", "notActions")),
            (self.resources, self.not_resources, ("resources", "notResources")),
        ):
            if bool(one) == bool(other):
                problem = "has both" if one else "has neither"
                raise refuse("statement", f"{problem} {names[0]} and {names[1]}; give exactly one of them")
        return self


class _Request(Value):
    provider: ClassVar[Provider]

    api_version: Literal["pmgitops/v1"]
    """The version of this format."""
    justification: Text
    """Why the access is needed."""
    notes: Text | None = None
    """Anything else the approver should know."""
    identity: Identity
    """Who gets the access."""
    schedule_info: Schedule
    """When the access starts, ends and repeats."""
    ticket_info: Ticket | None = None
    """The ticket that the request stands on."""

    def content(self) -> dict[str, Any]:
        """The request as plain JSON values, absent fields left out."""
        content: dict[str, Any] = REQUEST.dump_python(self, mode="json", by_alias=True, exclude_none=True)  # type: ignore[arg-type]
        return content

    @property
    def revision(self) -> str:
        """SHA-256 of the content's RFC 8785 form: moving or re-indenting a file changes nothing."""
        return hashlib.sha256(rfc8785.dumps(self.content())).hexdigest()


class _Aws(_Request):
    provider = "aws"

    authorization_system_id: AwsAccount
    """The AWS account."""
    assign_to_role_id: AwsRole | None = None
    """The role of the account that the access is put on."""


class AwsPolicies(_Aws):
    """Managed policies of an AWS account."""

    kind: Literal["aws-policies"]
    policies: Annotated[tuple[AwsPolicy, ...], Field(min_length=1), distinct("policy")]
    """ARNs of the account's own policies or of those that AWS manages."""


class AwsActions(_Aws):
    """Actions on resources of an AWS account."""

    kind: Literal["aws-actions"]
    statements: tuple[Statement, ...] = Field(min_length=1)
    """What is allowed or denied, as statements of a policy document."""

    @field_validator("statements")
    @classmethod
    def _unique_ids(cls, statements: tuple[Statement, ...]) -> tuple[Statement, ...]:
        seen: set[str] = set()
        for place, statement in enumerate(statements):
            if statement.statement_id in seen:
                raise refuse(
                    "repeated",
                    f"statementId {statement.statement_id!r} stands twice; it is unique in a request",
                    at=f"{place}.statementId",
                )
            seen.add(statement.statement_id)
        return statements


class _Azure(_Request):
    provider = "azure"

    authorization_system_id: Guid
    """The Azure subscription."""
    resource_id: AzureScope
    """The scope: a management group, subscription, resource group or resource."""


class AzureActions(_Azure):
    """Operations at a scope of an Azure subscription."""

    kind: Literal["azure-actions"]
    actions: Annotated[tuple[AzureOperation, ...], Field(min_length=1), distinct("action")]
    """Azure operations, such as Microsoft.Authorization/roleAssignments/read."""


class AzureRoles(_Azure):
    """Roles at a scope of an Azure subscription."""

    kind: Literal["azure-roles"]
    roles: Annotated[tuple[Guid, ...], Field(min_length=1), distinct("role")]
    """Ids of role definitions."""


class _Gcp(_Request):
    provider = "gcp"

    authorization_system_id: GcpProject
    """The GCP project."""
    resource_id: GcpResource
    """The project, folder, organization or resource."""


class GcpActions(_Gcp):
    """Permissions on a GCP resource."""

    kind: Literal["gcp-actions"]
    actions: Annotated[tuple[GcpPermission, ...], Field(min_length=1), distinct("action")]
    """GCP permissions, such as aiplatform.dataItems.create."""


class GcpRoles(_Gcp):
    """Roles on a GCP resource."""

    kind: Literal["gcp-roles"]
    roles: Annotated[tuple[GcpRole, ...], Field(min_length=1), distinct("role")]
    """GCP roles, such as roles/viewer."""


AnyRequest = AwsPolicies | AwsActions | AzureActions | AzureRoles | GcpActions | GcpRoles
KINDS: tuple[str, ...] = ("aws-policies", "aws-actions", "azure-actions", "azure-roles", "gcp-actions", "gcp-roles")


def fields_of(kind: str) -> list[str]:
    """The fields that a request of a kind may have beside its `kind`."""
    (model,) = (one for one in get_args(AnyRequest) if kind in get_args(one.model_fields["kind"].annotation))
    return [str(field.alias or name) for name, field in model.model_fields.items() if name != "kind"]


REQUEST: TypeAdapter[AnyRequest] = TypeAdapter(Annotated[AnyRequest, Field(discriminator="kind")])
