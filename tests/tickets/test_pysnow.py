"""What pysnow does when it is left to itself, and that it does not under our session: each quirk beside its cure."""

from __future__ import annotations

import json
import re
import time

import pysnow
import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from pmgitops.errors import Commit, PermanentRemoteError, RemoteError, TemporaryRemoteError
from pmgitops.tickets.login import judge as judge_table
from pmgitops.tickets.servicenow import ServiceNow
from tests.transport.served import Server, answer

NUMBER = "INC1234567"


@pytest.fixture
def session():
    with requests.Session() as bare:
        bare.auth = ("pmgitops", "sandbox")
        yield bare


@pytest.fixture
def bare(sandbox, session):
    """Pysnow as its guide has it."""
    return pysnow.Client(host=sandbox.servicenow_host, use_ssl=False, session=session)


@pytest.fixture
def link(ours):
    (record,) = ours.find(NUMBER)
    return record.link("ServiceNow")


# A write that failed says nothing until somebody looks


@pytest.mark.parametrize("status", [400, 403, 404, 500])
def test_failed_writes(bare, ours, link, instance, status):
    instance.fault(do="status", status=status, method="PATCH|POST", times=0)

    assert "POST" in repr(bare.resource(api_path="/table/incident").create({"short_description": "x"}))

    with pytest.raises(RemoteError):
        ours.add_note(link, "x")
    with pytest.raises(RemoteError):  # and in the library's own words, which nobody looks at either
        ours._client.resource(api_path="/table/incident").create({"short_description": "x"})
    assert instance.notes(NUMBER) == []


# What one call asked for is carried into the next


def test_parameters_of_the_call_before(bare, ours, link, instance):
    resource = bare.resource(api_path="/table/incident")
    resource.get({"number": NUMBER}, fields=["number"], display_value=True).all()
    resource.request("PATCH", path_append=f"/{link.sys_id}", data="{}")
    leaked = instance.log()[-1]["query"]
    assert leaked["sysparm_query"] == f"number={NUMBER}"
    assert leaked["sysparm_fields"] == "number"

    ours.find(NUMBER)
    ours.add_note(link, "x")
    ours.markers(link)
    *_, write, read = instance.log()
    assert write["query"] == {}
    assert read["query"]["sysparm_fields"] == "value"
    assert "sysparm_display_value" not in read["query"] or read["query"]["sysparm_display_value"] == "false"


def test_what_we_ask_for(ours, instance):
    """No empty parameters, and booleans as the API's own pages write them."""
    ours.find(NUMBER)

    (asked,) = instance.log()
    assert asked["query"] == {
        "sysparm_query": f"number={NUMBER}",
        "sysparm_limit": "2",
        "sysparm_offset": "0",
        "sysparm_fields": "sys_id,sys_class_name,number,state,active,approval,short_description",
        "sysparm_display_value": "all",
        "sysparm_exclude_reference_link": "false",
        "sysparm_suppress_pagination_header": "false",
    }


# Nothing is escaped in a query


def test_a_value_that_is_a_query(bare, ours, instance):
    wide = "INC1^ORnumberSTARTSWITHINC"
    assert len(bare.resource(api_path="/table/task").get({"number": wide}).all()) > 1
    asked = len(instance.log())

    with pytest.raises(PermanentRemoteError, match="cannot be a table or record"):
        ours.find(wide)

    assert len(instance.log()) == asked


# Errors with the whole address and no word of the instance's


def test_what_an_error_says(bare, ours, instance):
    said = {"error": {"message": "User Not Authorized", "detail": "Failed API level ACL Validation"}}
    instance.fault(do="status", status=403, body=said, times=0)
    with pytest.raises(requests.HTTPError) as error:
        bare.resource(api_path="/table/sys_user").get({"email": "alex@contoso.com"}).all()
    assert "alex%40contoso.com" in str(error.value)
    assert "Failed API level" not in str(error.value)

    with pytest.raises(PermanentRemoteError) as ours_error:
        ours.find(NUMBER)
    assert "User Not Authorized Failed API level ACL Validation" in str(ours_error.value)
    assert NUMBER not in str(ours_error.value)


