"""The only reader of the environment. What it holds is never printed, logged or put into a ledger."""

from __future__ import annotations

from pydantic import SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from pmgitops.errors import UsageError

PREFIX = "PMGITOPS_"
_LINES = frozenset({"servicenow_jwt_key"})
"""What has several lines."""


class _Environment(BaseSettings):
    model_config = SettingsConfigDict(env_ignore_empty=True, frozen=True, extra="ignore")

    @field_validator("*", mode="before")
    @classmethod
    def _pasted(cls, value: object, info: ValidationInfo) -> object:
        """Without the line break that pasting leaves behind; what else cannot be seen is refused, and not repeated."""
        if not isinstance(value, str):
            return value
        text = value.strip()
        lines = text.splitlines() if info.field_name in _LINES else [text]
        if not all(line.isprintable() for line in lines):
            name = f"{cls.model_config.get('env_prefix', '')}{info.field_name}".upper()
            raise UsageError(f"{name} has characters that cannot be seen", hint="paste it again, without line breaks")
        return text or None


class Secrets(_Environment):
    """Credentials, from `PMGITOPS_GRAPH_TOKEN`, `PMGITOPS_SERVICENOW_USER` and so on.

    An empty variable is none: a workflow sets one for every secret that it names, also for those that nobody gave.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX)

    graph_token: SecretStr | None = None
    """A ready bearer token for Microsoft Graph; without it azure-identity's default chain."""
    servicenow_user: str | None = None
    """The integration user, together with its password; with a JWT, whom it names."""
    servicenow_password: SecretStr | None = None
    servicenow_client_id: str | None = None
    """An OAuth client, together with its secret or with a key that signs JWTs."""
    servicenow_client_secret: SecretStr | None = None
    servicenow_jwt_key: SecretStr | None = None
    """An RSA private key in PEM, or the absolute path of a file that holds it."""
    servicenow_jwt_key_id: str | None = None
    """What the instance calls that key (`kid`), where it has several."""
    servicenow_api_key: SecretStr | None = None
    """An API key, instead of any of these."""
    servicenow_certificate: str | None = None
    """The absolute path of a client certificate in PEM, alone or together with any of the above."""
    servicenow_certificate_key: str | None = None
    """The absolute path of its private key; left out where it stands in the same file."""
    servicenow_ca: str | None = None
    """The absolute path of the only authorities to trust, in PEM; goes before what the configuration says."""
    servicenow_proxy: SecretStr | None = None
    """The proxy to go through, where it needs a password; goes before what the configuration says."""


class GitHub(_Environment):
    """What GitHub's own tools are given, by the same names: `GITHUB_TOKEN`, `GITHUB_API_URL`."""

    model_config = SettingsConfigDict(env_prefix="GITHUB_")

    token: SecretStr | None = None
    """Opens the pull request of `new --propose`."""
    api_url: str | None = None
    """Where, for a GitHub of one's own."""
