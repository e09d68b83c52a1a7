"""docs/catalog.md: each row's command does what the row says, as the published description of the API has it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jsonschema
import pytest
import requests
import yaml

from pmgitops.catalog.discovery import Graph
from pmgitops.catalog.operations import OPERATIONS
from pmgitops.sandbox import Sandbox
from tests.catalog.conftest import transport
from tests.world import CONTRACT, ROOT, needs_contract, run

PAGE = (ROOT / "docs" / "catalog.md").read_text("utf-8")
ROWS = re.findall(r"^\| [^|]+ \| `pmgitops catalog get ([^`]+)` \| `([^`]+)` \|$", PAGE, re.MULTILINE)
SHORT = {
    "ENTITLEMENTS": "dataCollectionInfo/entitlements/microsoft.graph.entitlementsDataCollection",
    "SYSTEMS": "/external/authorizationSystems",
}
SLICES = ("graph-beta-permissions-management", "graph-beta-governance-role-assignment-requests")
ABSENT = {"request-change"}
"""The sandbox has no request at first, so there is no event to ask for."""


def written_out(name: str, request: str) -> str:
    cloud = name.split("-", maxsplit=1)[0]
    for word, text in SHORT.items():
        request = request.replace(word, text)
    return request.replace("SYSTEM", f"{SHORT['SYSTEMS']}/{{system}}/microsoft.graph.{cloud}AuthorizationSystem")


def test_every_operation_is_documented() -> None:
    documented = {command.split()[0] for command, _ in ROWS}
    assert documented == set(OPERATIONS)


@pytest.mark.parametrize(("command", "request_"), ROWS, ids=[command for command, _ in ROWS])
def test_a_row_says_what_is_asked(command: str, request_: str) -> None:
    name = command.split(maxsplit=1)[0]
    asked = OPERATIONS[name]
    condition = asked.filter.replace("{each}", f"{asked.repeated} or {asked.repeated}")
    assert written_out(name, request_) == asked.path + (f"?$filter={condition}" if condition else "")


# Against the sandbox and the published description


@pytest.fixture(scope="module")
def described() -> Callable[[str], dict[str, Any]]:
    """The description's GET of an address, with the schemas that its answer needs."""
    documents = [load(CONTRACT / f"{name}.openapi.yaml") for name in SLICES if CONTRACT.exists()]

    def find(address: str) -> dict[str, Any]:
        path = urlsplit(address).path
        for document in documents:
            for template, item in sorted(document["paths"].items(), key=lambda one: one[0].count("{")):
                parts = re.split(r"\{[^}]+\}", template)
                pattern = "[^/]+".join(map(re.escape, parts))
                if "get" in item and re.fullmatch(pattern, path) and ("(" in template) == ("(" in path):
                    return {**item["get"], "components": document["components"]}
        raise AssertionError(f"nothing is described at {path}")

    return find


def load(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.load(path.read_text("utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return found


@pytest.fixture
def place(still: Sandbox, tmp_path: Path) -> Path:
    config = f"apiVersion: pmgitops/v1\ntargets:\n  permissions-management: {{endpoint: {still.graph_url}}}\n"
    (tmp_path / "pmgitops.yaml").write_text(config, "utf-8")
    return tmp_path


@pytest.mark.parametrize(("command", "request_"), ROWS, ids=[command for command, _ in ROWS])
def test_a_command_prints_what_the_service_answers(command: str, request_: str, still: Sandbox, place: Path) -> None:
    name, *arguments = shlex.split(command)
    ran = run("-C", str(place), "catalog", "get", name, *arguments, "--format", "json")
    if name in ABSENT:
        assert ran.code == 6
        assert "answered 404 ResourceNotFound" in ran.err
        return
    assert ran.code == 0, ran.err
    rows = ran.json if OPERATIONS[name].many else [ran.json]
    assert rows or name.startswith("request-changes")
    with transport() as http:
        graph = Graph(http.request, still.graph_url)
        asked = OPERATIONS[name]
        assert rows == (list(graph.many(asked, arguments)) if asked.many else [graph.one(asked, arguments)])
    table = run("-C", str(place), "catalog", "get", name, *arguments)
    assert (table.code, table.err != "") == (0, name.startswith("pim-"))
    assert len(table.out.splitlines()) == (len(rows) + 1 if rows else 1)
    assert request_


@needs_contract
@pytest.mark.parametrize("command", [command for command, _ in ROWS])
def test_request_and_answer_are_as_described(
    command: str, still: Sandbox, described: Callable[[str], dict[str, Any]]
) -> None:
    name, *arguments = shlex.split(command)
    asked = OPERATIONS[name]
    address = asked.address(arguments)
    operation = described(address)
    known = {parameter["$ref"].rsplit("/", 1)[1] for parameter in operation.get("parameters", ())}
    query = dict(parse_qsl(urlsplit(address).query, strict_parsing=bool(urlsplit(address).query)))
    assert {option.removeprefix("$") for option in query} <= known
    answers = []

    def note(method: str, url: str) -> requests.Response:
        answer = http.request(method, url)
        answers.append(answer.json())
        return answer

    if name in ABSENT:
        return
    with transport() as http:
        graph = Graph(note, still.graph_url)
        _ = list(graph.many(asked, arguments)) if asked.many else graph.one(asked, arguments)
    content = operation["responses"]["200"]["content"]["application/json"]["schema"]
    schema = jsonschema.Draft202012Validator({**content, "components": operation["components"]})
    assert answers
    for answer in answers:
        schema.validate(answer)


# Against the quick references themselves

CORRECTED = {
    "type eq 'custom'": "awsPolicyType eq 'custom'",  # FACTS section 7, 22
    "azureAuthorizationSystem/policies(": "azureAuthorizationSystem/roleDefinitions(",  # 23
    "={externalId})": "='{externalId}')",  # 24
    "/graph.": "/microsoft.graph.",  # 26
    "any(p:p eq '' or '' or '')": "any(p:p eq '' or p eq '')",  # 25
}


def shape(request: str) -> str:
    """A GET without its values."""
    request = re.sub(r"\{\w+\}", "{}", request.replace("+", " "))
    for wrong, right in CORRECTED.items():
        request = request.replace(wrong.replace("{externalId}", "{}"), right.replace("{externalId}", "{}"))
    path, mark, condition = request.partition("?")
    condition = re.sub(r"'[^']*'", "''", condition)
    for wrong, right in CORRECTED.items():
        condition = condition.replace(wrong, right)
    return path + mark + condition


@needs_contract
def test_every_row_of_the_quick_references_is_a_command() -> None:
    texts = [path.read_text("utf-8") for path in sorted((CONTRACT / "seeds").glob("*.txt"))]
    gets = {
        line.removeprefix("GET ").removeprefix("https://graph.microsoft.com/beta").strip()
        for text in texts
        for line in re.findall(r"^GET \S.*?(?=See |$)", text, re.MULTILINE)
    }
    gets = {re.sub(r"(List governance\w*)$", "", get) for get in gets}
    documented = {shape(written_out(command.split()[0], request)) for command, request in ROWS}
    assert len(gets) > 80
    missing = {get for get in gets if shape(get) not in documented}
    assert missing == set()


@needs_contract
def test_every_described_discovery_is_a_command() -> None:
    document = load(CONTRACT / f"{SLICES[0]}.openapi.yaml")
    paths = {re.sub(r"\{[^}]+\}", "{}", path) for path in document["paths"] if path.startswith("/external")}
    documented = {re.sub(r"\{[^}]+\}", "{}", asked.path) for asked in OPERATIONS.values()}
    assert paths <= documented
