"""Requests held against the snapshot: what is not there, what cannot be told, what would be narrower."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pmgitops.catalog.interface import Entry, Onboarded, Part
from pmgitops.catalog.pull import pull
from pmgitops.catalog.snapshot import Catalog, shared_path, system_path
from pmgitops.catalog.stage import on_disk
from pmgitops.load import RequestFile, load
from pmgitops.model.finding import Finding
from pmgitops.policy import existence
from pmgitops.policy.examples import REQUESTS, laid_over
from pmgitops.policy.facts import catalog_facts, request_facts
from tests.catalog.conftest import NOW
from tests.world import ROOT, World

ACCOUNT = "956987887735"
ALL_KINDS = sorted(REQUESTS)
EXISTING: dict[str, dict[str, Any]] = {
    "aws-policies": {"policies": [f"arn:aws:iam::{ACCOUNT}:policy/AddUserToGroup"]},
    "aws-actions": {},
    "azure-roles": {"resourceId": "/subscriptions/87eefd90-95a3-480a-ba42-56ff299a05ee"},
    "azure-actions": {
        "resourceId": "/subscriptions/87eefd90-95a3-480a-ba42-56ff299a05ee",
        "actions": ["Microsoft.Compute/virtualMachines/start/action"],
    },
    "gcp-roles": {"roles": ["roles/viewer"]},
    "gcp-actions": {},
}


TYPO = (ROOT / "requests/examples/gcp-roles.yaml").read_text("utf-8").replace("aamAdmin", "aamAdmn")
assert "aamAdmn" in TYPO


@pytest.fixture
def catalog(opened: Callable[[], Catalog], snapshot: Path) -> Catalog:
    assert snapshot.exists()
    return opened()


def written(kind: str, **changes: Any) -> RequestFile:
    """A request as a file; what is laid over its canonical example exists in the small sandbox."""
    content = laid_over(laid_over(REQUESTS[kind], EXISTING[kind]), changes)
    file = load("requests/a.yaml", json.dumps({"apiVersion": "pmgitops/v1", **content}).encode())
    assert isinstance(file, RequestFile), file
    return file


def found(file: RequestFile, catalog: Catalog) -> list[Finding]:
    return existence.findings(file, existence.look_up(file.request, catalog), catalog, "error")


def said(file: RequestFile, catalog: Catalog) -> dict[str, str]:
    return {one.rule: one.message for one in found(file, catalog) if not one.rule.startswith("system-")}


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_what_exists_is_not_spoken_of(catalog: Catalog, kind: str) -> None:
    assert said(written(kind), catalog) == {}


UNKNOWN: list[tuple[str, dict[str, Any], str, str]] = [
    (
        "gcp-roles",
        {"authorizationSystemId": "carbide-bonsai-205071"},
        "unknown-system",
        "mean 'carbide-bonsai-205017'?",
    ),
    ("aws-policies", {"identity": {"externalId": "alex@contso.com"}}, "unknown-identity", "'rsn:alex@contoso.com'"),
    (
        "aws-policies",
        {"policies": [f"arn:aws:iam::{ACCOUNT}:policy/AddUserToGruop"]},
        "unknown-policy",
        f"did you mean 'arn:aws:iam::{ACCOUNT}:policy/AddUserToGroup'?",
    ),
    (
        "aws-policies",
        {"assignToRoleId": f"arn:aws:iam::{ACCOUNT}:role/samluser"},
        "unknown-role",
        f"did you mean 'arn:aws:iam::{ACCOUNT}:role/saml-user'?",
    ),
    ("azure-roles", {"roles": ["312a565d-c81f-4fd8-895a-4e21e48d571d"]}, "unknown-role", "312a565d-c81f-4fd8-895a"),
    ("gcp-roles", {"roles": ["roles/viewr"]}, "unknown-role", "did you mean 'roles/viewer'?"),
    (
        "azure-actions",
        {"actions": ["Microsoft.Authorization/roleAssignment/read"]},
        "unknown-action",
        "did you mean 'Microsoft.Authorization/roleAssignments/read'?",
    ),
]


@pytest.mark.parametrize(("kind", "changes", "rule", "advice"), UNKNOWN)
def test_what_does_not_exist_is_told_with_the_nearest(
    catalog: Catalog, kind: str, changes: dict[str, Any], rule: str, advice: str
) -> None:
    told = said(written(kind, **changes), catalog)
    assert set(told) == {rule}
    assert advice in told[rule]


def test_an_action_is_found_whatever_its_case_and_a_pattern_by_what_it_means(catalog: Catalog) -> None:
    def asks(*actions: str) -> dict[str, str]:
        statement = {"statementId": "a", "effect": "allow", "actions": list(actions), "resources": ["*"]}
        return said(written("aws-actions", statements=[statement]), catalog)

    assert asks("S3:DELETEBucket", "s3:Del*", "*") == {}
    assert "did you mean 's3:DeleteBucket'?" in asks("s3:DeleteBuckt")["unknown-action"]
    assert "'s3:Explode*'" in asks("s3:Explode*")["unknown-action"]


def test_a_finding_stands_at_its_name(catalog: Catalog) -> None:
    wrong = load("requests/a.yaml", TYPO.encode())
    assert isinstance(wrong, RequestFile)
    (finding,) = [one for one in found(wrong, catalog) if one.rule == "unknown-role"]
    line = TYPO.splitlines()[finding.line - 1]
    assert line[finding.column - 1 :].startswith("roles/dialogflow.aamAdmn")


def test_a_resource_that_is_not_listed_only_warns(catalog: Catalog) -> None:
    scope = "/subscriptions/87eefd90-95a3-480a-ba42-56ff299a05ee/resourceGroups/nowhere"
    (finding,) = [one for one in found(written("azure-roles", resourceId=scope), catalog) if "resource" in one.rule]
    assert (finding.rule, finding.severity) == ("unknown-resource", "warning")


def test_a_system_that_is_offline_or_read_only_warns(catalog: Catalog) -> None:
    rules = {(one.rule, one.severity) for one in found(written("gcp-actions"), catalog)}
    assert rules == {("system-offline", "warning"), ("system-read-only", "warning")}


def test_what_a_broken_file_would_know_is_undecided(catalog: Catalog, snapshot: Path) -> None:
    path = snapshot / system_path("aws", ACCOUNT)
    path.write_bytes(path.read_bytes()[:-40])
    told = found(written("aws-policies"), catalog)
    assert {(one.path, one.rule, one.severity) for one in told if one.rule.startswith("catalog")} == {
        (system_path("aws", ACCOUNT), "catalog-cut", "error")
    }
    assert catalog_facts(catalog, existence.look_up(written("aws-policies").request, catalog), NOW).undecided


def test_facts_of_the_catalog(catalog: Catalog) -> None:
    file = written("azure-roles", roles=["312a565d-c81f-4fd8-895a-4e21e48d571d"])
    facts = catalog_facts(catalog, existence.look_up(file.request, catalog), NOW)
    assert facts.present
    assert facts.age.total_seconds() == 0
    assert facts.system
    assert facts.unknown == ("312a565d-c81f-4fd8-895a-4e21e48d571d",)


# Meaning

AWS_SERVICES = ("s3", "ec2", "iam", "sns", "sqs", "kms", "rds", "sts")


def risk(kind: str, catalog: Catalog | None = None, **changes: Any) -> tuple[str, str]:
    level, reasons = request_facts("a", written(kind, **changes).request, NOW, catalog).risk
    return level, "; ".join(reasons)


def statement(*actions: str, effect: str = "allow", member: str = "actions") -> dict[str, Any]:
    name = f"s{abs(hash((actions, effect, member)))}"
    return {"statementId": name, "effect": effect, member: list(actions), "resources": ["*"]}


RISKS: list[tuple[str, dict[str, Any], str, str]] = [
    ("aws-actions", {"statements": [statement("ec2:Describe*")]}, "low", ""),
    ("aws-actions", {"statements": [statement("ec2:StartInstances")]}, "medium", "changes things"),
    ("aws-actions", {"statements": [statement("iam:PassRole", "lambda:CreateFunction")]}, "high", "iam:passrole"),
    ("aws-actions", {"statements": [statement("IAM:createaccess*")]}, "high", "iam:createaccesskey"),
    ("aws-actions", {"statements": [statement("s3:DoesNotExist")]}, "high", "is not known"),
    ("aws-actions", {"statements": [statement("s3:*"), statement("s3:*", effect="deny")]}, "low", ""),
    ("aws-actions", {"statements": [statement("ec2:Describe*", member="notActions")]}, "high", ""),
    ("aws-policies", {"policies": ["arn:aws:iam::aws:policy/AdministratorAccess"]}, "high", "makes more access"),
    ("aws-policies", {"policies": ["arn:aws:iam::aws:policy/ReadOnlyAccess"]}, "low", ""),
    ("aws-policies", {}, "medium", "may change"),
    ("azure-actions", {"actions": ["Microsoft.Compute/virtualMachines/read"]}, "low", ""),
    ("azure-actions", {"actions": ["Microsoft.Compute/virtualMachines/start/action"]}, "medium", ""),
    ("azure-actions", {"actions": ["microsoft.authorization/ROLEASSIGNMENTS/write"]}, "high", "hands out access"),
    ("azure-roles", {"roles": ["acdd72a7-3385-48ef-bd42-f606fba81ae7"]}, "low", ""),
    ("azure-roles", {"roles": ["8E3AF657-a8ff-443c-a75c-2fe8c4bcb635"]}, "high", ""),
    ("gcp-actions", {"actions": ["compute.instances.list"]}, "low", ""),
    ("gcp-actions", {"actions": ["compute.instances.delete"]}, "medium", ""),
    ("gcp-actions", {"actions": ["iam.serviceAccounts.actAs"]}, "high", ""),
    ("gcp-roles", {"roles": ["roles/viewer"]}, "low", ""),
    ("gcp-roles", {"roles": ["roles/owner"]}, "high", ""),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "changes", "level", "reason"), RISKS)
def test_risk(kind: str, changes: dict[str, Any], level: str, reason: str) -> None:
    found_level, reasons = risk(kind, **changes)
    assert found_level == level, reasons
    assert reason in reasons
    assert bool(reasons) is (level != "low")


def test_too_many_patterns_mean_everything(catalog: Catalog) -> None:
    many = [statement(*(f"{service}:{letter}*" for letter in "abcdefghijklmnopqrstuvwxyz")) for service in AWS_SERVICES]
    file = written("aws-actions", statements=many)
    assert request_facts("a", file.request, NOW, catalog).expanded_actions == ("*",)
    assert risk("aws-actions", catalog, statements=many)[0] == "high"
    assert "unknown-action" not in said(file, catalog)


def test_the_catalog_makes_an_action_graver(catalog: Catalog) -> None:
    severe = next(one for one in catalog._table(catalog.rows()["azure"]) if one.facts.get("severity") == "high")
    deletes = {"actions": [severe.external_id]}
    assert risk("azure-actions", catalog, **deletes)[0] == "high"
    assert "of high severity" in risk("azure-actions", catalog, **deletes)[1]


# The narrower role


class Listed:
    """A source that tells what roles have, as ARM and GCP do."""

    place = "a list"

    def systems(self) -> list[Onboarded]:
        return [Onboarded("gcp", "carbide-bonsai-205017", "ck", "key", "online", "enabled")]

    def shared(self, _: Onboarded) -> Iterator[Entry]:
        names = ("aiplatform.dataItems.create", "aiplatform.dataItems.get", "aiplatform.dataItems.delete")
        yield from (Entry("action", name) for name in names)

    def part(self, _: Onboarded, part: Part) -> Iterator[Entry]:
        if part == "identities":
            yield Entry("identity", "alex@contoso.com")
        if part == "roles":
            yield Entry("role", "roles/ai.everything", {"name": "Everything", "actions": ["aiplatform.*"]})
            yield Entry(
                "role",
                "roles/ai.writer",
                {"name": "Writer", "actions": ["aiplatform.dataItems.create", "aiplatform.dataItems.get"]},
            )
            careful = {"actions": ["aiplatform.dataItems.*"], "notActions": ["aiplatform.dataItems.create"]}
            yield Entry("role", "roles/ai.careful", {"name": "Careful", **careful})


def test_a_narrower_role_is_suggested(tmp_path: Path) -> None:
    assert pull(Listed(), tmp_path, lambda: NOW).whole
    catalog = Catalog(on_disk(tmp_path))
    told = said(written("gcp-actions", actions=["aiplatform.dataItems.create"]), catalog)
    assert told == {
        "narrower-role": "the role Writer (roles/ai.writer) has all of these actions; gcp-roles asks for it"
    }
    told = said(written("gcp-actions", actions=["aiplatform.dataItems.get", "aiplatform.dataItems.delete"]), catalog)
    assert "roles/ai.careful" in told["narrower-role"]
    assert shared_path("gcp") in {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.jsonl")}


# As people meet it


@pytest.fixture
def judged(world: World, snapshot: Path):
    """A world with the snapshot committed on main."""
    (snapshot / "catalog").rename(world.clone / "catalog")
    world.push("the catalog")
    return world


def test_check_names_the_nearest_role_at_its_line(judged: World) -> None:
    judged.write("requests/team/typo.yaml", TYPO)
    ran = judged.run("check", "--format", "json")
    (finding,) = [one for one in json.loads(ran.out)["findings"] if one["rule"] == "unknown-role"]
    assert ran.code == 1
    line = (judged.clone / finding["path"]).read_text().splitlines()[finding["line"] - 1]
    assert line[finding["column"] - 1 :].startswith("roles/dialogflow.aamAdmn")
    assert "did you mean 'roles/dialogflow.aamAdmin'?" in finding["message"]


@pytest.mark.parametrize(
    ("setting", "code", "severity"), [("error", 1, "error"), ("warning", 0, "warning"), ("off", 0, None)]
)
def test_how_grave_it_is_is_a_setting(judged: World, setting: str, code: int, severity: str | None) -> None:
    judged.configure(f"catalog: {{unknown: {setting}}}\n", tickets=False)
    judged.write("requests/team/typo.yaml", TYPO)
    ran = judged.run("check", "--format", "json")
    found = [one["severity"] for one in json.loads(ran.out)["findings"] if one["rule"] == "unknown-role"]
    assert (ran.code, found) == (code, [severity] if severity else [])


def test_an_index_that_is_gone_is_no_missing_catalog(judged: World) -> None:
    judged.configure(tickets=False)
    (judged.clone / "catalog/index.jsonl").unlink()
    judged.write("requests/team/typo.yaml", TYPO)
    ran = judged.run("check", "--format", "json")
    assert {(one["path"], one["rule"]) for one in json.loads(ran.out)["findings"] if one["severity"] == "error"} == {
        ("catalog/index.jsonl", "catalog-missing")
    }
    assert ran.code == 1
