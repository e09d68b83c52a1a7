"""The only reader of the environment. What it holds is never printed, logged or put into a ledger."""

from __future__ import annotations

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Secrets(BaseSettings):
    """Credentials, from `PMGITOPS_GRAPH_TOKEN`, `PMGITOPS_SERVICENOW_USER` and so on."""

    model_config = SettingsConfigDict(env_prefix="PMGITOPS_", frozen=True, use_attribute_docstrings=True)

    graph_token: SecretStr | None = None
    """A ready bearer token for Microsoft Graph; without it azure-identity's default chain."""
    servicenow_user: str | None = None
    servicenow_password: SecretStr | None = None
    servicenow_client_id: str | None = None
    servicenow_client_secret: SecretStr | None = None
    servicenow_api_key: SecretStr | None = None
