"""A request's revision: the same however its file is written, another for another content."""

import hashlib
import json
import string

import rfc8785
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pmgitops.load import RequestFile, load
from pmgitops.model.request import REQUEST

# --- valid requests of every kind, as the plain content of their files

WORD = string.ascii_letters + string.digits
ids = st.text(alphabet=string.ascii_letters + string.digits + "@.-_:/*?&!%#|>'\"[]{},~`\\", min_size=1, max_size=30)
words = st.text(alphabet=WORD, min_size=1, max_size=20)
texts = st.one_of(
    st.sampled_from(
        ["no", "null", "~", "1:30", "0x10", "- a", "a: b", "# a", "'", '"', "%a", "*a", "&a", "!a", "a\nb", "é🙂"]
    ),
    st.text(alphabet=st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=60).filter(str.strip),
)
accounts = st.from_regex(r"[0-9]{12}", fullmatch=True)
guids = st.uuids().map(str)
projects = st.from_regex(r"[a-z][a-z0-9-]{4,28}[a-z0-9]", fullmatch=True)
counts = st.integers(1, 9999)
weekdays = st.sampled_from(["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"])
days = st.lists(weekdays, min_size=1, max_size=7, unique=True)
instants = st.datetimes().map(lambda moment: moment.isoformat() + "Z")
durations = st.tuples(st.integers(0, 99), st.integers(1, 999)).map(lambda parts: f"P{parts[0]}DT{parts[1]}M")


def some(items):
    return st.lists(items, min_size=1, max_size=3, unique=True)


def fields(required, **optional):
    return st.fixed_dictionaries(required, optional=optional)


patterns = st.one_of(
    fields({"type": st.just("daily"), "interval": counts}),
    fields({"type": st.just("weekly"), "interval": counts, "daysOfWeek": days, "firstDayOfWeek": weekdays}),
    fields({"type": st.just("absoluteMonthly"), "interval": counts, "dayOfMonth": st.integers(1, 31)}),
    fields(
        {"type": st.just("relativeYearly"), "interval": counts, "daysOfWeek": days, "month": st.integers(1, 12)},
        index=st.sampled_from(["first", "last"]),
    ),
)
ranges = st.one_of(
    fields({"type": st.just("noEnd"), "startDate": st.dates().map(str)}, recurrenceTimeZone=words),
    fields({"type": st.just("numbered"), "startDate": st.dates().map(str), "numberOfOccurrences": counts}),
)
schedules = fields(
    {"expiration": st.one_of(fields({"duration": durations}), fields({"type": st.just("noExpiration")}))},
    startDateTime=instants,
    recurrence=fields({"pattern": patterns, "range": ranges}),
)
common = {
    "apiVersion": st.just("pmgitops/v1"),
    "identity": fields({"externalId": ids, "source": st.sampled_from(["saml", "ed"]), "type": st.just("user")}),
    "justification": texts,
    "scheduleInfo": schedules,
}
rest = {
    "notes": texts,
    "ticketInfo": fields({"ticketNumber": words, "ticketSystem": texts}, ticketSubmitterIdentityId=ids),
}
conditions = st.dictionaries(
    ids, st.dictionaries(ids, st.one_of(texts, some(texts)), min_size=1, max_size=2), min_size=1
)
statements = st.lists(
    fields(
        {
            "statementId": words,
            "effect": st.sampled_from(["allow", "deny"]),
            "actions": some(words.map("s3:{}*".format)),
        }
        | {"resources": st.just(["*"])},
        condition=conditions,
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda statement: statement["statementId"],
)


def kind(name, **own):
    return fields(common | {"kind": st.just(name)} | own, **rest)


def aws_policies(account):
    own = some(words.map(f"arn:aws:iam::{account}:policy/{{}}".format))
    return kind("aws-policies", authorizationSystemId=st.just(account), policies=own)


requests = st.one_of(
    accounts.flatmap(aws_policies),
    kind("aws-actions", authorizationSystemId=accounts, statements=statements),
    kind(
        "azure-actions", authorizationSystemId=guids, resourceId=st.just("/"), actions=some(words.map("{}/read".format))
    ),
    kind("azure-roles", authorizationSystemId=guids, resourceId=st.just("/"), roles=some(guids)),
    kind(
        "gcp-actions", authorizationSystemId=projects, resourceId=projects, actions=some(words.map("a.{}.get".format))
    ),
    kind("gcp-roles", authorizationSystemId=projects, resourceId=projects, roles=some(words.map("roles/{}".format))),
)


# --- their revisions


def request(text):
    found = load("requests/a.yaml", text.encode())
    assert isinstance(found, RequestFile), found
    return found.request


def shuffled(value, random):
    if isinstance(value, dict):
        items = [(key, shuffled(item, random)) for key, item in value.items()]
        random.shuffle(items)
        return dict(items)
    return [shuffled(item, random) for item in value] if isinstance(value, list) else value


@settings(max_examples=150, deadline=None)
@given(
    requests,
    st.randoms(use_true_random=False),
    st.sampled_from([None, "'", '"', "|", ">"]),
    st.sampled_from([True, False, None]),
    st.integers(2, 8),
)
def test_a_revision_does_not_depend_on_how_the_file_is_written(content, random, style, flow, indent):
    text = yaml.safe_dump(
        shuffled(content, random),
        default_style=style,
        default_flow_style=flow,
        indent=indent,
        sort_keys=False,
        allow_unicode=True,
    )
    text = text.replace("!!int ", "")  # the dumper's, for quoted numbers
    wanted = REQUEST.validate_python(content)
    assert request(f"# why\n{text}\n# why not\n") == wanted
    assert request(text).revision == wanted.revision
    assert wanted.revision == hashlib.sha256(rfc8785.dumps(wanted.content())).hexdigest()


@settings(max_examples=50, deadline=None)
@given(requests)
def test_the_content_is_a_request_again(content):
    once = REQUEST.validate_python(content)
    assert REQUEST.validate_python(once.content()) == once
    assert json.loads(json.dumps(once.content())) == once.content()


@settings(max_examples=50, deadline=None)
@given(requests, texts)
def test_another_content_is_another_revision(content, text):
    changed = content | {"justification": content["justification"] + "x" + text}
    assert REQUEST.validate_python(changed).revision != REQUEST.validate_python(content).revision
