"""The environment: what is read, what is trimmed, and that nothing of it is ever shown."""

from __future__ import annotations

import pytest

from pmgitops.errors import UsageError
from pmgitops.secrets import GitHub, Secrets


@pytest.fixture(autouse=True)
def _empty(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Secrets.model_fields:
        monkeypatch.delenv(f"PMGITOPS_{name.upper()}", raising=False)


def test_nothing_is_needed() -> None:
    assert all(value is None for value in Secrets().model_dump().values())


@pytest.mark.parametrize("name", Secrets.model_fields)
@pytest.mark.parametrize("empty", ["", "\n", "  "])
def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch, name: str, empty: str) -> None:
    monkeypatch.setenv(f"PMGITOPS_{name.upper()}", empty)
    assert getattr(Secrets(), name) is None


@pytest.mark.parametrize("name", Secrets.model_fields)
def test_each_is_read_without_the_line_break_of_pasting(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"PMGITOPS_{name.upper()}", " sword fish\r\n")
    value = getattr(Secrets(), name)
    assert (value if isinstance(value, str) else value.get_secret_value()) == "sword fish"


NAMES = {f"servicenow_{name}" for name in ("user", "client_id", "jwt_key_id", "certificate", "certificate_key", "ca")}
"""What is no secret: names, and paths of files."""


@pytest.mark.parametrize("name", [name for name in Secrets.model_fields if name not in NAMES])
def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"PMGITOPS_{name.upper()}", "swordfish")
    secrets = Secrets()
    assert "swordfish" not in f"{secrets!r} {secrets} {secrets.model_dump()} {secrets.model_dump_json()}"


@pytest.mark.parametrize("name", Secrets.model_fields)
def test_what_cannot_be_one_is_refused_without_repeating_it(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"PMGITOPS_{name.upper()}", "sword\x07fish" if name == "servicenow_jwt_key" else "sword\nfish")
    with pytest.raises(UsageError) as refused:
        Secrets()
    assert f"PMGITOPS_{name.upper()}" in str(refused.value)
    assert "sword" not in f"{refused.value} {refused.value.hint} {refused.value!r}"


def test_they_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Secrets().servicenow_user = "other"  # type: ignore[misc]


def test_githubs_own_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", " swordfish\n")
    monkeypatch.setenv("GITHUB_API_URL", "")
    given = GitHub()
    assert given.token is not None
    assert (given.token.get_secret_value(), given.api_url) == ("swordfish", None)
    assert "swordfish" not in f"{given!r} {given} {given.model_dump()}"
    monkeypatch.setenv("GITHUB_TOKEN", "sword\nfish")
    with pytest.raises(UsageError, match="GITHUB_TOKEN has characters"):
        GitHub()
