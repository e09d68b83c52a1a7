"""What is written is read back as what was meant, and looks like the examples."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pmgitops.drafting.layout import written
from pmgitops.load import RequestFile, load
from pmgitops.model.request import KINDS, REQUEST
from tests.world import ROOT

EXAMPLES = sorted((ROOT / "requests" / "examples").glob("*.yaml"))
SCHEMA = "pmgitops/schemas/request.schema.json"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_written_as_it_stands(example) -> None:
    """To the byte, but for a comment."""
    path = example.relative_to(ROOT).as_posix()
    loaded = load(path, example.read_bytes())
    expected = example.read_text().replace(" # on the fifth of every month", "")
    assert written(loaded.request, path, SCHEMA).decode() == expected


# Requests of every kind

TRICKY = [
    *("no", "1:30", "012345678901", "# x", "'", '"', "null", "~", "yes", "0x1F", "0o17", "1e3", ".5", "<<", "=", "-"),
    *("a: b", "a #b", "x:", "- a", "? a", "*", "&a", "!t", "%Y", "@a", "`a`", "[a]", "{a: b}", "a,b", "|", ">", "y"),
    *("2026-12-01", "2026-12-01T09:00:00Z", "true", "a\\b", "ü", "→ Zürich", "😀", "a\nb", "a\n\n  b\nc", "a\n", "\na"),
    *("a\tb", " a", "a ", "a\n b\n", "a \nb", "\u2028x", "é\u00a0x", "---", "... x", "a\n---\nb", "a\n# c", "1_000"),
]
unprintable = st.characters(exclude_categories=["Cs", "Cc", "Cf", "Co"])
texts = st.one_of(st.sampled_from(TRICKY), st.text(unprintable | st.sampled_from("\n\t"), min_size=1, max_size=60))
texts = texts.filter(lambda text: bool(text.strip()))
ids = st.one_of(
    st.sampled_from(["no", "1:30", "012345678901", "#", "'x'", '"', "a:", "-", "a,b", "*", "{", "y", "~"]),
    st.integers(1000, 1024).map("x".__mul__),
    st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=40),
)
verbatim = st.one_of(st.sampled_from([*TRICKY, "", "3600", "null"]), st.text(max_size=20).filter(str.isprintable))
accounts = st.from_regex(r"[0-9]{12}", fullmatch=True)
guids = st.uuids().map(str) | st.from_regex(r"[0-9]{8}(-[0-9]{4}){3}-[0-9]{12}", fullmatch=True)
projects = st.from_regex(r"[a-z][a-z0-9-]{4,28}[a-z0-9]", fullmatch=True)
instants = st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda at: at.isoformat().replace("+00:00", "Z")
)
days = st.dates(date(2000, 1, 1), date(2099, 1, 1)).map(str)
weekdays = st.lists(
    st.sampled_from(["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"]),
    min_size=1,
    unique=True,
)
counts, month = st.integers(1, 9999), st.integers(1, 12)
index = st.sampled_from(["first", "second", "third", "fourth", "last"])


def some(items, most=3):
    return st.lists(items, min_size=1, max_size=most, unique=True)


def typed(name, **fields):
    return st.fixed_dictionaries({"type": st.just(name), "interval": counts, **fields})


patterns = st.one_of(
    typed("daily"),
    typed("weekly", daysOfWeek=weekdays, firstDayOfWeek=st.just("monday")),
    typed("absoluteMonthly", dayOfMonth=st.integers(1, 31)),
    typed("relativeMonthly", daysOfWeek=weekdays, index=index),
    typed("absoluteYearly", dayOfMonth=st.integers(1, 31), month=month),
    typed("relativeYearly", daysOfWeek=weekdays, month=month),
)
ranges = st.one_of(
    st.fixed_dictionaries({"type": st.just("noEnd"), "startDate": days}, optional={"recurrenceTimeZone": ids}),
    st.fixed_dictionaries({"type": st.just("numbered"), "startDate": days, "numberOfOccurrences": counts}),
    days.map(lambda day: {"type": "endDate", "startDate": day, "endDate": day}),
)
schedules = st.fixed_dictionaries(
    {
        "expiration": st.sampled_from(["PT1H", "P1DT12H", "PT0.5S"]).map(lambda text: {"duration": text})
        | st.sampled_from([{"type": "noExpiration"}, {"type": "notSpecified"}])
        | st.just({"endDateTime": "2100-01-01T00:00:00Z"})
    },
    optional={
        "startDateTime": instants,
        "recurrence": st.fixed_dictionaries({"pattern": patterns, "range": ranges}),
    },
)
identities = st.one_of(
    st.fixed_dictionaries(
        {
            "externalId": ids,
            "source": st.sampled_from(["saml", "ed", "local"]),
            "type": st.sampled_from(["user", "role", "application", "managedIdentity", "serviceAccount"]),
        }
    ),
    st.fixed_dictionaries(
        {
            "externalId": ids,
            "source": st.just("aws"),
            "type": st.just("role"),
            "accountId": accounts,
        }
    ),
)
tickets = st.fixed_dictionaries(
    {"ticketNumber": st.sampled_from(["INC1234567", "123456", "0", "1e3", "no", "-", "0_1"]), "ticketSystem": texts},
    optional={"ticketSubmitterIdentityId": ids, "ticketApproverIdentityId": ids},
)
conditions = st.dictionaries(
    ids, st.dictionaries(ids, verbatim | st.lists(verbatim, min_size=1, max_size=3), min_size=1, max_size=2),
    min_size=1, max_size=2,
)  # fmt: skip
actions = st.sampled_from(["s3:GetObject", "*", "s3:*", "ec2:Describe*", "iam:?ass"])
resources = st.sampled_from(["*", "arn:aws:s3:::a,b", "arn:aws:s3:::x/*", "arn:*:s3:::#:{}[]&!"])


def statement(number):
    either = st.sampled_from([("actions", "resources"), ("notActions", "resources"), ("actions", "notResources")])
    return either.flatmap(
        lambda names: st.fixed_dictionaries(
            {
                "statementId": st.sampled_from([f"s{number}", f"{number}", f"0{number}", f"{number}e3"]),
                "effect": st.sampled_from(["allow", "deny"]),
                names[0]: some(actions),
                names[1]: some(resources),
            },
            optional={"condition": conditions},
        )
    )


def own(kind):
    match kind:
        case "aws-policies":
            arn = "arn:aws:iam::aws:policy/"
            return {"policies": some(st.sampled_from([f"{arn}a", f"{arn}b,c", f"{arn}=@.+/x", f"{arn}{'x' * 90}"]))}
        case "aws-actions":
            return {"statements": st.tuples(statement(1), statement(2)).map(list)}
        case "azure-actions":
            names = ["Microsoft.Authorization/roleAssignments/read", "*", "*/read", "a/$x"]
            return {"actions": some(st.sampled_from(names)), "resourceId": st.sampled_from(["/", "/subscriptions/{}"])}
        case "azure-roles":
            return {"roles": some(guids), "resourceId": st.just("/subscriptions/{}")}
        case "gcp-actions":
            return {
                "actions": some(st.sampled_from(["a.b.c", "0.1.2", "1.0.0"])),
                "resourceId": st.sampled_from(["folders/12", "{}", "//x.googleapis.com/a:b@c"]),
            }
        case _:
            return {
                "roles": some(st.sampled_from(["roles/viewer", "organizations/1/roles/x"])),
                "resourceId": st.just("{}"),
            }


def requests(kind):
    systems = {"aws": accounts, "azure": guids, "gcp": projects}[kind.partition("-")[0]]
    fields = {
        "apiVersion": st.just("pmgitops/v1"),
        "kind": st.just(kind),
        "authorizationSystemId": systems,
        "identity": identities,
        "justification": texts,
        "scheduleInfo": schedules,
        **own(kind),
    }

    def placed(raw):
        here = raw["authorizationSystemId"]
        if "resourceId" in raw:
            raw["resourceId"] = raw["resourceId"].replace("{}", here)
        return raw

    optional = {"notes": texts, "ticketInfo": tickets}
    return st.fixed_dictionaries(fields, optional=optional).map(placed).map(REQUEST.validate_python)


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_what_is_written_is_read_back_as_it_was_meant(kind, data) -> None:
    request = data.draw(requests(kind))
    text = written(request, "requests/team/x.yaml", SCHEMA)
    loaded = load("requests/team/x.yaml", text)
    assert isinstance(loaded, RequestFile), (loaded, text.decode())
    assert loaded.request == request, text.decode()
    assert loaded.request.revision == request.revision


@given(texts)
@settings(deadline=None)
def test_another_reader_takes_text_for_text(text) -> None:
    """PyYAML's own loader, which guesses."""
    raw = yaml.safe_load((ROOT / "requests" / "examples" / "aws-policies.yaml").read_text())
    raw["justification"] = raw["notes"] = text
    request = REQUEST.validate_python(raw)
    read = yaml.safe_load(written(request, "requests/x.yaml", SCHEMA))
    assert (read["justification"], read["notes"]) == (text, text)
    assert read["authorizationSystemId"] == "956987887735"


def test_the_schema_is_found_from_wherever_the_file_is() -> None:
    request = load("requests/x.yaml", EXAMPLES[1].read_bytes()).request
    for path, above in (("requests/a/b/c.yaml", "../../../"), ("requests/x.yaml", "../")):
        first = written(request, path).decode().splitlines()[0]
        assert re.fullmatch(rf"# yaml-language-server: \$schema={re.escape(above)}schemas/request.schema.json", first)
