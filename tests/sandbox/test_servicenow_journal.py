"""Work notes, approvals and attachments: what links a ticket to what was done for it."""

from __future__ import annotations

import hashlib
import json
import re

import pysnow
import pytest
import requests

AUTH = ("pmgitops", "sandbox")


@pytest.fixture
def client(sandbox):
    session = requests.Session()
    session.trust_env = False
    session.auth = AUTH
    with session:
        yield pysnow.Client(host=sandbox.servicenow_host, use_ssl=False, session=session)


@pytest.fixture
def incident(client):
    return client.resource(api_path="/table/task").get({"number": "INC1234567"}).one()["sys_id"]


@pytest.fixture
def note(client, incident):
    """Write a work note, as pysnow can: PATCH by sys_id."""

    def write(text):
        body = json.dumps({"work_notes": text})
        return client.resource(api_path="/table/incident").request("PATCH", path_append=f"/{incident}", data=body).one()

    return write


@pytest.fixture
def journal(client, incident):
    return lambda: client.resource(api_path="/table/sys_journal_field").get(
        f"element_id={incident}^element=work_notes^ORDERBYDESCsys_created_on"
    ).all()  # fmt: skip


def _shown(client, incident, display):
    resource = client.resource(api_path="/table/incident")
    return resource.get({"sys_id": incident}, fields=["work_notes"], display_value=display).one()["work_notes"]


def test_a_note_is_appended_and_the_field_reads_empty(note, journal):
    answer = note("granted until 07:30\npmgitops/1 abc")
    note("granted until 07:30\npmgitops/1 abc")

    assert answer["work_notes"] == ""
    assert answer["sys_mod_count"] == "1"
    entries = list(journal())
    assert [entry["value"] for entry in entries] == ["granted until 07:30\npmgitops/1 abc"] * 2
    assert len({entry["sys_id"] for entry in entries}) == 2
    assert (entries[0]["name"], entries[0]["sys_created_by"]) == ("incident", "pmgitops")


