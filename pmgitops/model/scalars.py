"""
The scalars of a request file: text checked by grammar, each refusal saying what is and what may be.

The loader hands every scalar over as the text that was written, so nothing here is guessed by YAML: an unquoted
`012345678901` is an account id, `no` is text. Sources of the grammars: Microsoft Graph beta and v1.0 (`Edm.Duration`,
`Edm.DateTimeOffset`), IAM's ARN and policy grammars, Azure's scopes and operations, GCP's permissions and roles.

* ascii           a character that may not be told apart: anything but printable ASCII in an id, an ARN, a number
* text            empty text, control or invisible characters
* number          not a whole number, or out of bounds
* instant         not an instant with its offset
* date            not a date
* duration        not a positive duration in days, hours, minutes and seconds
* repeated        a member that stands in the list already
* id              an id that is empty or too long
* guid            not a GUID
* account         not an AWS account id
* project         not a GCP project id
* ticket-number   not a ticket number
* statement-id    not a statement id
* arn             not an ARN, or not one of the request's own account
* aws-action      not an AWS action
* azure-action    not an Azure operation
* scope           not an Azure scope
* gcp-action      not a GCP permission
* gcp-role        not a GCP role
* gcp-resource    not a GCP resource
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    StringConstraints,
    ValidationInfo,
)
from pydantic import WithJsonSchema as Schema
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from pmgitops.model.problem import shown


class Value(BaseModel):
    """The base of every part of a request: frozen, closed, camelCase outside and snake_case inside."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        defer_build=True,  # one validator is built, for all six kinds, when the first file asks for it
    )


def refuse(rule: str, message: str, at: str = "") -> PydanticCustomError:
    """The error that the loader turns into a finding; `at` is a member below the refused value, if one is meant."""
    return PydanticCustomError(rule, "{message}", {"message": message, "at": at})


_VISIBLE = re.compile(r"[!-~]*")


def _refuse_invisible_or_foreign(text: str) -> None:
    """Refuse what the eye cannot tell apart: anything but printable ASCII without blanks."""
    for place, char in enumerate(text, 1):
        if not _VISIBLE.fullmatch(char):
            name = unicodedata.name(char, "an unnamed character")
            raise refuse(
                "ascii",
                f"{shown(text)} has U+{ord(char):04X} ({name}) at character {place}; ids are ASCII without blanks",
            )


class Grammar:
    """Text in whole of `pattern`, which takes printable ASCII alone; otherwise refused by `rule` as not being `what`.

    With `or_number`, the JSON Schema takes a number too: an editor's YAML reads an unquoted account id as one.
    """

    def __init__(self, rule: str, pattern: str, what: str, *, or_number: bool = False) -> None:
        self.rule = rule
        self.pattern = pattern
        self.what = what
        self.or_number = or_number
        self._matches: Callable[[str], object] | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> dict[str, Any]:
        kind: Any = ["string", "number"] if self.or_number else "string"
        return {"type": kind, "pattern": f"^({self.pattern})$", "description": self.what}

    def check(self, text: str) -> str:
        """The text itself, or the refusal."""
        if self._matches is None:  # most runs need few of the patterns
            self._matches = re.compile(self.pattern, re.ASCII).fullmatch
        if self._matches(text):
            return text
        _refuse_invisible_or_foreign(text)
        raise refuse(self.rule, f"{shown(text)} is not {self.what}")


class Own(Grammar):
    """An ARN of the request's own account: `{account}` in `pattern` and `what` stands for that account."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_after_validator_function(self._check_own, handler(source))

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> dict[str, Any]:
        pattern, what = self.pattern.replace("{account}", r"\d{12}"), self.what.replace("{account}", "ACCOUNT")
        return {"type": "string", "pattern": f"^({pattern})$", "description": what}

    def _check_own(self, text: str, info: ValidationInfo) -> str:
        account = info.data.get("authorization_system_id")  # absent where it was refused itself
        if re.fullmatch(self.pattern.replace("{account}", account or r"\d{12}"), text, re.ASCII):
            return text
        _refuse_invisible_or_foreign(text)
        raise refuse(self.rule, f"{shown(text)} is not {self.what.replace('{account}', account or 'ACCOUNT')}")


def _readable(text: str) -> str:
    if not text.isascii() or not text.isprintable():
        _refuse_invisible(text)
    if not text.strip():
        raise refuse("text", "is empty; leave it out, or say something")
    return text


def _refuse_invisible(text: str) -> None:
    for char in text:
        if char not in "\n\t" and unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co"}:
            raise refuse("text", f"has U+{ord(char):04X}, a control or invisible character")


_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def _instant(value: object) -> datetime:
    if isinstance(value, datetime) and value.tzinfo:
        return value.astimezone(UTC)
    if isinstance(value, str) and _INSTANT.fullmatch(value):
        try:
            return datetime.fromisoformat(value).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise refuse("instant", f"{shown(value)} is not an instant with Z or an offset, such as 2026-12-01T09:00:00Z")


def instant_text(value: datetime) -> str:
    """An instant as Graph's pages write it: UTC, `Z`, no empty fraction."""
    text = value.astimezone(UTC).replace(tzinfo=None).isoformat()
    return (text.rstrip("0") if "." in text else text) + "Z"


