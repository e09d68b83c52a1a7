"""The scalars of a request file: text checked by grammar, each refusal saying what is and what may be.

The loader hands every scalar over as the text that was written, so nothing here is guessed by YAML: an unquoted
`012345678901` is an account id, `no` is text. Sources of the grammars: Microsoft Graph beta and v1.0 (`Edm.Duration`,
`Edm.DateTimeOffset`), IAM's ARN and policy grammars, Azure's scopes and operations, GCP's permissions and roles.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationInfo
from pydantic import WithJsonSchema as Schema
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError


class Value(BaseModel):
    """The base of every part of a request: frozen, closed, camelCase outside and snake_case inside."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        use_attribute_docstrings=True,
        defer_build=True,  # one validator is built, for all six kinds, when the first file asks for it
    )


def refuse(rule: str, message: str, at: str = "") -> PydanticCustomError:
    """The error that the loader turns into a finding; `at` is a member below the refused value, if one is meant."""
    return PydanticCustomError(rule, "{message}", {"message": message, "at": at})


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "...")


_VISIBLE = re.compile(r"[!-~]*")


def ascii_id(text: str) -> str:
    """Refuse what the eye cannot tell apart: anything but printable ASCII without blanks."""
    if _VISIBLE.fullmatch(text):
        return text
    for place, char in enumerate(text, 1):
        if not "!" <= char <= "~":
            name = unicodedata.name(char, "an unnamed character")
            raise refuse(
                "ascii",
                f"{_shown(text)} has U+{ord(char):04X} ({name}) at character {place}; ids are ASCII without blanks",
            )
    return text


def shaped(rule: str, pattern: str, what: str) -> AfterValidator:
    """Text in whole of `pattern`, otherwise refused as not being `what`."""
    whole = re.compile(pattern, re.ASCII)

    def check(text: str) -> str:
        ascii_id(text)
        if not whole.fullmatch(text):
            raise refuse(rule, f"{_shown(text)} is not {what}")
        return text

    return AfterValidator(check)


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


def _instant(value: object) -> datetime:
    if isinstance(value, datetime) and value.tzinfo:
        return value.astimezone(UTC)
    if isinstance(value, str) and re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)", value, re.ASCII
    ):
        try:
            return datetime.fromisoformat(value).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise refuse("instant", f"{_shown(str(value))} is not an instant with Z or an offset, such as 2026-12-01T09:00:00Z")


def instant_text(value: datetime) -> str:
    """An instant as Graph's pages write it: UTC, `Z`, no empty fraction."""
    text = value.astimezone(UTC).replace(tzinfo=None).isoformat()
    return (text.rstrip("0") if "." in text else text) + "Z"


def _day(value: object) -> date:
    if isinstance(value, date):
        return value
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise refuse("date", f"{_shown(str(value))} is not a date, such as 2026-12-01")


_DURATION = re.compile(
    r"P(?:(?P<days>\d{1,5})D)?(?:T(?=\d)(?:(?P<hours>\d{1,7})H)?(?:(?P<minutes>\d{1,9})M)?(?:(?P<seconds>\d{1,9}(?:\.\d{1,6})?)S)?)?",
    re.ASCII,
)


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
            f"{_shown(text)} is not a positive duration in days, hours, minutes and seconds, such as PT1H or P1DT12H",
        ) from None
    return text


def whole(low: int, high: int) -> BeforeValidator:
    """An integer from `low` to `high`, written in plain digits."""

    def parse(value: object) -> int:
        number = value if isinstance(value, int) else -1
        if isinstance(value, str) and re.fullmatch(r"[1-9]\d{0,8}|0", value, re.ASCII):
            number = int(value)
        if not low <= number <= high:
            raise refuse("number", f"{_shown(str(value))} is not a whole number from {low} to {high}")
        return number

    return BeforeValidator(parse)


def own(pattern: str, what: str) -> AfterValidator:
    """An ARN of the request's own account: `{account}` in `pattern` and `what` stands for that account."""

    def check(text: str, info: ValidationInfo) -> str:
        ascii_id(text)
        account = info.data.get("authorization_system_id")
        if account is None:  # the account itself was refused already
            return text
        if not re.fullmatch(pattern.replace("{account}", re.escape(account)), text, re.ASCII):
            raise refuse("arn", f"{_shown(text)} is not {what.replace('{account}', account)}")
        return text

    return AfterValidator(check)


def _or_number(pattern: str) -> Schema:
    # An editor's YAML reads an unquoted account id as a number; the loader reads it as the text written.
    return Schema({"anyOf": [{"type": "string", "pattern": pattern}, {"type": "integer"}]})


def distinct(what: str) -> AfterValidator:
    """A list without repetitions."""

    def check(items: tuple[Any, ...]) -> tuple[Any, ...]:
        seen: set[Any] = set()
        for place, item in enumerate(items):
            if item in seen:
                raise refuse("repeated", f"{_shown(str(item))} stands twice; each {what} once", at=str(place))
            seen.add(item)
        return items

    return AfterValidator(check)


_GUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_PARTITION = r"arn:(aws|aws-cn|aws-us-gov)"

Id = Annotated[str, AfterValidator(ascii_id), shaped("id", r".{1,1024}", "an id of at most 1024 characters")]
Text = Annotated[str, AfterValidator(_readable)]
Instant = Annotated[
    datetime,
    BeforeValidator(_instant),
    PlainSerializer(instant_text, return_type=str),
    Schema({"type": "string", "format": "date-time"}),
]
Day = Annotated[
    date,
    BeforeValidator(_day),
    PlainSerializer(date.isoformat, return_type=str),
    Schema({"type": "string", "format": "date"}),
]
Duration = Annotated[
    str,
    AfterValidator(_duration),
    Schema({"type": "string", "pattern": r"^P(?!$)(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?$"}),
]
Guid = Annotated[str, shaped("guid", _GUID, "a GUID, such as cdda3590-29a3-44f6-95f2-9f980659eb04")]

Count = Annotated[int, whole(1, 9999), Field(ge=1, le=9999)]
DayOfMonth = Annotated[int, whole(1, 31), Field(ge=1, le=31)]
Month = Annotated[int, whole(1, 12), Field(ge=1, le=12)]

AwsAccount = Annotated[str, shaped("account", r"\d{12}", "an AWS account id of twelve digits"), _or_number(r"^\d{12}$")]
GcpProject = Annotated[
    str,
    shaped(
        "project", r"([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]", "a GCP project id, such as carbide-bonsai-205017"
    ),
]
TicketNumber = Annotated[
    str,
    shaped("ticket-number", r"[A-Za-z0-9_-]{1,40}", "a ticket number (1 to 40 letters, digits, _ and -)"),
    _or_number(r"^[A-Za-z0-9_-]{1,40}$"),
]

StatementId = Annotated[
    str, shaped("statement-id", r"[A-Za-z0-9]{1,64}", "a statement id (1 to 64 letters and digits)")
]
AwsAction = Annotated[
    str,
    shaped("aws-action", r"\*|[A-Za-z0-9-]+:[A-Za-z0-9*?]+", "an AWS action: service:Name with one colon, or *"),
]
AwsResource = Annotated[
    str,
    shaped("arn", r"\*|arn:(aws|aws-cn|aws-us-gov|\*):[a-z0-9*-]+:[a-z0-9*-]*:[0-9a-z*-]*:.{1,1200}", "* or an ARN"),
]
AwsRole = Annotated[
    str,
    own(
        _PARTITION + r":iam::{account}:role/[A-Za-z0-9+=,.@_/-]{1,512}",
        "a role of the request's own account: arn:aws:iam::{account}:role/NAME",
    ),
]
AwsPolicy = Annotated[
    str,
    own(
        _PARTITION + r":iam::({account}|aws):policy/[A-Za-z0-9+=,.@_/-]{1,512}",
        "a policy of the request's own account or of AWS: "
        "arn:aws:iam::{account}:policy/NAME or arn:aws:iam::aws:policy/NAME",
    ),
]

AzureOperation = Annotated[
    str,
    shaped(
        "azure-action",
        r"\*|[A-Za-z0-9.*_-]+(/[A-Za-z0-9.*_$-]+)+",
        "an Azure operation, such as Microsoft.Authorization/roleAssignments/read",
    ),
]
AzureScope = Annotated[
    str,
    shaped(
        "scope",
        r"/|/providers/Microsoft\.Management/managementGroups/[A-Za-z0-9._()-]{1,90}"
        rf"|/subscriptions/{_GUID}(/resourceGroups/[A-Za-z0-9._()-]{{1,90}}(/providers(/[A-Za-z0-9._()-]+){{3,}})?)?",
        "an Azure scope, such as /subscriptions/GUID or /subscriptions/GUID/resourceGroups/NAME",
    ),
]
GcpPermission = Annotated[
    str,
    shaped(
        "gcp-action",
        r"[a-zA-Z0-9-]+\.[a-zA-Z0-9-]+\.[a-zA-Z0-9-]+",
        "a GCP permission: service.resource.verb, such as aiplatform.dataItems.create",
    ),
]
GcpRole = Annotated[
    str,
    shaped(
        "gcp-role",
        r"(projects/[a-z][a-z0-9.:-]{4,60}/|organizations/\d{1,20}/)?roles/[A-Za-z0-9._]{1,100}",
        "a GCP role: roles/NAME, projects/ID/roles/NAME or organizations/NUMBER/roles/NAME",
    ),
]
GcpResource = Annotated[
    str,
    shaped(
        "gcp-resource",
        r"([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]|projects/[a-z0-9.:-]{4,60}|(folders|organizations)/\d{1,20}"
        r"|//[a-z0-9.-]+\.googleapis\.com/[A-Za-z0-9._/@:-]{1,500}",
        "a GCP resource: a project id, projects/ID, folders/NUMBER or organizations/NUMBER",
    ),
]