# Half an answer is taken for a whole one


def test_rows_with_an_error_behind_them(bare, ours, instance):
    rows = [{"sys_id": "a" * 32, "number": NUMBER}]
    body = {"result": rows, "error": {"message": "Transaction cancelled: maximum execution time exceeded"}}
    instance.fault(do="status", status=200, body=body, contentType="application/json", times=0)

    assert bare.resource(api_path="/table/task").get({"number": NUMBER}).all() == rows

    with pytest.raises(TemporaryRemoteError, match="maximum execution time") as error:
        ours.find(NUMBER)
    assert error.value.code == "partial"


# Redirects


def test_a_write_that_is_redirected(bare, ours, link, instance):
    """Followed as a GET it brings back a record, and nothing was written."""
    place = f"/api/now/table/incident/{link.sys_id}"
    instance.fault(do="redirect", status=302, location=place, method="PUT|PATCH", times=0)
    looks_well = bare.resource(api_path="/table/incident").update({"sys_id": link.sys_id}, {"work_notes": "x"}).one()
    assert looks_well["sys_id"] == link.sys_id
    assert instance.notes(NUMBER) == []

    with pytest.raises(PermanentRemoteError) as error:
        ours.add_note(link, "x")
    assert (error.value.code, error.value.commit) == ("not-api", Commit.UNKNOWN)


# The environment


def test_a_netrc_of_the_machine(bare, session, ours, instance, monkeypatch, tmp_path):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login megan password sandbox\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    session.auth = None
    bare.resource(api_path="/table/task").get({"number": NUMBER}).all()
    assert instance.log()[-1]["caller"] == "megan"

    ours.find(NUMBER)
    assert instance.log()[-1]["caller"] == "pmgitops"


# Repeated writes


def test_a_write_that_is_repeated(bare, session, ours, link, instance):
    """The guide's own recipe, with a service that has committed and then fails."""
    recipe = Retry(total=3, backoff_factor=0, status_forcelist=(401, 503), raise_on_status=False)
    session.mount("http://", HTTPAdapter(max_retries=recipe))
    instance.fault(do="status", status=503, method="PUT|PATCH", when="after", times=2)
    bare.resource(api_path="/table/incident").update({"sys_id": link.sys_id}, {"work_notes": "from the recipe"})
    assert instance.notes(NUMBER) == ["from the recipe"] * 3

    instance.fault(do="status", status=503, method="PUT|PATCH", when="after", times=2)
    with pytest.raises(TemporaryRemoteError) as error:
        ours.add_note(link, "from us")
    assert error.value.commit is Commit.UNKNOWN
    assert instance.notes(NUMBER).count("from us") == 1


# A body that drips


@pytest.fixture
def drip():
    """A server whose answer takes 1.5 s, a few bytes at a time."""
    body = b'{"result": []' + b" " * 30 + b"}"
    head = answer(200, body).removesuffix(body)
    with Server([head, *[step for byte in body for step in (bytes([byte]), 0.035)]]) as server:
        yield server


def test_a_timeout_that_begins_anew_with_every_byte(drip, session, client_of):
    host = drip.url.removeprefix("http://")
    bare = pysnow.Client(host=host, use_ssl=False, session=session)
    begun = time.monotonic()
    assert bare.resource(api_path="/table/task", timeout=0.3).get({"number": NUMBER}).all() == []
    assert time.monotonic() - begun > 1

    begun = time.monotonic()
    with pytest.raises(TemporaryRemoteError) as error:
        client_of(drip.url, deadline=0.3, attempts=1).find(NUMBER)
    assert (error.value.code, time.monotonic() - begun < 1.2) == ("timeout.read", True)


@pytest.fixture
def client_of(session):
    from pmgitops.tickets.login import Session  # noqa: PLC0415

    made = []

    def make(host, **options):
        made.append(Session(auth=session.auth, judge=judge_table, pause=0.001, **options))
        return ServiceNow(host, made[-1])

    yield make
    for one in made:
        one.close()


