"""The large inventory: of realistic size, and as described wherever it differs from the small one."""

from __future__ import annotations

import jsonschema
import pytest
import yaml

from pmgitops.sandbox import Sandbox
from tests.sandbox.conftest import Control, Graph

SLICE = "graph-beta-permissions-management.openapi.yaml"


@pytest.fixture(scope="module")
def large():
    with Sandbox(inventory="large") as running:
        Control(running).post("settings", pageSize=999)
        yield running


@pytest.fixture
def everything(large):
    caller = Graph(large, "alex@contoso.com")

    def read(path="", **query):
        rows, url = [], caller.discovery + path
        while url:
            answer = caller.session.get(url, params={f"${key}": value for key, value in query.items()})
            assert answer.ok, answer.text
            rows += answer.json()["value"]
            url, query = answer.json().get("@odata.nextLink"), {}
        return rows

    with caller.session:
        yield read


def below(system, cloud, place):
    return f"/{system['id']}/microsoft.graph.{cloud}AuthorizationSystem/{place}"


def test_it_is_of_realistic_size(everything):
    systems = everything()
    assert len(systems) == 500
    clouds = [system["authorizationSystemType"] for system in systems]
    assert {cloud: clouds.count(cloud) for cloud in set(clouds)} == {"AWS": 200, "AZURE": 200, "GCP": 100}
    last = {system["authorizationSystemType"].lower(): system for system in systems}
    assert len(everything(below(last["aws"], "aws", "actions"))) > 20_000
    for cloud, system in last.items():
        assert len(everything(below(system, cloud, "associatedIdentities/all"))) == 40
    deletes = everything(below(last["aws"], "aws", "actions"), filter="service/id eq 's3' and actionType eq 'delete'")
    assert {"s3:DeleteBucket", "s3:DeleteObject"} <= {row["externalId"] for row in deletes}


def test_every_page_is_as_described(everything, large, contract):
    document = yaml.load((contract / SLICE).read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    last = {system["authorizationSystemType"].lower(): system for system in everything()}
    places = {
        "aws": ("associatedIdentities/all", "policies", "resources", "actions"),
        "azure": ("associatedIdentities/all", "roleDefinitions", "resources", "actions"),
        "gcp": ("associatedIdentities/all", "roles", "resources", "actions"),
    }
    for cloud, collections in places.items():
        for place in collections:
            template = f"/external/authorizationSystems/{{authorizationSystem-id}}{below({'id': ''}, cloud, place)[1:]}"
            content = document["paths"][template]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
            schema = jsonschema.Draft202012Validator({**content, "components": document["components"]})
            with Graph(large, "alex@contoso.com").session as session:
                url = f"{large.graph_url}/external/authorizationSystems{below(last[cloud], cloud, place)}"
                schema.validate(session.get(url, params={"$top": "50"}).json())


def test_what_was_seeded_stays_what_it_is_after_a_reset(everything, large):
    Control(large).post("reset")
    assert len(everything()) == 500
