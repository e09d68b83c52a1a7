"""Every field of every kind: its flag, where it stands in a request, and what is known that it may be filled with."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

KINDS: Final = ("aws-policies", "aws-actions", "azure-actions", "azure-roles", "gcp-actions", "gcp-roles")
_AWS, _AZURE, _GCP = KINDS[:2], KINDS[2:4], KINDS[4:]

What = Literal["system", "identity", "policy", "action", "role", "resource", "assignable", "ticket-system", "approver"]
"""Kinds of values that something may be known about; `assignable` is a role of AWS that access is put on."""
Path = tuple[str, ...]


class Field(NamedTuple):
    """One field, as `pmgitops new` takes it. `words` has a form of its own, which `drafting.words` reads."""

    flag: str
    path: Path
    help: str
    kinds: tuple[str, ...] = KINDS
    many: bool = False
    what: What | None = None
    metavar: str = "TEXT"
    asked: bool = True
    """Whether a person is asked for it, too."""

    @property
    def name(self) -> str:
        """As Python's name of the option."""
        return self.flag.removeprefix("--").replace("-", "_")


STATEMENTS: Final = Field(
    "--statement",
    ("statements",),
    "'allow s3:GetObject,s3:List* on arn:aws:s3:::logs if Bool aws:MultiFactorAuthPresent true', or {...} in YAML.",
    ("aws-actions",),
    many=True,
    what="action",
    metavar="WORDS",
)
EXPIRATION: Final = ("scheduleInfo", "expiration")
DURATION: Final = Field(
    "--duration", (*EXPIRATION, "duration"), "How long: 1h30m, 2d or PT1H.  [default: 1h]", metavar="LENGTH"
)
END: Final = Field("--end", (*EXPIRATION, "endDateTime"), "Until when.", metavar="INSTANT", asked=False)

FIELDS: Final = (
    Field(
        "--system",
        ("authorizationSystemId",),
        "Account, subscription or project that the access is in.",
        what="system",
        metavar="ID",
    ),
    Field(
        "--identity",
        ("identity", "externalId"),
        "Who gets it.  [default: git's user.email]",
        what="identity",
        metavar="ID",
    ),
    Field(
        "--identity-source",
        ("identity", "source"),
        "Where the identity lives: saml, ed, local, aws.  [default: saml for AWS, else ed]",
        metavar="SOURCE",
        asked=False,
    ),
    Field(
        "--identity-type",
        ("identity", "type"),
        "user, role, application, managedIdentity or serviceAccount.  [default: user]",
        metavar="TYPE",
        asked=False,
    ),
    Field(
        "--identity-account",
        ("identity", "accountId"),
        "With the source aws, the identity's account.",
        metavar="ID",
        asked=False,
    ),
    Field("--policy", ("policies",), "A managed policy (repeatable).", ("aws-policies",), True, "policy", "ARN"),
    STATEMENTS,
    Field(
        "--action",
        ("actions",),
        "An Azure operation or a GCP permission (repeatable).",
        ("azure-actions", "gcp-actions"),
        True,
        "action",
        "ACTION",
    ),
    Field(
        "--role",
        ("roles",),
        "A role: Azure's GUID, GCP's name (repeatable).",
        ("azure-roles", "gcp-roles"),
        True,
        "role",
        "ROLE",
    ),
    Field(
        "--resource",
        ("resourceId",),
        "Azure's scope or GCP's resource.  [default: the whole system]",
        (*_AZURE, *_GCP),
        what="resource",
        metavar="ID",
    ),
    Field(
        "--assign-to-role",
        ("assignToRoleId",),
        "The role that the access is put on.",
        _AWS,
        what="assignable",
        metavar="ARN",
    ),
    Field("--justification", ("justification",), "Why it is needed."),
    Field("--notes", ("notes",), "Anything else for the approver."),
    Field("--start", ("scheduleInfo", "startDateTime"), "From when on; else at once.", metavar="INSTANT"),
    DURATION,
    END,
    Field("--ticket", ("ticketInfo", "ticketNumber"), "The number of the ticket it stands on.", metavar="NUMBER"),
    Field(
        "--ticket-system",
        ("ticketInfo", "ticketSystem"),
        "Its system.  [default: the one of pmgitops.yaml]",
        what="ticket-system",
        metavar="NAME",
        asked=False,
    ),
    Field(
        "--ticket-submitter",
        ("ticketInfo", "ticketSubmitterIdentityId"),
        "Who opened it.  [default: the identity, where it is a user]",
        what="identity",
        metavar="ID",
        asked=False,
    ),
    Field(
        "--ticket-approver",
        ("ticketInfo", "ticketApproverIdentityId"),
        "Who approves it.",
        what="approver",
        metavar="ID",
    ),
)


def of_kind(kind: str) -> tuple[Field, ...]:
    """The fields that requests of a kind have, in the order in which a person is asked."""
    return tuple(field for field in FIELDS if kind in field.kinds)


def flag_at(path: tuple[str | int, ...]) -> str:
    """The flag that fills a place in a request; empty where there is none."""
    names = tuple(part for part in path if isinstance(part, str))
    if names[:2] == ("scheduleInfo", "recurrence"):
        return "--repeat"
    fitting = [field for field in FIELDS if names[: len(field.path)] == field.path]
    return max(fitting, key=lambda field: len(field.path)).flag if fitting else ""