# Answers that are none


def answered(body):
    return {"do": "status", "status": 200, "body": body, "contentType": "application/json"}


NONE = {
    "html": ({"do": "html"}, requests.exceptions.JSONDecodeError, "not the API"),
    "list": ({"do": "wrong-json"}, AttributeError, "not an object"),
    "null": (answered("null"), AttributeError, "not an object"),
    "202": ({"do": "empty"}, pysnow.exceptions.EmptyContent, "202"),
    "object": (answered({}), pysnow.exceptions.MissingResult, "could not be read (MissingResult)"),
    "half": ({"do": "partial", "when": "after"}, requests.exceptions.JSONDecodeError, "broken JSON"),
    "cut": ({"do": "cut", "when": "after"}, requests.exceptions.ChunkedEncodingError, "closed the connection"),
    "close": ({"do": "close"}, requests.exceptions.ConnectionError, "closed the connection"),
}


@pytest.mark.parametrize("answer", NONE)
def test_answers_that_are_none(bare, log_in, instance, answer):
    """Many types of exception there, one here."""
    fault, theirs, ours_says = NONE[answer]
    instance.fault(**fault, times=0)
    with pytest.raises(theirs):
        bare.resource(api_path="/table/task").get({"number": NUMBER}).all()

    with pytest.raises(RemoteError, match=re.escape(ours_says)) as error:
        log_in(attempts=1).find(NUMBER)
    assert error.value.commit is Commit.NO


def test_text_for_rows(bare, ours, instance):
    """Taken for rows, it would be letters."""
    instance.fault(do="status", status=200, body={"result": "abc"}, contentType="application/json", times=0)
    assert list(bare.resource(api_path="/table/task").get({"number": NUMBER}).all()) == ["a", "b", "c"]

    with pytest.raises(PermanentRemoteError, match="without rows"):
        ours.find(NUMBER)


# Absent, in two ways


def test_not_found_and_nothing_found(bare, ours, link, instance):
    tickets = bare.resource(api_path="/table/task")
    assert tickets.get({"number": "INC7654321"}).one_or_none() is None
    instance.fault(do="status", status=404, times=2)
    with pytest.raises(requests.HTTPError):
        tickets.get({"number": "INC7654321"}).one_or_none()

    with pytest.raises(PermanentRemoteError) as error:
        ours.find("INC7654321")
    assert error.value.code == "absent-or-hidden"
    assert ours.find("INC7654321") == []
    instance.settings(hidden=[NUMBER])
    with pytest.raises(PermanentRemoteError) as error:
        ours.add_note(link, "x")
    assert (error.value.code, error.value.commit) == ("absent-or-hidden", Commit.NO)


# Whose name is on the request


def test_who_calls(bare, session, ours, instance):
    session.headers["User-Agent"] = "ours/1"
    pysnow.Client(host="127.0.0.1", use_ssl=False, session=session)
    bare.resource(api_path="/table/task").get({"number": NUMBER}).all()
    assert instance.log()[-1]["headers"]["user-agent"] == "pysnow"

    ours.find(NUMBER)
    assert re.fullmatch(r"pmgitops/\S+", instance.log()[-1]["headers"]["user-agent"])


# Paths that lead elsewhere


@pytest.mark.parametrize("path", ["/table/../../x", "/table/incident?", "/table/incident\n"])
def test_paths_that_pass(bare, path):
    """The check of the library looks at less than it seems."""
    assert bare.resource(api_path="/table/incident")._url_builder.validate_path(path)