def test_display_values_show_the_journal_as_text_newest_first(client, incident, note):
    note("first")
    note("second")

    text = _shown(client, incident, True)

    heads = re.findall(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d - pmgitops Integration \(Work notes\)$", text, re.MULTILINE)
    assert len(heads) == 2
    assert text.index("second") < text.index("first")
    assert _shown(client, incident, "all") == {"value": "", "display_value": text}
    assert _shown(client, incident, False) == ""


def test_comments_are_kept_apart_from_work_notes(client, incident, note):
    note("inside")
    client.resource(api_path="/table/incident").update({"sys_id": incident}, {"comments": "outside"}).one()

    assert "outside" not in _shown(client, incident, True)


def test_a_caller_may_be_blind_to_the_journal(client, control, incident, note, journal):
    note("written")
    control.post("settings", journalReadable=False)
    assert list(journal()) == []
    assert "written" in _shown(client, incident, True)

    control.post("settings", notesReadable=False)
    assert _shown(client, incident, True) == ""


def test_approvals_of_a_ticket_are_rows_of_their_own(client):
    query = "sysapproval.number=RITM0012345"
    rows = client.resource(api_path="/table/sysapproval_approver").get(query, fields=["state", "approver.email"]).all()

    assert list(rows) == [{"state": "approved", "approver.email": "alexmanager@contoso.com"}]
    item = client.resource(api_path="/table/sc_req_item").get({"number": "RITM0012345"}).one()
    assert item["approval"] == "approved"
    assert item["approval_set"]


@pytest.mark.parametrize("decision", ["approved", "rejected"])
def test_a_decision_decides_the_ticket(sandbox, client, decision):
    rows = client.resource(api_path="/table/sysapproval_approver")
    row = rows.get("sysapproval.number=CHG0030002").one()
    assert row["state"] == "requested"
    url = f"{sandbox.url}/api/now/table/sysapproval_approver/{row['sys_id']}"
    requests.patch(url, json={"state": decision}, auth=("megan", "sandbox"), timeout=10).raise_for_status()

    change = client.resource(api_path="/table/change_request").get({"number": "CHG0030002"}).one()
    delegated = client.resource(api_path="/table/sysapproval_approver").get({"sys_id": row["sys_id"]}).one()

    assert change["approval"] == decision
    assert change["approval_set"]
    assert delegated["sys_updated_by"] == "megan"


def test_a_ticket_waits_for_its_last_approver(client, control):
    change = client.resource(api_path="/table/change_request").get({"number": "CHG0030002"}).one()
    second = control.post(
        "tickets",
        approver="megan",
        sysapproval=change["sys_id"],
        state="requested",
        **{"class": "sysapproval_approver"},
    )

    def approve(row):
        client.resource(api_path="/table/sysapproval_approver").update({"sys_id": row}, {"state": "approved"}).one()
        return control.get("tickets/CHG0030002")["approval"]

    rows = control.get("tickets/CHG0030002")["approvals"]
    assert approve(rows[0]["sys_id"]) == "requested"
    assert approve(second["sys_id"]) == "approved"


def test_users_may_share_an_address_be_inactive_or_renamed(client, control):
    control.post("tickets", user_name="alex2", email="alex@contoso.com", **{"class": "sys_user"})
    with pytest.raises(pysnow.exceptions.MultipleResults):
        client.resource(api_path="/table/sys_user").get({"email": "alex@contoso.com"}).one()

    client.resource(api_path="/table/sys_user").update(
        {"user_name": "alex2"}, {"active": False, "user_name": "lee"}
    ).one()
    found = client.resource(api_path="/table/sys_user").get({"email": "alex@contoso.com", "active": "false"}).one()
    assert found["user_name"] == "lee"


def _upload(client, incident, content=b'{"evidence": true}', name="evidence.json"):
    resource = client.resource(api_path="/attachment")
    resource.parameters.add_custom({"table_name": "incident", "table_sys_id": incident, "file_name": name})
    return resource.request("POST", path_append="/file", data=content, headers={"Content-Type": "application/json"})


def test_an_attachment_is_kept_with_its_hash(client, incident, control):
    content = b'{"evidence": true}'
    made = _upload(client, incident, content).one()

    assert made["hash"] == hashlib.sha256(content).hexdigest()
    assert made["size_bytes"] == str(len(content))
    assert (made["table_name"], made["table_sys_id"], made["file_name"]) == ("incident", incident, "evidence.json")
    listed = client.resource(api_path="/attachment").get(f"table_sys_id={incident}^file_name=evidence.json").one()
    assert listed == made
    answer = (
        client.resource(api_path="/attachment")
        .request("GET", path_append=f"/{made['sys_id']}/file", headers={"Accept": "*/*"})
        ._response
    )
    assert answer.content == content
    assert answer.headers["Content-Type"] == "application/json"
    assert json.loads(answer.headers["X-Attachment-Metadata"])["hash"] == made["hash"]
    assert requests.get(made["download_link"], auth=AUTH, timeout=10).content == content
    assert control.get("tickets/INC1234567")["attachments"][0]["sys_id"] == made["sys_id"]


def test_an_attachment_is_uploaded_as_a_form_too(sandbox, incident):
    content = bytes(range(256))
    answer = requests.post(
        f"{sandbox.url}/api/now/attachment/upload",
        files={
            "table_name": (None, "incident"),
            "table_sys_id": (None, incident),
            "uploadFile": ("all bytes.bin", content, "application/octet-stream"),
        },
        auth=AUTH,
        timeout=10,
    )

    assert answer.status_code == 201
    assert answer.json()["result"]["hash"] == hashlib.sha256(content).hexdigest()
    assert answer.headers["Location"].endswith(answer.json()["result"]["sys_id"])


def test_an_attachment_is_renamed_and_deleted(sandbox, client, incident):
    url = f"{sandbox.url}/api/now/attachment/{_upload(client, incident).one()['sys_id']}"

    assert requests.patch(url, json={"file_name": "renamed.json"}, auth=AUTH, timeout=10).status_code == 204
    assert requests.get(url, auth=AUTH, timeout=10).json()["result"]["file_name"] == "renamed.json"
    assert requests.delete(url, auth=AUTH, timeout=10).status_code == 204
    assert requests.get(f"{url}/file", auth=AUTH, timeout=10).status_code == 404


def test_an_attachment_needs_a_name_and_a_record_that_is_there(sandbox, incident, control):
    url = f"{sandbox.url}/api/now/attachment/file"
    query = {"table_name": "incident", "table_sys_id": incident}
    post = lambda **changes: requests.post(  # noqa: E731
        url, params={**query, **changes}, data=b"x", headers={"Content-Type": "text/plain"}, auth=AUTH, timeout=10
    )

    assert post().status_code == 400
    assert post(file_name="x", table_sys_id="0" * 32).status_code == 404
    control.post("settings", hidden=["INC1234567"])
    assert post(file_name="x").status_code == 404


def test_the_instances_properties_bound_attachments(client, incident, control):
    control.post("settings", attachmentEncrypted=True)
    assert _upload(client, incident, b"1").one()["hash"] == ""

    control.post("settings", attachmentEncrypted=False, attachmentRefuseIdentical=True, attachmentMaxBytes=20)
    control.post("settings", attachmentExtensions=["json"])
    assert _upload(client, incident, b"2")._response.status_code == 201
    assert _upload(client, incident, b"2")._response.status_code == 403
    assert _upload(client, incident, b"2" * 21)._response.status_code == 400
    assert _upload(client, incident, b"3", name="run.exe")._response.status_code == 403
