"""What tests and people do from behind the scenes: faults, the clock, tickets, the log; and who may not."""

from __future__ import annotations

import contextlib
import http.client
import signal
import sqlite3
import subprocess
import sys
import time

import pytest
import requests

from pmgitops.sandbox import Sandbox

AUTH = ("pmgitops", "sandbox")


@pytest.fixture
def incidents(sandbox):
    def ask(**options):
        return requests.get(f"{sandbox.url}/api/now/table/incident", auth=AUTH, timeout=5, **options)

    return ask


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        ({"do": "status", "status": 429, "headers": {"Retry-After": "7"}}, 429, "application/json"),
        ({"do": "status", "status": 502, "body": "<h1>no</h1>", "contentType": "text/html"}, 502, "text/html"),
        ({"do": "html"}, 200, "text/html; charset=utf-8"),
        ({"do": "wrong-json"}, 200, "application/json"),
        ({"do": "empty"}, 202, None),
        ({"do": "redirect", "location": "http://127.0.0.1:9/"}, 302, "text/html"),
        ({"do": "partial"}, 200, "application/json"),
    ],
)
def test_a_fault_strikes_as_often_as_told(control, incidents, fault, status, kind):
    control.post("faults", path="/table/incident$", times=2, **fault)

    for _ in range(2):
        answer = incidents(allow_redirects=False)
        assert answer.status_code == status
        assert answer.headers.get("Content-Type") == kind
        for name, value in fault.get("headers", {}).items():
            assert answer.headers[name] == value
    assert incidents().json()["result"]
    assert [entry["fault"] for entry in control.get("log")["log"]] == [fault["do"]] * 2 + [None]