def _day(value: object) -> date:
    if type(value) is date:
        return value
    if isinstance(value, str) and _DAY.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise refuse("date", f"{shown(value)} is not a date, such as 2026-12-01")


_DURATION = re.compile(
    r"P(?:(?P<days>\d{1,5})D)?(?:T(?=\d)(?:(?P<hours>\d{1,7})H)?(?:(?P<minutes>\d{1,9})M)?(?:(?P<seconds>\d{1,9}(?:\.\d{1,6})?)S)?)?",
    re.ASCII,
)


@lru_cache(maxsize=256)  # asked for when a request is checked, and again when its end is worked out
def parse_duration(text: str) -> timedelta:
    """`P[nD][T[nH][nM][n[.n]S]]` (Edm.Duration without a sign) as a timedelta; ValueError unless it is positive."""
    match = _DURATION.fullmatch(text)
    if not match or text == "P":
        raise ValueError(text)
    length = timedelta(**{unit: float(number) for unit, number in match.groupdict().items() if number})
    if length <= timedelta():
        raise ValueError(text)
    return length


def _duration(text: str) -> str:
    try:
        parse_duration(text)
    except (ValueError, OverflowError):
        raise refuse(
            "duration",
            f"{shown(text)} is not a positive duration in days, hours, minutes and seconds, such as PT1H or P1DT12H",
        ) from None
    return text


class Whole:
    """A whole number from `low` to `high`, written in plain digits."""

    def __init__(self, low: int, high: int) -> None:
        self.low = low
        self.high = high

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.check, serialization=core_schema.simple_ser_schema("int")
        )

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> dict[str, Any]:
        pattern = r"^[1-9]\d*$" if self.low else r"^(0|[1-9]\d*)$"
        return {"type": ["integer", "string"], "minimum": self.low, "maximum": self.high, "pattern": pattern}

    def check(self, value: object) -> int:
        """The number, or the refusal."""
        if isinstance(value, str) and re.fullmatch(r"0|[1-9]\d{0,8}", value, re.ASCII):
            value = int(value)
        if type(value) is int and self.low <= value <= self.high:
            return value
        raise refuse("number", f"{shown(value)} is not a whole number from {self.low} to {self.high}")


