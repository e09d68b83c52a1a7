"""The snapshot, read: what is there, what is not, and what it cannot tell."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmgitops import wiring
from pmgitops.catalog.snapshot import INDEX, Catalog, system_path
from pmgitops.errors import CatalogError
from pmgitops.source import Repository
from tests.catalog.conftest import NOW
from tests.world import git

AWS = "956987887735"
AZURE = "87eefd90-95a3-480a-ba42-56ff299a05ee"
GCP = "carbide-bonsai-205017"
Opened = Callable[[], Catalog]


@pytest.mark.usefixtures("snapshot")
def test_what_exists_is_found(opened: Opened) -> None:
    catalog = opened()
    assert catalog.present
    assert catalog.findings() == []
    assert catalog.age(NOW + timedelta(days=2)) == timedelta(days=2)
    aws = catalog.system("aws", AWS)
    assert aws
    assert (aws.name, aws.online, aws.modifiable, aws.key) == ("development", False, False, "OTU2OTg3ODg3NzM1")
    role = aws.role(f"arn:aws:iam::{AWS}:role/saml-user")
    assert role
    assert (role.name, role.facts["trust"]) == ("saml-user", "sso")
    assert aws.role("arn:aws:iam::956987887735:role/smal-user") is None
    assert aws.nearest("role", "arn:aws:iam::956987887735:role/smal-user") == role.external_id
    assert aws.identity("alex@contoso.com") == aws.identity("RSN:Alex@contoso.com")
    assert aws.role("rsn:alex@contoso.com") is None
    assert [one.external_id for one in aws.called("identity", "SAML-user")] == [role.external_id]
    assert aws.by_id("identity", role.id) == role
    assert len(list(aws.each("role"))) == 3
    policy = aws.policy("arn:aws:iam::aws:policy/AdministratorAccess")
    assert policy
    assert "custom" not in policy.facts
    assert aws.resource("arn:aws:s3:::contoso-logs")
    azure, gcp = catalog.system("azure", AZURE), catalog.system("gcp", GCP)
    assert azure
    assert gcp
    assert azure.modifiable
    short = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
    assert azure.role(short) == azure.role(f"/providers/Microsoft.Authorization/roleDefinitions/{short}")
    assert gcp.role("roles/viewer")
    assert gcp.identity(f"trainer@{GCP}.iam.gserviceaccount.com")
    assert catalog.system("gcp", "nothing-there") is None
    assert catalog.nearest_system("aws", "956987887753") == AWS
    assert [one.id for one in catalog.systems("azure")] == ["5757f970-a701-4a2d-8cdb-97c858216084", AZURE]
    assert [one.id for one in catalog.systems_called("Development")] == [AWS]


@pytest.mark.usefixtures("snapshot")
def test_actions_are_those_of_the_cloud(opened: Opened) -> None:
    catalog = opened()
    action = catalog.action("aws", "S3:DELETEBUCKET")
    assert action
    assert action.facts == {"does": "delete", "resources": ["bucket"], "severity": "high"}
    assert catalog.action_by_id("aws", action.id) == action
    assert catalog.action("aws", "s3:Nothing") is None
    assert catalog.actions_matching("azure", "microsoft.storage/*/DELETE") == (
        "microsoft.storage/storageaccounts/delete",
    )
    assert "s3:putbucketpolicy" in catalog.expand("aws", ["S3:Put*"]).names  # AWS has it, the system does not list it
    assert catalog.severe("azure", catalog.expand("azure", ["Microsoft.Storage/*"]).names) == (
        "microsoft.storage/storageaccounts/delete",
    )
    assert catalog.nearest("action", "s3:DeletBucket", cloud="aws") == "s3:DeleteBucket"
    assert catalog.nearest("action", "compute.instances.strat", cloud="gcp") == "compute.instances.start"
    assert catalog.nearest("role", "roles/viewr", cloud="gcp", system=GCP) == "roles/viewer"
    assert catalog.nearest("role", "roles/viewr", cloud="gcp", system="elsewhere") is None


def test_nothing_is_read_that_is_not_asked_for(snapshot: Path) -> None:
    asked = []

    def read(path: str) -> bytes:
        asked.append(path)
        return (snapshot / path).read_bytes()

    catalog = Catalog(read)
    assert asked == []
    system = catalog.system("aws", AWS)
    assert asked == [INDEX]
    for _ in range(3):
        assert system
        assert system.identity("alex@contoso.com")
        assert catalog.action("aws", "s3:GetObject")
    assert asked == [INDEX, system_path("aws", AWS), "catalog/aws.jsonl"]


def test_a_commit_has_its_own(snapshot: Path) -> None:
    git("init", "-q", "-b", "main", at=snapshot)
    git("add", "--all", at=snapshot)
    git("commit", "-q", "-m", "snapshot", at=snapshot)
    (snapshot / INDEX).unlink()
    repository = Repository(snapshot)
    catalog = wiring.catalog_of_commit(repository, repository.commit("HEAD"))
    assert catalog.action("aws", "s3:GetObject")
    assert not wiring.catalog_of_folder(snapshot).present
    git("rm", "-rq", "--cached", "catalog", at=snapshot)
    git("commit", "-q", "--allow-empty", "-m", "none", at=snapshot)
    assert not wiring.catalog_of_commit(repository, repository.commit("HEAD")).present


# What it cannot tell


def told(catalog: Catalog) -> CatalogError:
    with pytest.raises(CatalogError) as error:
        catalog.system("aws", AWS)
    return error.value


@pytest.mark.usefixtures("root")
def test_a_missing_one_is_told(opened: Opened) -> None:
    catalog = opened()
    assert not catalog.present
    assert catalog.findings() == []
    error = told(catalog)
    assert (error.rule, error.path) == ("catalog-missing", INDEX)
    assert "pmgitops catalog pull" in error.hint
    with pytest.raises(CatalogError):
        catalog.pulled  # noqa: B018


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda data: data[: len(data) // 2], "catalog-cut"),
        (lambda data: data[:-1], "catalog-cut"),
        (lambda _: b"", "catalog-broken"),
        (lambda _: b"\xff\n", "catalog-broken"),
        (lambda _: b"[]\n", "catalog-broken"),
        (lambda _: b"{}\n", "catalog-broken"),
        (lambda data: data.replace(b"development", b"production!"), "catalog-edited"),
        (lambda data: data + b"\n", "catalog-edited"),
        (lambda data: data.replace(b'"format":1', b'"format":2'), "catalog-format"),
        (lambda data: data.replace(b'"format":1', b'"format":"new"'), "catalog-format"),
        (lambda data: data.replace(b'"pulled":"2026', b'"pulled":"soon'), "catalog-edited"),
        (lambda data: data.replace(b'"size":', b'"size":-'), "catalog-edited"),
    ],
)
def test_a_broken_index_is_told(snapshot: Path, opened: Opened, change, rule: str) -> None:
    file = snapshot / INDEX
    file.write_bytes(change(file.read_bytes()))
    catalog = opened()
    assert catalog.present
    assert told(catalog).rule == rule
    assert told(catalog).hint
    (finding,) = catalog.findings()
    assert (finding.path, finding.rule, finding.severity) == (INDEX, rule, "error")


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda data: data[: len(data) // 2], "catalog-cut"),
        (lambda _: None, "catalog-cut"),
        (lambda data: data.replace(b"saml-user", b"saml-usar"), "catalog-edited"),
        (lambda data: data + b"x", "catalog-edited"),
    ],
)
def test_a_broken_file_is_told_by_whoever_needs_it(snapshot: Path, opened: Opened, change, rule: str) -> None:
    file = snapshot / system_path("aws", AWS)
    data = change(file.read_bytes())
    file.unlink() if data is None else file.write_bytes(data)
    catalog = opened()
    system = catalog.system("aws", AWS)
    assert system
    for _ in range(2):
        with pytest.raises(CatalogError) as error:
            system.role("x")
        assert (error.value.rule, error.value.path) == (rule, system_path("aws", AWS))
    assert catalog.action("aws", "s3:GetObject")
    assert [finding.rule for finding in catalog.findings()] == [rule]


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_system_of_any_name_has_a_plain_file_below_the_folder(name: str) -> None:
    path = system_path("gcp", name)
    folder, cloud, file = path.split("/")
    assert (folder, cloud) == ("catalog", "gcp")
    assert not file.startswith(".")
    assert file.isascii()
    assert len(file) <= 206


def test_no_two_systems_share_a_file() -> None:
    names = ["a", ".", "..", "%2E", "a/b", "a%2Fb", "é", "x" * 300, "x" * 301]
    assert len({system_path("gcp", name) for name in names}) == len(names)