def test_partial_json_is_half_of_the_answer(control, incidents):
    whole = incidents().content
    control.post("faults", do="partial")

    assert incidents().content == whole[: len(whole) // 2]


def test_a_cut_answer_promises_more_than_it_brings(control, incidents):
    control.post("faults", do="cut")

    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        incidents()


def test_a_closed_connection_brings_nothing(control, incidents):
    control.post("faults", do="close")

    with pytest.raises(requests.exceptions.ConnectionError):
        incidents()
    assert incidents().status_code == 200


def test_a_delay_delays(control, incidents):
    control.post("faults", do="delay", seconds=0.3)
    started = time.monotonic()

    assert incidents().status_code == 200
    assert time.monotonic() - started >= 0.3


@pytest.mark.parametrize(("when", "made"), [("before", 0), ("after", 1)])
@pytest.mark.parametrize("do", ["close", "status", "empty", "html"])
def test_before_the_work_is_not_done_and_after_it_is(graph, control, body, when, made, do):
    control.post("faults", do=do, when=when, method="POST", path="scheduledPermissionsRequests$")

    try:
        assert graph.create(body).status_code != 201
    except requests.exceptions.ConnectionError:
        assert do == "close"

    assert len(control.get("requests")["requests"]) == made


def test_a_fault_is_for_the_request_it_means(graph, control, body, incidents):
    control.post("faults", do="status", path="/beta/", method="GET", query="ticketId eq 'X'", skip=1)

    def ask():
        return graph.get("permissionsRequestChanges", filter="ticketId eq 'X'").status_code

    assert graph.create(body).status_code == 201
    assert incidents().status_code == 200
    assert graph.get("permissionsRequestChanges").status_code == 200
    assert [ask(), ask(), ask()] == [200, 503, 200]


def test_a_status_fault_speaks_the_language_of_its_service(graph, control, incidents):
    control.post("faults", do="status", status=503, times=2)

    assert graph.get("permissionsRequestChanges").json()["error"]["code"] == "ServiceUnavailable"
    assert incidents().json() == {"error": {"message": "Service Unavailable", "detail": None}, "status": "failure"}


def test_faults_are_listed_and_cleared(control, incidents):
    control.post("faults", do="status", times=0)
    assert [incidents().status_code for _ in range(3)] == [503] * 3
    assert [fault["struck"] for fault in control.get("faults")["faults"]] == [3]

    requests.delete(f"{control.root}/faults", timeout=5).raise_for_status()

    assert incidents().status_code == 200


@pytest.mark.parametrize("wrong", [{"do": "dance"}, {}, {"do": "html", "when": "never"}, {"do": "html", "path": "("}])
def test_a_fault_that_makes_no_sense_is_refused(control, wrong):
    answer = requests.post(f"{control.root}/faults", json=wrong, timeout=5)

    assert answer.status_code == 400
    assert answer.json()["error"]


@pytest.mark.parametrize("wrong", [{"pageSise": 3}, {"pageSize": "3"}, {"journalReadable": 1}])
def test_a_setting_that_there_is_not_is_refused(control, wrong):
    answer = requests.post(f"{control.root}/settings", json=wrong, timeout=5)

    assert answer.status_code == 400
    assert next(iter(wrong)) in answer.json()["error"]


@pytest.mark.parametrize("seconds", [-1, "1", None, True, 1e30])
def test_the_clock_moves_forward_only(control, seconds):
    assert requests.post(f"{control.root}/advance", json={"seconds": seconds}, timeout=5).status_code == 400


def test_both_services_live_by_the_same_clock(control, graph, body):
    control.advance(40 * 365 * 86400)

    made = graph.create(body).json()
    ticket = control.post("tickets", short_description="later")

    assert made["createdDateTime"][:10] == ticket["sys_created_on"][:10] == control.get("clock")["now"][:10]
    assert int(ticket["sys_created_on"][:4]) >= 2065


def test_tickets_of_any_class_are_made_and_changed_as_an_administrator_would(control):
    made = control.post("tickets", number="CHG0099999", requested_by="alex@contoso.com", **{"class": "change_request"})
    assert made["sys_created_by"] == "admin"

    control.patch("tickets/CHG0099999", approval="approved", state="-1", work_notes="seen")

    ticket = control.get("tickets/CHG0099999")
    assert (ticket["approval"], ticket["state"], ticket["active"]) == ("approved", "-1", "true")
    assert ticket["approval_set"]
    assert [entry["value"] for entry in ticket["journal"]] == ["seen"]
    assert requests.get(f"{control.root}/tickets/CHG1", timeout=5).status_code == 404
    assert requests.post(f"{control.root}/tickets", json={"class": "x"}, timeout=5).status_code == 400


def test_a_request_is_changed_held_and_forgotten_behind_everybodys_back(sandbox, control, graph, body):
    made = graph.created(body)
    url = f"{sandbox.url}/_control/requests/{made}"
    control.approve(made)
    control.advance(5)
    control.post(f"requests/{made}/hold")
    patch = {"justification": "another", "ticketInfo": None, "scheduleInfo": {"expiration": {"duration": "PT9H"}}}
    changed = requests.patch(url, json=patch, timeout=5).json()
    assert (changed["justification"], "ticketInfo" in changed) == ("another", False)
    assert changed["scheduleInfo"] == {"expiration": {"type": "afterDuration", "duration": "PT9H"}}

    control.advance(360_000)
    (shown,) = control.get("requests")["requests"]
    assert (shown["status"], shown["occurrence"], shown["request"]["justification"]) == (
        "approved",
        "granted",
        "another",
    )
    assert requests.delete(url, timeout=5).status_code == 204
    assert (control.get("requests")["requests"], control.get("state")["changes"]) == ([], [])
    assert {requests.delete(url, timeout=5).status_code, requests.patch(url, json={}, timeout=5).status_code} == {404}


def test_reset_makes_everything_new(control, graph, body):
    first = graph.created(body)
    control.post("settings", pageSize=1)
    control.post("faults", do="html", path="nowhere")
    control.advance(1000)

    control.post("reset")

    state = control.get("state")
    assert (state["requests"], state["changes"], state["faults"]) == ([], [], [])
    assert state["settings"]["pageSize"] == 100
    assert control.get("clock")["offsetSeconds"] == 0
    assert control.get("log") == {"log": []}
    assert graph.created(body) == first, "ids begin again with the seed"


def test_the_log_tells_what_was_asked(control, graph, body):
    graph.create(body)

    (entry,) = control.get("log")["log"]

    assert (entry["method"], entry["status"], entry["caller"]) == ("POST", 201, "alex@contoso.com")
    assert entry["path"].endswith("/scheduledPermissionsRequests")
    assert entry["body"] == body
    assert entry["headers"]["authorization"] == "***"
    requests.delete(f"{control.root}/log", timeout=5).raise_for_status()
    assert control.get("log")["log"] == []


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil", ""])
@pytest.mark.parametrize("path", ["/", "/_control/state", "/beta/external/authorizationSystems"])
def test_a_foreign_host_name_is_refused(sandbox, host, path):
    assert requests.get(sandbox.url + path, headers={"Host": host}, timeout=5).status_code in (400, 403)


def test_a_loopback_name_is_not_foreign(sandbox):
    url = f"http://localhost:{sandbox.port}"
    assert requests.get(f"{sandbox.url}/_control/clock", headers={"Host": url[7:]}, timeout=5).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1", "https://{host}"])
@pytest.mark.parametrize("path", ["/_control/advance", "/page/advance"])
def test_a_page_from_elsewhere_controls_nothing(sandbox, control, origin, path):
    headers = {"Origin": origin.format(host=sandbox.servicenow_host)}

    answer = requests.post(sandbox.url + path, data="seconds=3600", headers=headers, timeout=5)

    assert answer.status_code == 403
    assert control.get("clock")["offsetSeconds"] == 0


def test_the_page_shows_and_decides(sandbox, control, graph, body):
    body["justification"] = "<script>alert('x')</script>"
    request_id = graph.created(body)
    control.patch("tickets/INC1234567", work_notes="linked <b>here</b>")

    page = requests.get(sandbox.url, timeout=5)

    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "<script" not in page.text
    assert "&lt;script&gt;" in page.text
    assert "linked &lt;b&gt;here" in page.text
    assert f'action="/page/requests/{request_id}/approve"' in page.text
    headers = {"Origin": sandbox.url}
    after = requests.post(f"{sandbox.url}/page/requests/{request_id}/approve", headers=headers, timeout=5)
    assert (after.status_code, [step.status_code for step in after.history]) == (200, [303])
    requests.post(f"{sandbox.url}/page/advance", data={"seconds": "7200"}, headers=headers, timeout=5)
    assert graph.changes(request_id)[-1] == ("completed", None)
    again = requests.post(f"{sandbox.url}/page/requests/{request_id}/reject", headers=headers, timeout=5)
    assert again.status_code == 400
    assert requests.post(f"{sandbox.url}/page/advance", data={"seconds": "-1"}, timeout=5).status_code == 400


def test_a_ticket_is_approved_and_rejected_on_the_page(sandbox, control):
    headers = {"Origin": sandbox.url}
    assert 'action="/page/tickets/CHG0030002/approve"' in requests.get(sandbox.url, timeout=5).text

    requests.post(f"{sandbox.url}/page/tickets/CHG0030002/approve", headers=headers, timeout=5).raise_for_status()
    change = control.get("tickets/CHG0030002")

    assert (change["approval"], change["state"]) == ("approved", "-1")
    assert [(row["state"], row["sys_updated_by"]) for row in change["approvals"]] == [("approved", "alexmanager")]
    assert 'action="/page/tickets/CHG0030002/approve"' not in requests.get(sandbox.url, timeout=5).text

    control.patch("tickets/INC1234567", approval="requested")
    control.post("tickets/REQ0012345/reject")
    assert control.get("tickets/REQ0012345")["state"] != "-1"
    assert requests.post(f"{sandbox.url}/page/tickets/nope/approve", headers=headers, timeout=5).status_code == 404
    assert requests.post(f"{sandbox.url}/page/tickets/CHG0030002/x", headers=headers, timeout=5).status_code == 404


def test_state_survives_in_a_file(tmp_path, body):
    url = "/beta/identityGovernance/permissionsManagement/scheduledPermissionsRequests"
    ids = []
    for _ in range(2):
        with Sandbox(state=tmp_path / "state.db") as sandbox:
            requests.post(f"{sandbox.url}/_control/advance", json={"seconds": 100}, timeout=5).raise_for_status()
            made = requests.post(sandbox.url + url, json=body, headers={"Authorization": "Bearer a"}, timeout=5)
            ids.append(made.json()["id"])
            state = requests.get(f"{sandbox.url}/_control/state", timeout=5).json()

    assert [one["id"] for one in state["requests"]] == ids
    assert len(set(ids)) == 2
    assert len(state["records"]["incident"]) == 3
    with contextlib.closing(sqlite3.connect(tmp_path / "state.db")) as database:
        clock = database.execute("SELECT value FROM meta WHERE key = 'clock'").fetchone()
    assert clock == (200_000_000,)


def test_a_taken_port_is_told(sandbox):
    with pytest.raises(OSError, match="in use"), Sandbox(port=sandbox.port):
        pass


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_it_is_interrupted(number):
    command = [sys.executable, "-m", "pmgitops.sandbox", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        url = process.stdout.readline().strip()
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=5)
        connection.request("GET", "/_control/clock")
        assert connection.getresponse().status == 200
        process.send_signal(number)
        _, errors = process.communicate(timeout=10)
        connection.close()

    assert (process.returncode, errors) == (0, "")


def test_it_imports_nothing_of_the_product():
    code = "import sys, pmgitops.sandbox.server; print(*[m for m in sys.modules if m.startswith('pmgitops.')])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert loaded
    assert [name for name in loaded if not name.startswith("pmgitops.sandbox")] == []