@pytest.mark.parametrize(
    "change",
    [
        {"table": "../../oauth_token.do"},
        {"table": "incident?"},
        {"table": "incident\n"},
        {"table": "Incident"},
        {"table": ""},
        {"sys_id": "../" + "a" * 29},
        {"sys_id": "a" * 31},
        {"sys_id": "A" * 32},
        {"sys_id": "a" * 32 + "\n"},
        {"sys_id": "a" * 32 + "?"},
    ],
)
def test_paths_that_do_not(ours, link, instance, change):
    """A link comes from the ledger, which somebody may have edited."""
    from dataclasses import replace  # noqa: PLC0415

    asked = [entry for entry in instance.log() if entry["method"] != "GET"]
    with pytest.raises(PermanentRemoteError) as error:
        ours.add_note(replace(link, **change), "x")
    assert (error.value.code, error.value.commit) == ("mismatch", Commit.NO)
    assert [entry for entry in instance.log() if entry["method"] != "GET"] == asked


# The port


def test_a_note_is_one_patch_of_one_field(ours, link, instance):
    ours.add_note(link, "two\nlines, Größe")

    (write,) = instance.log("PATCH")
    assert write["path"] == f"/api/now/table/incident/{link.sys_id}"
    assert write["body"] == {"work_notes": "two\nlines, Größe"}
    assert instance.notes(NUMBER) == ["two\nlines, Größe"]


def test_an_answer_for_another_record(ours, link, instance):
    body = {"result": {"sys_id": "b" * 32}}
    instance.fault(do="status", status=200, body=body, contentType="application/json", method="PATCH")

    with pytest.raises(PermanentRemoteError, match="another record") as error:
        ours.add_note(link, "x")
    assert (error.value.code, error.value.commit) == ("mismatch", Commit.UNKNOWN)


MARKER = "pmgitops/1 " + "0123456789abcdef" * 2


def test_markers_are_found_among_many_notes(ours, link, instance):
    ours.add_note(link, f"the oldest\n{MARKER}")
    instance.control("POST", "advance", {"seconds": 60})
    for place in range(201):
        ours.add_note(link, f"note {place}")
    reads = len(instance.log("GET"))

    assert ours.markers(link).markers == {MARKER}
    assert len(instance.log("GET")) - reads == 2


def test_a_short_page_is_not_the_last(ours, link, instance):
    """Row ACLs take rows out after the page was cut."""
    ours.add_note(link, f"the oldest\n{MARKER}")
    instance.control("POST", "advance", {"seconds": 60})
    for place in range(200):
        ours.add_note(link, f"note {place}")
    entries = instance.control("GET", f"tickets/{NUMBER}")["journal"]
    instance.settings(hidden=[entry["sys_id"] for entry in entries[1:]], notesReadable=False)

    assert ours.markers(link).markers == {MARKER}


def test_other_peoples_notes_are_no_markers(ours, link, instance):
    for text in ("pmgitops/1", "pmgitops/1 abc", "pmgitops/2 " + "0" * 32, "PMGITOPS/1 " + "0" * 32):
        instance.change(NUMBER, work_notes=text)

    journal = ours.markers(link)

    assert (journal.markers, journal.readable) == (frozenset(), True)


@pytest.mark.parametrize("journal", [True, False])
@pytest.mark.parametrize("notes", [True, False])
def test_what_can_be_seen_of_notes(ours, link, instance, journal, notes):
    instance.settings(journalReadable=journal, notesReadable=notes)
    assert not ours.markers(link).readable  # there are none: nobody can tell
    ours.add_note(link, MARKER)

    seen = ours.markers(link)

    assert seen.readable is (journal or notes)
    assert seen.markers == ({MARKER} if journal or notes else frozenset())


@pytest.mark.parametrize("readable", [True, False])
def test_whether_notes_can_be_seen_at_all(ours, link, instance, readable):
    """Seen on another ticket, they would be seen on this one; asked without counting millions of rows."""
    instance.settings(journalReadable=readable)
    instance.change("INC0000007", work_notes="called the customer")

    assert ours.markers(link).readable is False
    assert ours.sees_notes() is readable
    assert instance.log()[-1]["query"]["sysparm_no_count"] == "true"
    asked = len(instance.log())
    assert ours.sees_notes() is readable
    assert len(instance.log()) == asked
    assert json.dumps(instance.log()[-1]["query"]).count("sysparm_limit") == 1