def distinct(what: str) -> AfterValidator:
    """A list without repetitions."""

    def check(items: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(set(items)) == len(items):
            return items
        place = next(place for place, item in enumerate(items) if item in items[:place])
        raise refuse("repeated", f"{shown(items[place])} stands twice; each {what} once", at=str(place))

    return AfterValidator(check)


_GUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_PARTITION = r"arn:(aws|aws-cn|aws-us-gov)"

Id = Annotated[str, Grammar("id", r"[!-~]{1,1024}", "an id of 1 to 1024 characters", or_number=True)]
Text = Annotated[
    str,
    StringConstraints(max_length=4096),
    AfterValidator(_readable),
    Schema({"type": ["string", "number", "boolean"], "minLength": 1, "maxLength": 4096}),
]
Verbatim = Annotated[str, Schema({"type": ["string", "number", "boolean", "null"]})]
"""The text that was written, whatever YAML would make of it."""
Instant = Annotated[
    datetime,
    BeforeValidator(_instant),
    PlainSerializer(instant_text, return_type=str),
    Schema({"type": "string", "format": "date-time", "pattern": f"^{_INSTANT.pattern}$"}),
]
Day = Annotated[
    date,
    BeforeValidator(_day),
    PlainSerializer(date.isoformat, return_type=str),
    Schema({"type": "string", "format": "date", "pattern": f"^{_DAY.pattern}$"}),
]
Duration = Annotated[
    str,
    AfterValidator(_duration),
    Schema({"type": "string", "pattern": r"^P(?!$)(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?$"}),
]
Guid = Annotated[str, Grammar("guid", _GUID, "a GUID, such as cdda3590-29a3-44f6-95f2-9f980659eb04")]

Count = Annotated[int, Whole(1, 9999)]
DayOfMonth = Annotated[int, Whole(1, 31)]
Month = Annotated[int, Whole(1, 12)]

AwsAccount = Annotated[str, Grammar("account", r"\d{12}", "an AWS account id of twelve digits", or_number=True)]
GcpProject = Annotated[
    str,
    Grammar(
        "project", r"([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]", "a GCP project id, such as carbide-bonsai-205017"
    ),
]
TicketNumber = Annotated[
    str,
    Grammar(
        "ticket-number", r"[A-Za-z0-9_-]{1,40}", "a ticket number (1 to 40 letters, digits, _ and -)", or_number=True
    ),
]

StatementId = Annotated[
    str, Grammar("statement-id", r"[A-Za-z0-9]{1,64}", "a statement id (1 to 64 letters and digits)", or_number=True)
]
AwsAction = Annotated[
    str,
    Grammar("aws-action", r"\*|[A-Za-z0-9-]+:[A-Za-z0-9*?]+", "an AWS action: service:Name with one colon, or *"),
]
AwsResource = Annotated[
    str,
    Grammar(
        "arn", r"\*|arn:(aws|aws-cn|aws-us-gov|\*):[a-z0-9*-]+:[a-z0-9*-]*:[0-9a-z*-]*:[!-~]{1,1200}", "* or an ARN"
    ),
]
AwsRole = Annotated[
    str,
    Own(
        "arn",
        _PARTITION + r":iam::{account}:role/[A-Za-z0-9+=,.@_/-]{1,512}",
        "a role of the request's own account: arn:aws:iam::{account}:role/NAME",
    ),
]
AwsPolicy = Annotated[
    str,
    Own(
        "arn",
        _PARTITION + r":iam::({account}|aws):policy/[A-Za-z0-9+=,.@_/-]{1,512}",
        "a policy of the request's own account or of AWS: "
        "arn:aws:iam::{account}:policy/NAME or arn:aws:iam::aws:policy/NAME",
    ),
]

AzureOperation = Annotated[
    str,
    Grammar(
        "azure-action",
        r"\*|[A-Za-z0-9.*_-]+(/[A-Za-z0-9.*_$-]+)+",
        "an Azure operation, such as Microsoft.Authorization/roleAssignments/read",
    ),
]
AzureScope = Annotated[
    str,
    Grammar(
        "scope",
        r"/|/providers/Microsoft\.Management/managementGroups/[A-Za-z0-9._()-]{1,90}"
        rf"|/subscriptions/{_GUID}(/resource[Gg]roups/[A-Za-z0-9._()-]{{1,90}}(/providers(/[A-Za-z0-9._()-]+){{3,}})?)?",
        "an Azure scope, such as /subscriptions/GUID or /subscriptions/GUID/resourceGroups/NAME",
    ),
]
GcpPermission = Annotated[
    str,
    Grammar(
        "gcp-action",
        r"[a-zA-Z0-9-]+\.[a-zA-Z0-9-]+\.[a-zA-Z0-9-]+",
        "a GCP permission: service.resource.verb, such as aiplatform.dataItems.create",
    ),
]
GcpRole = Annotated[
    str,
    Grammar(
        "gcp-role",
        r"(projects/[a-z][a-z0-9.:-]{4,60}/|organizations/\d{1,20}/)?roles/[A-Za-z0-9._]{1,100}",
        "a GCP role: roles/NAME, projects/ID/roles/NAME or organizations/NUMBER/roles/NAME",
    ),
]
GcpResource = Annotated[
    str,
    Grammar(
        "gcp-resource",
        r"([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]|projects/[a-z0-9.:-]{4,60}|(folders|organizations)/\d{1,20}"
        r"|//[a-z0-9.-]+\.googleapis\.com/[A-Za-z0-9._/@:-]{1,500}",
        "a GCP resource: a project id, projects/ID, folders/NUMBER or organizations/NUMBER",
    ),
]
