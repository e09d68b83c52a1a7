"""Addresses: the values of others stay values, wherever they stand."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmgitops.catalog.operations import OPERATIONS, operation, system_key
from pmgitops.errors import UsageError

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda text: text not in {".", ".."})
AWS = "OTU2OTg3ODg3NzM1"
BELOW = f"/external/authorizationSystems/{AWS}/microsoft.graph.awsAuthorizationSystem"


@given(TEXT)
def test_an_id_is_one_segment_of_the_path(text: str) -> None:
    path = OPERATIONS["aws-action"].address([AWS, text])
    assert re.fullmatch(r"[!-~]+", path)
    assert not re.search(r"[?#]", path)
    *before, segment = path.split("/")
    assert "/".join(before) == f"{BELOW}/actions"
    assert unquote(segment) == text


@given(TEXT)
def test_an_external_id_is_one_literal(text: str) -> None:
    path = OPERATIONS["aws-role-named"].address([AWS, text])
    assert urlsplit(path).path == path
    assert path.count("/") == BELOW.count("/") + 2
    literal = re.fullmatch(r"roles\(externalId='(.*)'\)", unquote(path.rsplit("/", 1)[1]), re.DOTALL)
    assert literal is not None
    assert unquoted(literal[1]) == text


@given(TEXT)
def test_a_text_in_a_filter_is_one_literal(text: str) -> None:
    path, _, query = OPERATIONS["aws-policies-containing"].address([AWS, text]).partition("?")
    assert path == f"{BELOW}/policies"
    assert re.fullmatch(r"\$filter=[!-~]+", query)
    assert not re.search(r"[&#+]", query)
    literal = re.fullmatch(r"contains\(displayName, '(.*)'\)", unquote(query.removeprefix("$filter=")), re.DOTALL)
    assert literal is not None
    assert unquoted(literal[1]) == text


@given(st.lists(TEXT, min_size=1, max_size=4))
def test_every_scope_is_compared_by_itself(scopes: list[str]) -> None:
    _, _, query = OPERATIONS["azure-role-definitions-for"].address([AWS, *scopes]).partition("?$filter=")
    clauses = " or ".join("p eq '{}'".format(scope.replace("'", "''")) for scope in scopes)
    assert unquote(query) == f"assignableScopes/any(p:{clauses})"


def unquoted(literal: str) -> str:
    assert "'" not in literal.replace("''", "")
    return literal.replace("''", "'")


@pytest.mark.parametrize("text", ["", ".", "..", "\ud800"])
def test_what_no_address_can_hold_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no id, name or text"):
        OPERATIONS["aws-action"].address([AWS, text])


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("systems", ["x"], "systems takes no argument"),
        ("aws-actions", [], "aws-actions takes SYSTEM"),
        ("aws-actions", ["a", "b"], "aws-actions takes SYSTEM"),
        ("azure-role-definitions-for", ["a"], "takes SYSTEM SCOPE..."),
        ("systems-of", ["oracle"], "'oracle' is none of aws, azure, gcp"),
        ("request-changes-since", ["yesterday"], "'yesterday' is no instant such as"),
        ("request-changes-since", ["2026-11-22T09:00:00Z or 1 eq 1"], "is no instant"),
    ],
)
def test_wrong_arguments_are_told(name: str, arguments: list[str], told: str) -> None:
    with pytest.raises(UsageError, match=re.escape(told)):
        OPERATIONS[name].address(arguments)


def test_an_unknown_operation_is_told_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="there is no operation 'aws-polices'") as told:
        operation("aws-polices")
    assert told.value.hint == "did you mean aws-policies?"


@pytest.mark.parametrize(
    ("system", "key"),
    [
        ("956987887735", AWS),
        ("87eefd90-95a3-480a-ba42-56ff299a05ee", "ODdlZWZkOTAtOTVhMy00ODBhLWJhNDItNTZmZjI5OWEwNWVl"),
        ("carbide-bonsai-205017", "Y2FyYmlkZS1ib25zYWktMjA1MDE3"),
        ("example.com:project-1", "ZXhhbXBsZS5jb206cHJvamVjdC0x"),
        (AWS, AWS),
        ("Y2FyYmlkZS1ib25zYWktMjA1MDE3", "Y2FyYmlkZS1ib25zYWktMjA1MDE3"),
        ("o'x/#", "o'x/#"),
    ],
)
def test_a_system_is_known_by_its_own_id_or_by_the_services(system: str, key: str) -> None:
    assert system_key(system) == key


@given(st.from_regex(r"\d{12}|[a-z][a-z0-9-]{4,28}[a-z0-9]", fullmatch=True))
def test_the_key_of_a_key_is_itself(system: str) -> None:
    assert system_key(system_key(system)) == system_key(system)
