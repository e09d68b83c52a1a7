"""What discovery finds at first: a handful of systems of each cloud, as tables that a larger seeding can read too."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pmgitops.sandbox.store import Json, Store, compact

_CONTEXT = "$metadata#external/authorizationSystems"


@dataclass(frozen=True)
class System:
    """An onboarded account, subscription or project; without a `status` nothing was collected from it."""

    cloud: str
    id: str
    name: str
    status: str = ""
    capability: str = ""
    collected: str = "2023-02-17T21:12:48Z"


SYSTEMS = (
    System("aws", "377596131774", "staging", "offline", "enabled"),
    System("aws", "956987887735", "development"),
    System("aws", "111122223333", "cloud production", "online", "enabled"),
    System("azure", "5757f970-a701-4a2d-8cdb-97c858216084", "Microsoft Azure Sponsorship 2", "online",
           "notConfigured", "2023-03-17T21:12:48Z"),
    System("azure", "87eefd90-95a3-480a-ba42-56ff299a05ee", "Contoso cloud", "online", "enabled"),
    System("gcp", "carbide-bonsai-205017", "ck-staging", "offline", "noRecentDataCollected"),
    System("gcp", "contoso-analytics-310418", "cloud analytics", "online", "enabled"),
)  # fmt: skip

_PEOPLE = (("alex", "contoso.com", "Alex Wilber"), ("alexmanager", "contoso.com", "Alex Manager"),
           ("alex", "adatum.com", "Alex Adatum"), ("megan", "contoso.com", "Megan Bowen"))  # fmt: skip

_AWS_ROLES = (("saml-user", "custom", "sso"), ("ck-saml-power-user", "custom", "sso"),
              ("AWSServiceRoleForSupport", "system", "service"))  # fmt: skip
_AWS_POLICIES = (("AddUserToGroup", "custom"), ("ListBuckets", "custom"), ("AdministratorAccess", "system"),
                 ("ReadOnlyAccess", "system"))  # fmt: skip
_AWS_ACTIONS = (
    ("s3:AbortMultipartUpload", "s3", "delete", "normal", "object"), ("s3:CreateBucket", "s3", None, "high", "bucket"),
    ("s3:DeleteBucket", "s3", "delete", "high", "bucket"), ("s3:DeleteObject", "s3", "delete", "high", "object"),
    ("s3:GetObject", "s3", "read", "normal", "object"), ("s3:ListBucket", "s3", "read", "normal", "bucket"),
    ("s3:PutObject", "s3", None, "normal", "object"), ("ec2:DescribeInstances", "ec2", "read", "normal", "instance"),
    ("ec2:RunInstances", "ec2", None, "high", "instance"),
    ("ec2:TerminateInstances", "ec2", "delete", "high", "instance"),
    ("iam:AddUserToGroup", "iam", None, "high", "user"), ("iam:DeleteUser", "iam", "delete", "high", "user"),
    ("iam:PassRole", "iam", None, "high", "role"),
)  # fmt: skip
_AWS_RESOURCES = (("contoso-logs", "bucket", "s3", "arn:aws:s3:::contoso-logs"),
                  ("web-1", "instance", "ec2", "arn:aws:ec2:eu-west-1:{system}:instance/i-0abc123def456789"),
                  )  # fmt: skip

_AZURE_ACTIONS = (
    ("Microsoft.Authorization/roleAssignments/read", "Microsoft.Authorization", "read", "normal", "roleAssignments"),
    ("Microsoft.Authorization/roleAssignments/write", "Microsoft.Authorization", None, "high", "roleAssignments"),
    ("Microsoft.Authorization/roleAssignments/delete", "Microsoft.Authorization", "delete", "high", "roleAssignments"),
    ("Microsoft.Storage/storageAccounts/read", "Microsoft.Storage", "read", "normal", "storageAccounts"),
    ("Microsoft.Storage/storageAccounts/delete", "Microsoft.Storage", "delete", "high", "storageAccounts"),
    ("Microsoft.Compute/virtualMachines/start/action", "Microsoft.Compute", None, "normal", "virtualMachines"),
)
_AZURE_ROLES = (
    ("cdda3590-29a3-44f6-95f2-9f980659eb04", "API Management Workspace Reader", "custom", "/subscriptions/{system}"),
    ("312a565d-c81f-4fd8-895a-4e21e48d571c", "API Management Service Contributor", "system", "/"),
    ("acdd72a7-3385-48ef-bd42-f606fba81ae7", "Reader", "system", "/"),
    ("8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "Owner", "system", "/"),
)
_AZURE_RESOURCES = (
    ("subscription", "subscriptions", "Microsoft.Authorization", "/subscriptions/{system}"),
    ("contosologs", "storageAccounts", "Microsoft.Storage",
     "/subscriptions/{system}/resourceGroups/logs/providers/Microsoft.Storage/storageAccounts/contosologs"),
)  # fmt: skip

_GCP_ACTIONS = (
    ("aiplatform.dataItems.create", "aiplatform", None, "normal", "dataItems"),
    ("aiplatform.dataItems.delete", "aiplatform", "delete", "high", "dataItems"),
    ("aiplatform.dataItems.list", "aiplatform", "read", "normal", "dataItems"),
    ("compute.instances.delete", "compute", "delete", "high", "instances"),
    ("compute.instances.list", "compute", "read", "normal", "instances"),
    ("compute.instances.start", "compute", None, "normal", "instances"),
)
_GCP_ROLES = (("roles/dialogflow.aamAdmin", "AAM Admin", "system", "dialogflow"),
              ("roles/viewer", "Viewer", "system", "compute"),
              ("projects/{system}/roles/dataReader", "Data Reader", "custom", "aiplatform"))  # fmt: skip
_GCP_RESOURCES = (("{system}", "project", "cloudresourcemanager", "{system}"),
                  ("trainer-1", "instance", "compute",
                   "projects/{system}/zones/europe-west1-b/instances/trainer-1"))  # fmt: skip

_PIM_REQUESTS = (
    ("d75c65d8-9e66-44ff-b1cd-1ab0947fde1d", "UserRemove", "Closed", "Revoked", "Deactivation request", None),
    ("38f42071-3e81-4191-8c0b-11450fb6b547", "UserAdd", "Closed", "Provisioned", "test activations", "PT5H"),
    ("0c1e6c1f-6f3b-4a39-b1f8-5d7f1d1a7f55", "UserAdd", "InProgress", "PendingAdminDecision", "on call", "PT8H"),
)
_PIM_RESOURCE = "e5e7d29d-5465-45ac-885f-4716a5ee74b5"
_PIM_SUBJECTS = ("918e54be-12c4-4f4c-a6d3-2ee0e3661c51", "f1c6b7a0-2d53-43ce-9d0c-0a8d0e4f3c11")

Entry = tuple[str, str, str, Json]  # collection, id, external id, what is shown
ActionRow = tuple[str, str, str | None, str, str]  # name, service, what it does, severity, type of resource


@dataclass(frozen=True)
class Tables:
    """What is in a system; the defaults are the small sandbox's."""

    people: tuple[tuple[str, str, str], ...] = _PEOPLE
    aws_roles: tuple[tuple[str, str, str], ...] = _AWS_ROLES
    aws_policies: tuple[tuple[str, str], ...] = _AWS_POLICIES
    managed: tuple[str, ...] = ("contoso-web-identity", "contoso-batch-identity")
    azure_roles: tuple[tuple[str, str, str, str], ...] = _AZURE_ROLES
    accounts: tuple[str, ...] = ("trainer",)
    gcp_roles: tuple[tuple[str, str, str, str], ...] = _GCP_ROLES
    resources: tuple[tuple[str, str, str, str], ...] = ()
    """Beyond the small sandbox's own."""


