"""Attachments, behaviours 21 and 22. Our adapter has no call for them: its session carries pysnow's."""

from __future__ import annotations

import hashlib
import json

import pytest
import requests
from pysnc.exceptions import NotFoundException

NUMBER = "INC1234567"
EVIDENCE = b'{"evidence": true}'


@pytest.fixture
def target(ours):
    return ours.find(NUMBER)[0].sys_id


@pytest.fixture
def upload(target):
    """The one way in which pysnow can send bytes, on a client of one's choice."""

    def send(client, content=EVIDENCE, name="evidence.json", record=target):
        resource = client.resource(api_path="/attachment")
        resource.parameters.add_custom({"table_name": "incident", "table_sys_id": record, "file_name": name})
        headers = {"Content-Type": "application/json"}
        return resource.request("POST", path_append="/file", data=content, headers=headers)

    return send


def test_21_attachments_ours(ours, upload, target, refused):
    made = upload(ours._client).one()
    assert (made["table_sys_id"], made["hash"]) == (target, hashlib.sha256(EVIDENCE).hexdigest())
    attachments = lambda: ours._client.resource(api_path="/attachment")  # noqa: E731
    place = f"/{made['sys_id']}"
    assert attachments().get(f"table_sys_id={target}^file_name=evidence.json").one() == made
    assert attachments().request("GET", path_append=place).one() == made
    content = attachments().request("GET", path_append=f"{place}/file", headers={"Accept": "*/*"})._response.content
    assert content == EVIDENCE
    assert refused(attachments().request, "GET", path_append="/" + "0" * 32) == ("absent-or-hidden", "no")
    attachments().request("DELETE", path_append=place)
    assert refused(attachments().request, "DELETE", path_append=place) == ("absent-or-hidden", "no")


def test_21_attachments_bare(instance, upload, target):
    client = instance.bare()
    uploaded = upload(client)
    made = uploaded.one()
    assert uploaded._response.status_code == 201
    assert uploaded._response.headers["Location"] == f"{instance.url}/api/now/attachment/{made['sys_id']}"
    assert {type(value) for value in made.values()} == {str}
    assert made["size_bytes"] == str(len(EVIDENCE))

    place = f"/attachment/{made['sys_id']}"
    file = instance.rest("GET", f"{place}/file")
    assert (file.content, file.headers["Content-Type"]) == (EVIDENCE, "application/json")
    assert json.loads(file.headers["X-Attachment-Metadata"]) == made
    assert instance.rest("PATCH", place, json={"file_name": "renamed.json"}).status_code == 204
    assert instance.rest("GET", place).json()["result"]["file_name"] == "renamed.json"
    assert instance.rest("DELETE", place).status_code == 204
    assert client.resource(api_path="/attachment").get({"table_sys_id": target}).all() == []


def test_21_attachments_as_a_form(instance, target):
    content = bytes(range(256)) * 3 + b"\r\n--boundary\r\n"
    form = {
        "table_name": (None, "incident"),
        "table_sys_id": (None, target),
        "uploadFile": ("all bytes.bin", content, "application/octet-stream"),
    }
    answer = instance.rest("POST", "/attachment/upload", files=form)

    assert answer.status_code == 201
    made = answer.json()["result"]
    assert (made["file_name"], made["hash"]) == ("all bytes.bin", hashlib.sha256(content).hexdigest())
    assert instance.rest("GET", f"/attachment/{made['sys_id']}/file").content == content
    assert answer.headers["Location"].endswith(made["sys_id"])
    assert instance.rest("POST", "/attachment/upload", data=b"x").status_code == 415


def test_21_attachments_theirs(theirs, target):
    record = theirs("incident")
    assert record.get(target)
    place = record.add_attachment("evidence.json", EVIDENCE, "application/json")

    attachments = record.get_attachments()
    assert [(str(one.file_name), one.read()) for one in attachments] == [("evidence.json", EVIDENCE)]
    found = attachments._client.Attachment("incident")
    assert found.get(place.rpartition("/")[2])
    assert found.hash == hashlib.sha256(EVIDENCE).hexdigest()
    found.delete()
    assert not found.get(place.rpartition("/")[2])
    with pytest.raises(NotFoundException):
        found._client.attachment_api.upload_file("x", "incident", "0" * 32, b"x")


# 22: properties


def test_22_no_hash_where_attachments_are_encrypted(ours, upload, instance):
    instance.settings(attachmentEncrypted=True)

    assert upload(ours._client).one()["hash"] == upload(instance.bare()).one()["hash"] == ""


@pytest.mark.parametrize(
    ("settings", "content", "name", "status", "code"),
    [
        ({"attachmentRefuseIdentical": True}, EVIDENCE, "again.json", 403, "refused.rule"),
        ({"attachmentMaxBytes": 20}, b"2" * 21, "large.json", 400, "config"),
        ({"attachmentExtensions": ["json"]}, b"3", "run.exe", 403, "forbidden.record"),
        ({"hidden": [NUMBER]}, b"4", "hidden.json", 404, "absent-or-hidden"),
    ],
)
def test_22_attachments_that_are_refused(ours, upload, refused, instance, settings, content, name, status, code):
    upload(ours._client).one()
    upload(ours._client, content=b"other", name="other.json").one()
    instance.settings(**settings)

    assert refused(upload, ours._client, content, name)[0] == code
    with pytest.raises(requests.HTTPError, match=str(status)):
        upload(instance.bare(), content, name).one()
    assert len(instance.ticket(NUMBER)["attachments"]) == 2
