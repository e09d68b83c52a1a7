"""The sandbox's answers against the published description of the API, where that lies beside the checkout."""

from __future__ import annotations

import json
import re
from copy import deepcopy

import jsonschema
import pytest
import yaml

BASES = ("", "/{authorizationSystem-id}")


@pytest.fixture
def described(contract):
    """Check an answer against the schema that the description has for a path, method and status."""
    text = (contract / "graph-beta-permissions-management.openapi.yaml").read_text()
    document = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))

    def schema_of(path, method="get", status="200"):
        content = document["paths"][path][method]["responses"][status]["content"]["application/json"]
        return {**content["schema"], "components": document["components"]}

    def check(answer, path, method="get"):
        schema = schema_of(path, method, str(answer.status_code))
        jsonschema.Draft202012Validator(schema).validate(answer.json())
        return answer.json()

    check.paths = list(document["paths"])
    check.component = lambda name: {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    return check


PM = "/identityGovernance/permissionsManagement"


def test_requests_and_their_changes_are_as_described(graph, control, published, described):
    for body in published.values():
        answer = graph.create(body)
        described(answer, f"{PM}/scheduledPermissionsRequests", "post")
        control.approve(answer.json()["id"])
    control.advance(7200)

    assert len(described(graph.get("scheduledPermissionsRequests"), f"{PM}/scheduledPermissionsRequests")["value"]) == 6
    mine = f"{PM}/scheduledPermissionsRequests/filterByCurrentUser(on='{{on}}')"
    described(graph.get("scheduledPermissionsRequests/filterByCurrentUser(on='createdBy')"), mine)
    changes = described(graph.get("permissionsRequestChanges"), f"{PM}/permissionsRequestChanges")["value"]
    one = graph.get(f"permissionsRequestChanges/{changes[-1]['id']}")
    described(one, f"{PM}/permissionsRequestChanges/{{permissionsRequestChange-id}}")


def test_refusals_are_as_described(graph, described, sandbox):
    schema = jsonschema.Draft202012Validator(described.component("odata.error"))
    graph.session.headers["client-request-id"] = "abc"
    for answer in (
        graph.create({}),
        graph.get("nothing"),
        graph.get("permissionsRequestChanges", filter="x"),
        graph.session.get(f"{sandbox.graph_url}/nothing", headers={"Authorization": ""}),
    ):
        assert not answer.ok
        schema.validate(answer.json())
        assert answer.json()["error"]["innerError"]["client-request-id"] == "abc"


def test_all_of_discovery_is_there_and_as_described(graph, described):
    """Every described path below authorizationSystems, for a real system and a real entry of each collection."""
    systems = {"aws": "956987887735", "azure": "87eefd90-95a3-480a-ba42-56ff299a05ee", "gcp": "carbide-bonsai-205017"}
    ids = {}
    for one in graph.session.get(graph.discovery).json()["value"]:
        ids[one["authorizationSystemId"]] = one["id"]
    paths = [path for path in described.paths if path.startswith("/external/")]
    assert len(paths) == 69
    for path in paths:
        cloud = re.search(r"graph\.(aws|azure|gcp)Auth", path)
        filled = path.replace("{authorizationSystem-id}", ids[systems[cloud[1] if cloud else "aws"]])
        collection = re.split(r"/\{item-id\}|\(", filled)[0].removeprefix("/external/authorizationSystems")
        if "{" in filled:
            entry = graph.session.get(graph.discovery + collection).json()["value"][-1]
            filled = filled.replace("{item-id}", entry["id"]).replace("{externalId}", entry.get("externalId", ""))
        answer = graph.session.get(graph.discovery + filled.removeprefix("/external/authorizationSystems"))
        assert answer.status_code == 200, path
        described(answer, path)


def _mutations(body):
    """The body with each of its members left out, made null, made a number; and with an unknown member everywhere."""
    for path in list(_paths(body)):
        for change in ("left out", None, 7, "unknown member"):
            mutated = deepcopy(body)
            inner = mutated
            for key in path[:-1]:
                inner = inner[key]
            if change == "left out":
                del inner[path[-1]]
            elif change != "unknown member":
                inner[path[-1]] = change
            elif isinstance(inner[path[-1]], dict) and path[-1] not in ("condition", "NumericLessThanEquals"):
                inner[path[-1]]["unknown"] = 1
            yield f"{path} {change}", mutated


def _paths(node, path=()):
    entries = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in entries:
        yield (*path, key)
        yield from _paths(value, (*path, key))


# Where the sandbox asks for more than the description can say: the rules between members.
STRICTER = re.compile(r"'statements', \d, '(actions|resources)'(, \d)?\) (left out|None|7)|'condition', .*")


@pytest.mark.parametrize(
    "kind", ["aws-policy", "aws-actions", "azure-actions", "azure-roles", "gcp-actions", "gcp-roles"]
)
def test_bodies_are_judged_as_described(graph, published, described, kind):
    schema = jsonschema.Draft202012Validator(described.component("microsoft.graph.scheduledPermissionsRequest.create"))
    disagreements = []
    for name, body in _mutations(published[kind]):
        wanted = 201 if schema.is_valid(json.loads(json.dumps(body))) else 400
        answer = graph.create(body)
        if answer.status_code != wanted and not STRICTER.search(name):
            disagreements.append((name, answer.status_code, wanted))

    assert not disagreements
