"""What pysnow does when it is left to itself, and that it does not under our session: each quirk beside its cure."""

from __future__ import annotations

import gzip
import json
import logging
import re
import threading
import time
from decimal import Decimal
from pathlib import Path

import pysnow
import pytest
import requests
import trustme
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth
from urllib3.util.retry import Retry

from pmgitops.errors import Commit, PermanentRemoteError, RemoteError, TemporaryRemoteError
from pmgitops.secrets import Secrets
from pmgitops.tickets.login import ApiKey
from pmgitops.tickets.login import judge as judge_table
from pmgitops.tickets.login import session as log_in_to
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


# Q1: a write that failed says nothing until somebody looks


@pytest.mark.parametrize("status", [400, 403, 404, 500])
def test_failed_writes(bare, ours, link, instance, status):
    instance.fault(do="status", status=status, method="PATCH|POST", times=0)

    assert "POST" in repr(bare.resource(api_path="/table/incident").create({"short_description": "x"}))

    with pytest.raises(RemoteError):
        ours.add_note(link, "x")
    with pytest.raises(RemoteError):  # and in the library's own words, which nobody looks at either
        ours._client.resource(api_path="/table/incident").create({"short_description": "x"})
    assert instance.notes(NUMBER) == []


# Q2: what one call asked for is carried into the next


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


# Q3: threads that share a resource ask each other's questions


class Meanwhile(logging.Handler):
    """Has something happen in another thread just before pysnow sends what it has put together."""

    def __init__(self, act):
        super().__init__()
        self.act = act

    def emit(self, _record):
        act, self.act = self.act, None
        if act:
            thread = threading.Thread(target=act)
            thread.start()
            thread.join(10)


@pytest.fixture
def meanwhile():
    logger = logging.getLogger("pysnow")
    level = logger.level
    logger.setLevel(logging.DEBUG)
    added = []

    def begin(act):
        added.append(Meanwhile(act))
        logger.addHandler(added[-1])

    yield begin
    for handler in added:
        logger.removeHandler(handler)
    logger.setLevel(level)


def test_threads_that_share_a_resource(bare, ours, log_in, meanwhile):
    shared = bare.resource(api_path="/table/task")
    meanwhile(lambda: shared.get({"number": "INC0000007"}).one())
    assert shared.get({"number": NUMBER}).one()["number"] == "INC0000007"

    other = log_in()
    meanwhile(lambda: other.find("INC0000007"))
    assert [record.number for record in ours.find(NUMBER)] == [NUMBER]


# Q4: nothing is escaped in a query


def test_a_value_that_is_a_query(bare, ours, instance):
    wide = "INC1^ORnumberSTARTSWITHINC"
    assert len(bare.resource(api_path="/table/task").get({"number": wide}).all()) > 1
    asked = len(instance.log())

    with pytest.raises(PermanentRemoteError, match="cannot be a table or record"):
        ours.find(wide)

    assert len(instance.log()) == asked


# Q5: errors with the whole address and no word of the instance's


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


# Q6: half an answer is taken for a whole one


def test_rows_with_an_error_behind_them(bare, ours, instance):
    rows = [{"sys_id": "a" * 32, "number": NUMBER}]
    body = {"result": rows, "error": {"message": "Transaction cancelled: maximum execution time exceeded"}}
    instance.fault(do="status", status=200, body=body, contentType="application/json", times=0)

    assert bare.resource(api_path="/table/task").get({"number": NUMBER}).all() == rows

    with pytest.raises(TemporaryRemoteError, match="maximum execution time") as error:
        ours.find(NUMBER)
    assert error.value.code == "partial"


# Q7: a write that is redirected looks well


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


# Q8: a redirect to another host takes the key along


def test_a_key_that_goes_to_another_host(bare, session, log_in, instance):
    session.auth = None
    session.headers["x-sn-apikey"] = "sandbox"
    with Server(answer(200, b'{"result": []}')) as elsewhere:
        instance.fault(do="redirect", location=f"{elsewhere.url}/api/now/table/task", times=2)
        assert bare.resource(api_path="/table/task").get({"number": NUMBER}).all() == []
        assert "x-sn-apikey: sandbox" in elsewhere.requests[0][1]

        with pytest.raises(PermanentRemoteError) as error:
            log_in(ApiKey("sandbox")).find(NUMBER)
        assert error.value.code == "not-api"
        assert len(elsewhere.requests) == 1


# Q9: the environment has the last word


def test_a_netrc_of_the_machine(bare, session, ours, instance, monkeypatch, tmp_path):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login megan password sandbox\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    session.auth = None
    bare.resource(api_path="/table/task").get({"number": NUMBER}).all()
    assert instance.log()[-1]["caller"] == "megan"

    ours.find(NUMBER)
    assert instance.log()[-1]["caller"] == "pmgitops"


def test_an_authority_of_the_machine(secure, ca, session, monkeypatch, tmp_path):
    """`REQUESTS_CA_BUNDLE` goes before what the session was told to trust."""
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", ca)
    session.verify = str(tmp_path / "other.pem")
    bare = pysnow.Client(host=secure.secure_host, session=session)
    assert bare.resource(api_path="/table/task").get({"number": NUMBER}).one()

    host = f"https://{secure.secure_host}"
    with (
        log_in_to(Secrets(), host, ca=str(tmp_path / "other.pem")) as made,
        pytest.raises(PermanentRemoteError, match="not trusted"),
    ):
        ServiceNow(host, made).find(NUMBER)


# Q10: the retry recipe of the guide writes again


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


