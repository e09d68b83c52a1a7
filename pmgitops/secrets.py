"""The only reader of the environment. What it holds is never printed, logged or put into a ledger."""

from __future__ import annotations

from pydantic import SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from pmgitops.errors import UsageError

PREFIX = "PMGITOPS_"


class Secrets(BaseSettings):
    """Credentials, from `PMGITOPS_GRAPH_TOKEN`, `PMGITOPS_SERVICENOW_USER` and so on.

    An empty variable is none: a workflow sets one for every secret that it names, also for those that nobody gave.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="ignore")

    graph_token: SecretStr | None = None
    """A ready bearer token for Microsoft Graph; without it azure-identity's default chain."""
    servicenow_user: str | None = None
    """The integration user, together with its password."""
    servicenow_password: SecretStr | None = None
    servicenow_client_id: str | None = None
    """An OAuth client, together with its secret."""
    servicenow_client_secret: SecretStr | None = None
    servicenow_api_key: SecretStr | None = None
    """An API key, instead of either."""

    @field_validator("*", mode="before")
    @classmethod
    def _pasted(cls, value: object, info: ValidationInfo) -> object:
        """Without the line break that pasting leaves behind; what else cannot be seen is refused, and not repeated."""
        if not isinstance(value, str):
            return value
        text = value.strip()
        if not text.isprintable():
            name = f"{PREFIX}{info.field_name}".upper()
            raise UsageError(f"{name} has characters that cannot be seen", hint="paste it again, without line breaks")
        return text or None
