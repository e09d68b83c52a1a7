from __future__ import annotations

import base64
from urllib.parse import quote

import pytest

AWS = base64.b64encode(b"956987887735").decode()
AZURE = base64.b64encode(b"87eefd90-95a3-480a-ba42-56ff299a05ee").decode()
GCP = base64.b64encode(b"carbide-bonsai-205017").decode()
ROOTS = {
    "aws": f"/{AWS}/microsoft.graph.awsAuthorizationSystem",
    "azure": f"/{AZURE}/microsoft.graph.azureAuthorizationSystem",
    "gcp": f"/{GCP}/microsoft.graph.gcpAuthorizationSystem",
}
_COLLECTIONS = {
    "aws": """associatedIdentities/all associatedIdentities/roles associatedIdentities/users
              actions policies resources""",
    "azure": """associatedIdentities/all associatedIdentities/managedIdentities associatedIdentities/users
                associatedIdentities/servicePrincipals actions resources roleDefinitions""",
    "gcp": """associatedIdentities/all associatedIdentities/users associatedIdentities/serviceAccounts
              actions resources roles""",
}
COLLECTIONS = [(cloud, name) for cloud, names in _COLLECTIONS.items() for name in names.split()]


@pytest.fixture
def found(graph):
    """What a GET below authorizationSystems finds, by external id, or the status of its refusal."""

    def ask(path="", condition=""):
        answer = graph.session.get(graph.discovery + path, params={"$filter": condition} if condition else None)
        if not answer.ok:
            return answer.status_code
        return [one.get("externalId") or one["authorizationSystemId"] for one in answer.json()["value"]]

    return ask


def test_systems_have_the_base64_of_their_name_as_id(graph):
    systems = graph.session.get(graph.discovery).json()["value"]

    assert len(systems) == 7
    for system in systems:
        assert base64.b64decode(system["id"]).decode() == system["authorizationSystemId"]
        one = graph.session.get(f"{graph.discovery}/{system['id']}").json()
        assert one["authorizationSystemName"] == system["authorizationSystemName"]


ENTITLEMENTS = "dataCollectionInfo/entitlements/microsoft.graph.entitlementsDataCollection"
ENABLED_AND_ONLINE = (
    f"authorizationSystemType eq 'aws' and {ENTITLEMENTS}/permissionsModificationCapability eq 'enabled'"
    f" and {ENTITLEMENTS}/status eq 'online'"
)


@pytest.mark.parametrize(
    ("condition", "systems"),
    [
        ("contains(authorizationSystemName, 'cloud')", 3),
        ("authorizationSystemType eq 'aws'", 3),
        ("authorizationSystemType eq 'AZURE'", 2),
        (f"{ENTITLEMENTS}/status eq 'offline'", 2),
        (ENABLED_AND_ONLINE, 1),
        ("authorizationSystemId eq '956987887735'", 1),
    ],
)
def test_systems_are_filtered_as_published(found, condition, systems):
    assert len(found("", condition)) == systems


@pytest.mark.parametrize(("cloud", "systems"), [("aws", 3), ("azure", 2), ("gcp", 2)])
def test_systems_are_cast_to_one_cloud(found, cloud, systems):
    assert len(found(f"/microsoft.graph.{cloud}AuthorizationSystem")) == systems


@pytest.mark.parametrize(("cloud", "name"), COLLECTIONS)
def test_everything_is_found_by_id_and_by_external_id(graph, cloud, name):
    url = f"{graph.discovery}{ROOTS[cloud]}/{name}"
    listed = graph.session.get(url).json()["value"]
    assert listed
    for one in listed:
        external = quote(one["externalId"].replace("'", "''"), safe="")
        by_id = graph.session.get(f"{url}/{quote(one['id'], safe='')}").json()
        by_key = graph.session.get(f"{url}(externalId='{external}')").json()
        assert by_id.items() >= one.items()
        assert by_key.items() >= one.items()