def test_a_login_that_is_repeated(bare, session, log_in, instance):
    """Four tries with a wrong password lock many an account."""
    recipe = Retry(total=3, backoff_factor=0, status_forcelist=(401, 503), raise_on_status=False)
    session.mount("http://", HTTPAdapter(max_retries=recipe))
    session.auth = ("pmgitops", "wrong")
    with pytest.raises(requests.HTTPError, match="401"):
        bare.resource(api_path="/table/task").get({"number": NUMBER}).all()
    assert [entry["status"] for entry in instance.log()] == [401] * 4

    with pytest.raises(PermanentRemoteError):
        log_in(HTTPBasicAuth("pmgitops", "wrong")).find(NUMBER)
    assert len(instance.log()) == 5


# Q11: retries that end, or cannot be timed


@pytest.mark.parametrize(
    ("headers", "theirs"),
    [("", requests.exceptions.RetryError), ("Retry-After: soon\r\n", requests.exceptions.InvalidHeader)],
)
def test_retries_that_end(session, client_of, headers, theirs):
    """With an exception that has lost the answer, or with one that is not requests' at all."""
    said = b'{"error": {"message": "Maintenance", "detail": null}}'
    session.mount("http://", HTTPAdapter(max_retries=Retry(total=1, backoff_factor=0, status_forcelist=(503,))))
    with Server(answer(503, said, headers)) as server:
        host = server.url.removeprefix("http://")
        with pytest.raises(theirs) as error:
            pysnow.Client(host=host, use_ssl=False, session=session).resource(api_path="/table/task").get({}).all()
        assert "Maintenance" not in str(error.value)

        with pytest.raises(TemporaryRemoteError, match="Maintenance") as ours_error:
            client_of(server.url, attempts=2).find(NUMBER)
        assert (ours_error.value.code, ours_error.value.wait) == ("server", None)
        assert len(server.requests) == (4 if not headers else 3)


# Q12: a timeout for each read


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


# Q13: no end to a body


def test_a_body_that_swells(session, client_of):
    body = b'{"result": []' + b" " * 40_000_000 + b"}"
    with Server(answer(200, gzip.compress(body, 1), "Content-Encoding: gzip\r\n")) as server:
        host = server.url.removeprefix("http://")
        bare = pysnow.Client(host=host, use_ssl=False, session=session).resource(api_path="/table/task")
        assert len(bare.get({"number": NUMBER})._response.text) == len(body)

        with pytest.raises(PermanentRemoteError) as error:
            client_of(server.url, attempts=1).find(NUMBER)
        assert error.value.code == "oversize"


# Q14: answers that are none


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


# Q15: absent, in two ways


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


# Q16: what was asked for is changed


def test_a_query_that_is_changed(bare, ours, link):
    query = {"caller_id": {"link": "x", "value": link.sys_id}}
    bare.resource(api_path="/table/incident").get(query).all()
    assert query == {"caller_id": link.sys_id}

    before = link.as_json()
    ours.markers(link)
    assert link.as_json() == before


# Q17: whose name is on the request


def test_who_calls(bare, session, ours, instance):
    session.headers["User-Agent"] = "ours/1"
    pysnow.Client(host="127.0.0.1", use_ssl=False, session=session)
    bare.resource(api_path="/table/task").get({"number": NUMBER}).all()
    assert instance.log()[-1]["headers"]["user-agent"] == "pysnow"

    ours.find(NUMBER)
    assert re.fullmatch(r"pmgitops/\S+", instance.log()[-1]["headers"]["user-agent"])


# Q18: paths that lead elsewhere


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


# Q19: a stream has other numbers, once


def test_numbers_of_a_stream(session, client_of):
    body = b'{"result": [{"priority": 1.5}]}'
    with Server(answer(200, body)) as server:
        host = server.url.removeprefix("http://")
        bare = pysnow.Client(host=host, use_ssl=False, session=session).resource(api_path="/table/task")
        streamed = bare.get({"number": NUMBER}, stream=True)
        assert [type(row["priority"]) for row in streamed.all()] == [Decimal]
        with pytest.raises(Exception, match=r"Incomplete|premature|closed"):
            list(streamed.all())

        rows, _ = client_of(server.url)._rows("/table/task", f"number={NUMBER}")
        assert [type(row["priority"]) for row in rows] == [float]


# Q20: an answer without its stream


class Hollow(HTTPAdapter):
    """What a test's own adapter easily gives: an answer that nothing came over the wire for."""

    def send(self, request, **_):
        response = requests.Response()
        response.status_code, response.request, response.url = 200, request, request.url
        return response


def test_an_answer_without_its_stream(bare, session, ours, link):
    """Why all of these tests have a server."""
    session.mount("http://", Hollow())
    with pytest.raises(AttributeError):
        bare.resource(api_path="/table/task").get({"number": NUMBER})

    ours._client.session.mount("http://", Hollow())
    with pytest.raises(PermanentRemoteError) as error:
        ours.find(NUMBER)
    assert (error.value.code, error.value.commit) == ("bug", Commit.NO)
    with pytest.raises(PermanentRemoteError) as error:
        ours.add_note(link, "x")
    assert (error.value.code, error.value.commit) == ("bug", Commit.UNKNOWN)


def test_each_quirk_has_its_test():
    found = [int(number) for number in re.findall(r"^# Q(\d+): ", Path(__file__).read_text("utf-8"), re.MULTILINE)]
    assert found == list(range(1, 21))


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

    assert ours.markers(link).readable is readable
    assert ours.sees_notes() is readable
    assert instance.log()[-1]["query"]["sysparm_no_count"] == "true"
    asked = len(instance.log())
    assert ours.sees_notes() is readable
    assert len(instance.log()) == asked
    assert json.dumps(instance.log()[-1]["query"]).count("sysparm_limit") == 1