ACTIONS: dict[str, tuple[ActionRow, ...]] = {"aws": _AWS_ACTIONS, "azure": _AZURE_ACTIONS, "gcp": _GCP_ACTIONS}


def seed_inventory(store: Store, size: str = "small") -> None:
    """Put the systems and all that is below them into an empty store."""
    for rows in _rows(size):
        store.run_many("INSERT INTO inventory (system, collection, id, external, body) VALUES (?, ?, ?, ?, ?)", rows)


def _rows(size: str) -> Iterator[list[tuple[object, ...]]]:
    from . import large  # noqa: PLC0415 - it is made of what stands here

    systems = SYSTEMS if size == "small" else tuple(large.systems())
    for number, system in enumerate(systems):
        shown = system_json(system)
        yield [("", system.cloud, shown["id"], system.id, compact(shown))]
        tables = Tables() if number < len(SYSTEMS) else large.tables(system, number)
        yield [(system.id, *entry[:3], compact(entry[3])) for entry in _contents(system, tables)]
    for cloud, table in ACTIONS.items():
        actions = table if size == "small" else large.actions(cloud)
        yield [(owner_of(cloud), *entry[:3], compact(entry[3])) for entry in _actions(cloud, actions)]
    yield [(owner_of("pim"), *entry[:3], compact(entry[3])) for entry in _pim()]