def test_a_key_may_hold_slashes_as_they_are(graph):
    url = f"{graph.discovery}{ROOTS['aws']}/associatedIdentities/roles"

    answer = graph.session.get(f"{url}(externalId='arn:aws:iam::956987887735:role/saml-user')")

    assert answer.json()["displayName"] == "saml-user"


@pytest.mark.parametrize("cloud", ROOTS)
def test_services_are_known_by_their_own_name(graph, cloud):
    url = f"{graph.discovery}{ROOTS[cloud]}/services"
    for service in graph.session.get(url).json()["value"]:
        assert graph.session.get(f"{url}/{service['id']}").json()["id"] == service["id"]


def test_users_of_aws_name_the_roles_that_they_may_assume(graph, found):
    users = f"{ROOTS['aws']}/associatedIdentities/users"
    user = graph.session.get(f"{graph.discovery}{users}(externalId='rsn:alex@contoso.com')").json()

    roles = found(f"{users}/{user['id']}/assumableRoles")

    assert "arn:aws:iam::956987887735:role/saml-user" in roles


SCOPE = "/subscriptions/87eefd90-95a3-480a-ba42-56ff299a05ee"


@pytest.mark.parametrize(
    ("path", "condition", "answer"),
    [
        (f"{ROOTS['aws']}/actions", "service/id eq 'ec2'", 3),
        (f"{ROOTS['aws']}/actions", "service/id eq 'ec2' and severity eq 'high' and actionType eq 'delete'", 1),
        (f"{ROOTS['aws']}/policies", "displayName eq 'AdministratorAccess'", 1),
        (f"{ROOTS['aws']}/policies", "contains(displayName, 'Buckets')", 1),
        (f"{ROOTS['aws']}/policies", "awsPolicyType eq 'custom'", 2),
        (f"{ROOTS['aws']}/policies", "type eq 'custom'", 400),  # as published; there is no such property
        (f"{ROOTS['azure']}/roleDefinitions", f"assignableScopes/any(p:p eq '/' or p eq '{SCOPE}')", 4),
        (f"{ROOTS['azure']}/roleDefinitions", f"assignableScopes/any(p:p eq '{SCOPE}')", 1),
        (f"{ROOTS['azure']}/roleDefinitions", f"assignableScopes/any(p:startswith(p, '{SCOPE[:20]}'))", 1),
        (f"{ROOTS['azure']}/roleDefinitions", f"assignableScopes/any(p:p eq '/' or '{SCOPE}')", 400),  # as published
        (f"{ROOTS['gcp']}/actions", "service/id eq 'compute'", 3),
        (f"{ROOTS['gcp']}/roles", "scopes/any(s:s/service/id eq 'compute')", 1),
        (f"/{AZURE}/graph.azureAuthorizationSystem/actions", "service/id eq 'Microsoft.Storage'", 2),
        (f"{ROOTS['azure']}/policies", "", 404),  # as published; Azure has none
        (f"/{AWS}/microsoft.graph.gcpAuthorizationSystem/roles", "", 404),
        (f"{ROOTS['aws']}/nothing", "", 404),
        ("/nothing", "", 404),
    ],
)
def test_below_a_system_filters_work_as_published_or_are_refused(found, path, condition, answer):
    result = found(path, condition)

    assert (result if isinstance(result, int) else len(result)) == answer


def test_discovery_is_paged_and_ordered(graph, control):
    control.post("settings", pageSize=4)
    url = f"{graph.discovery}{ROOTS['aws']}/actions"
    seen = []
    answer = graph.session.get(url, params={"$orderby": "externalId desc", "$skip": "1"}).json()
    while True:
        seen += [one["externalId"] for one in answer["value"]]
        if "@odata.nextLink" not in answer:
            break
        answer = graph.session.get(answer["@odata.nextLink"]).json()

    assert len(seen) == 12
    assert seen == sorted(seen, reverse=True)
