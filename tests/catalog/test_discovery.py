"""Graph's words as ours: whatever JSON it sends becomes an entry that can be written, or a typed error."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmgitops.catalog import discovery
from pmgitops.catalog.codec import Table, encoded
from pmgitops.catalog.interface import Entry
from pmgitops.errors import PermanentRemoteError

MEMBERS = [
    "@odata.type",
    "id",
    "externalId",
    "displayName",
    "awsPolicyType",
    "roleType",
    "azureRoleDefinitionType",
    "gcpRoleType",
    "trustEntityType",
    "scopes",
    "assignableScopes",
    "source",
    "identityProviderType",
    "service",
    "resourceTypes",
    "resourceType",
    "actionType",
    "severity",
    "authorizationSystemId",
    "authorizationSystemName",
    "authorizationSystemType",
    "dataCollectionInfo",
    "entitlements",
    "status",
    "permissionsModificationCapability",
]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from(["", "x", "custom", "AWS", "\ud800", "arn:aws:x", "s3:Get"]),
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=6),
    max_leaves=12,
)
ROWS = st.dictionaries(st.sampled_from(MEMBERS), JSON, max_size=10)


@given(ROWS)
def test_any_row_is_an_entry_or_an_error(row: dict[str, Any]) -> None:
    entries = []
    for read in (
        discovery._action,
        *(lambda row, kind=kind: discovery._entry(kind, row) for kind in ("identity", "policy", "resource", "role")),
    ):
        with contextlib.suppress(PermanentRemoteError):
            entries.append(read(row))
    with contextlib.suppress(PermanentRemoteError):
        system = discovery._system(row)
        entries.append(Entry("system", f"{system.cloud}/{system.id}", {"name": system.name, "key": system.key}))
    table = Table(encoded(entries))
    for entry in entries:
        assert table.get(entry.kind, entry.external_id) is not None


@pytest.mark.parametrize(
    ("kind", "row", "entry"),
    [
        (
            "policy",
            {"id": "k", "externalId": "YXJuOmF3czppYW06OmF3czpwb2xpY3kvWA==", "displayName": "X"},
            Entry("policy", "arn:aws:iam::aws:policy/X", {"id": "k", "name": "X"}),
        ),
        ("policy", {"id": "k", "externalId": "bm90IGFuIGFybg=="}, Entry("policy", "bm90IGFuIGFybg==", {"id": "k"})),
        (
            "identity",
            {"id": "eA==", "externalId": "x", "@odata.type": "#microsoft.graph.azureServicePrincipal"},
            Entry("identity", "x", {"type": "application"}),
        ),
        (
            "identity",
            {"id": "k", "externalId": "arn:aws:iam::1:role/x"},
            Entry("identity", "arn:aws:iam::1:role/x", {"id": "k", "type": "role"}),
        ),
        (
            "identity",
            {"id": "k", "externalId": "x", "@odata.type": "microsoft.graph.awsLambda"},
            Entry("identity", "x", {"id": "k", "type": "awsLambda"}),
        ),
        (
            "role",
            {"id": "k", "externalId": "x", "azureRoleDefinitionType": "custom", "assignableScopes": ["/b", "/a"]},
            Entry("role", "x", {"id": "k", "custom": True, "scopes": ["/a", "/b"]}),
        ),
    ],
)
def test_what_requests_would_call_it(kind: Any, row: dict[str, Any], entry: Entry) -> None:
    assert discovery._entry(kind, row) == entry


def test_an_action_of_a_service_by_another_name_says_so() -> None:
    row = {"id": "k", "externalId": "monitoring.x.get", "service": {"id": "stackdriver"}, "severity": "high"}
    assert discovery._action(row).facts == {"id": "k", "service": "stackdriver", "severity": "high"}