def owner_of(cloud: str) -> str:
    """Whose rows those are that every system of a cloud shares."""
    return f"*{cloud}"


def _pim() -> Iterator[Entry]:
    """The legacy list of PIM, as published, and one that awaits an administrator."""
    for number, (key, kind, status, detail, reason, duration) in enumerate(_PIM_REQUESTS):
        start = f"2018-01-{10 + number:02}T20:58:11.363914Z"
        schedule = {"type": "Once", "startDateTime": start, "endDateTime": "0001-01-01T00:00:00Z", "duration": duration}
        yield "roleAssignmentRequests", key, key, {
            "id": key, "resourceId": _PIM_RESOURCE, "roleDefinitionId": "8b4d1d51-08e9-4254-b0a6-b16177aae376",
            "subjectId": _PIM_SUBJECTS[number // 2], "linkedEligibleRoleAssignmentId": "", "type": kind,
            "assignmentState": "Active", "requestedDateTime": start, "reason": reason,
            "schedule": schedule if duration else None,
            "status": {"status": status, "subStatus": detail, "statusDetails": [{"key": "MfaRule", "value": "Grant"}]},
        }  # fmt: skip


def key_of(natural: str) -> str:
    """The id that Permissions Management gives to what has a name already."""
    return base64.b64encode(natural.encode()).decode()


def system_json(system: System) -> Json:
    """A system as the published list shows it."""
    entitlements: Json = {"@odata.type": "#microsoft.graph.noEntitlementsDataCollection"}
    if system.status:
        entitlements = {
            "@odata.type": "#microsoft.graph.entitlementsDataCollection",
            "status": system.status,
            "lastCollectionDateTime": system.collected,
            "permissionsModificationCapability": system.capability,
        }
    key, cast = key_of(system.id), f"microsoft.graph.{system.cloud}AuthorizationSystem"
    return {
        "@odata.type": f"#{cast}",
        "id": key,
        "authorizationSystemId": system.id,
        "authorizationSystemName": system.name,
        "authorizationSystemType": system.cloud.upper(),
        "dataCollectionInfo@odata.context": f"{_CONTEXT}('{key}')/{cast}/dataCollectionInfo/$entity",
        "dataCollectionInfo": {"entitlements": entitlements},
    }


def _contents(system: System, tables: Tables) -> Iterator[Entry]:
    match system.cloud:
        case "aws":
            yield from _aws(system, tables)
        case "azure":
            yield from _azure(system, tables)
        case _:
            yield from _gcp(system, tables)


def _aws(system: System, tables: Tables) -> Iterator[Entry]:
    own = {"@odata.type": "#microsoft.graph.awsSource", "identityProviderType": "aws", "accountId": system.id}
    roles = []
    for name, kind, trust in tables.aws_roles:
        role = _named("awsRole", f"arn:aws:iam::{system.id}:role/{name}", name, source=own, roleType=kind,
                      trustEntityType=trust)  # fmt: skip
        roles.append(role)
        yield _entry("associatedIdentities/roles", role)
    for person, domain, shown in tables.people:
        source = {"@odata.type": "#microsoft.graph.aadSource", "identityProviderType": "aad", "domain": domain}
        user = _named("awsUser", f"rsn:{person}@{domain}", shown, source=source)
        yield _entry("associatedIdentities/users", user)
        for role in roles[:2]:
            yield _entry(f"assumableRoles/{user['id']}", role)
    for name, kind in tables.aws_policies:
        account = system.id if kind == "custom" else "aws"
        yield _entry("policies", _named("awsPolicy", f"arn:aws:iam::{account}:policy/{name}", name, awsPolicyType=kind))
    yield from _resources("aws", system, (*_AWS_RESOURCES, *tables.resources))


def _azure(system: System, tables: Tables) -> Iterator[Entry]:
    source = {"@odata.type": "#microsoft.graph.azureSource", "identityProviderType": "azure",
              "subscriptionId": system.id}  # fmt: skip
    for person, domain, shown in tables.people:
        directory = {"@odata.type": "#microsoft.graph.aadSource", "identityProviderType": "aad", "domain": domain}
        yield _entry("associatedIdentities/users", _named("azureUser", f"{person}@{domain}", shown, source=directory))
    for name in tables.managed:
        external = f"/subscriptions/{system.id}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}"
        identity = _named("azureManagedIdentity", external, name, source=source)
        yield _entry("associatedIdentities/managedIdentities", identity)
    principal = _named("azureServicePrincipal", "5f1c2d6a-7a4e-4d43-9a52-6c5a3c6d9b10", "contoso-deploy", source=source)
    yield _entry("associatedIdentities/servicePrincipals", principal)
    for external, name, kind, scope in tables.azure_roles:
        role = _named("azureRoleDefinition", external, name, azureRoleDefinitionType=kind,
                      assignableScopes=[scope.format(system=system.id)])  # fmt: skip
        yield _entry("roleDefinitions", role)
    yield from _resources("azure", system, (*_AZURE_RESOURCES, *tables.resources))


def _gcp(system: System, tables: Tables) -> Iterator[Entry]:
    for person, domain, shown in tables.people:
        source = {"@odata.type": "#microsoft.graph.gsuiteSource", "identityProviderType": "gsuite", "domain": domain}
        yield _entry("associatedIdentities/users", _named("gcpUser", f"{person}@{domain}", shown, source=source))
    for name in tables.accounts:
        account = f"{name}@{system.id}.iam.gserviceaccount.com"
        yield _entry("associatedIdentities/serviceAccounts", _named("gcpServiceAccount", account, name, source=None))
    for external, name, kind, service in tables.gcp_roles:
        scope = {"resourceType": "project", "service": {"id": service}}
        role = _named("gcpRole", external.format(system=system.id), name, gcpRoleType=kind, scopes=[scope])
        yield _entry("roles", role)
    yield from _resources("gcp", system, (*_GCP_RESOURCES, *tables.resources))


def _actions(cloud: str, table: tuple[ActionRow, ...]) -> Iterator[Entry]:
    for external, service, kind, severity, resource in table:
        yield _entry("actions", {
            "@odata.type": f"#microsoft.graph.{cloud}AuthorizationSystemTypeAction", "id": key_of(external),
            "externalId": external, "actionType": kind, "severity": severity,
            "resourceTypes": [resource] if resource else [],
            "service": {"id": service},
        })  # fmt: skip
    for service in sorted({row[1] for row in table}):
        # A service has no name but its id; filters on actions say `service/id eq 'ec2'`.
        shown = {"@odata.type": "#microsoft.graph.authorizationSystemTypeService", "id": service}
        yield "services", service, service, shown


def _resources(cloud: str, system: System, table: tuple[tuple[str, str, str, str], ...]) -> Iterator[Entry]:
    for name, kind, service, external in table:
        resource = _named(f"{cloud}AuthorizationSystemResource", external.format(system=system.id),
                          name.format(system=system.id), resourceType=kind, service={"id": service})  # fmt: skip
        yield _entry("resources", resource)


def _named(type_name: str, external: str, name: str, **others: Any) -> Json:
    own = {"@odata.type": f"#microsoft.graph.{type_name}", "id": key_of(external), "externalId": external}
    return {**own, "displayName": name, **others}


def _entry(collection: str, shown: Json) -> Entry:
    return collection, shown["id"], shown["externalId"], shown
