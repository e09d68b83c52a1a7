"""Journals, approvals and users, behaviours 17 to 20, through our adapter and bare pysnow."""

from __future__ import annotations

import re
from dataclasses import asdict

import pysnow
import pytest

NUMBER = "INC1234567"
MARKER = "pmgitops/1 " + "0123456789abcdef" * 2


@pytest.fixture
def link(ours):
    return ours.find(NUMBER)[0].link("ServiceNow")


@pytest.fixture
def shown(bare):
    """A journal field of the ticket in a display mode."""
    return lambda mode, field="work_notes": bare().get({"number": NUMBER}, display_value=mode).one()[field]


# 17: journal fields


def test_17_journal_fields_append(ours, bare, link):
    ours.add_note(link, f"twice\n{MARKER}")
    ours.add_note(link, f"twice\n{MARKER}")
    bare().update({"number": NUMBER}, {"comments": "outside"}).one()

    rows = list(bare("sys_journal_field").get(f"element_id={link.sys_id}^ORDERBYelement").all())
    assert [(row["name"], row["element"], row["value"], row["sys_created_by"]) for row in rows] == [
        ("incident", "comments", "outside", "pmgitops"),
        *[("incident", "work_notes", f"twice\n{MARKER}", "pmgitops")] * 2,
    ]
    assert len({row["sys_id"] for row in rows}) == 3
    assert ours.markers(link).markers == {MARKER}


def test_17_journal_fields_read_empty_or_as_text(ours, link, shown, instance):
    instance.settings(displayOffsetHours=1, displayFormat="%d/%m/%Y %H:%M")
    ours.add_note(link, "first")
    ours.add_note(link, "second")

    assert shown(False) == ""
    assert re.fullmatch(
        r"(\d\d/\d\d/\d{4} \d\d:\d\d - pmgitops Integration \(Work notes\)\n(second|first)\n\n){2}", shown(True)
    )
    assert shown(True).index("second") < shown(True).index("first")
    assert shown("all") == {"value": "", "display_value": shown(True)}
    assert shown(True, "comments") == ""


# 18: blindness


@pytest.mark.parametrize("notes", [True, False])
@pytest.mark.parametrize("journal", [True, False])
def test_18_journals_that_cannot_be_read(ours, bare, link, shown, instance, journal, notes):
    ours.add_note(link, MARKER)
    instance.settings(journalReadable=journal, notesReadable=notes)

    rows = bare("sys_journal_field").get({"element_id": link.sys_id})
    assert len(rows.all()) == journal  # nothing, and no error
    assert (MARKER in shown(True)) is notes
    seen = ours.markers(link)
    assert (seen.readable, MARKER in seen.markers) == (journal or notes, journal or notes)
    assert instance.notes(NUMBER) == [MARKER]


# 19: approvals


@pytest.fixture
def decide(instance):
    """What one user makes of an approval row."""

    def act(row, state, user="alexmanager"):
        client = instance.bare(instance.session((user, "sandbox")))
        return client.resource(api_path="/table/sysapproval_approver").update({"sys_id": row}, {"state": state}).one()

    return act


@pytest.fixture
def approver(bare):
    return lambda number: bare("sysapproval_approver").get({"sysapproval.number": number}).one()


def test_19_the_approval_of_a_ticket_is_derived(ours, bare, approver, decide):
    row = approver("CHG0030002")
    assert (row["state"], row["source_table"]) == ("requested", "change_request")
    assert row["document_id"] == row["sysapproval"]["value"]
    before = bare("change_request").get({"number": "CHG0030002"}).one()
    assert (before["approval"], before["approval_set"]) == ("requested", "")

    decide(row["sys_id"], "approved")

    after = bare("change_request").get({"number": "CHG0030002"}).one()
    assert after["approval_set"]
    assert ours.find("CHG0030002")[0].approval == after["approval"] == "approved"


def test_19_one_rejection_rejects_and_the_last_approval_approves(ours, approver, decide, instance):
    change = ours.find("CHG0030002")[0]
    first = approver("CHG0030002")["sys_id"]
    second = instance.record("sysapproval_approver", approver="megan", sysapproval=change.sys_id, state="requested")
    for row, state, derived in (
        (first, "approved", "requested"), (second["sys_id"], "approved", "approved"), (first, "rejected", "rejected"),
    ):  # fmt: skip
        decide(row, state)
        assert ours.find("CHG0030002")[0].approval == derived


def test_19_a_delegate_decides(ours, approver, decide):
    decide(approver("CHG0030002")["sys_id"], "approved", "megan")

    row = approver("CHG0030002")
    assert row["sys_updated_by"] == "megan"
    assert row["approver"]["link"].endswith(row["approver"]["value"])
    rows, _ = ours._rows(
        "/table/sysapproval_approver", f"sys_id={row['sys_id']}", fields=["approver.user_name", "state"]
    )
    assert rows == [{"approver.user_name": "alexmanager", "state": "approved"}]
    assert ours.find("CHG0030002")[0].approval == "approved"


@pytest.mark.parametrize(("state", "derived"), [("requested", "requested"), ("cancelled", "not requested")])
def test_19_an_approval_is_withdrawn_after_the_pin(ours, bare, approver, decide, state, derived):
    (pinned,) = ours.find("RITM0012345")
    assert pinned.approval == "approved"

    decide(approver("RITM0012345")["sys_id"], state)

    (now,) = ours.find("RITM0012345")
    assert {name for name, value in asdict(now).items() if value != asdict(pinned)[name]} == {"approval"}
    assert now.digest != pinned.digest
    ticket = bare("sc_req_item").get({"number": "RITM0012345"}).one()
    assert (ticket["approval"], ticket["approval_set"]) == (derived, "")


def test_19_an_approval_is_deleted_after_the_pin(ours, bare, approver):
    bare("sysapproval_approver").delete({"sys_id": approver("RITM0012345")["sys_id"]})

    assert ours.find("RITM0012345")[0].approval == "not requested"


# 20: users


def test_20_an_address_that_two_users_share(ours, bare, instance):
    instance.record("sys_user", user_name="alex2", email="alex@contoso.com")

    with pytest.raises(pysnow.exceptions.MultipleResults):
        bare("sys_user").get({"email": "alex@contoso.com"}).one()
    rows, total = ours._rows("/table/sys_user", "email=alex@contoso.com", fields=["user_name"], limit=2)
    assert (sorted(row["user_name"] for row in rows), total) == (["alex", "alex2"], 2)


def test_20_a_user_who_left(ours, bare, refused, instance):
    bare("sys_user").update({"user_name": "megan"}, {"active": False}).one()

    active = "email=megan@contoso.com^active=true"
    assert list(bare("sys_user").get(active).all()) == ours._rows("/table/sys_user", active)[0] == []
    assert bare("sys_user").get({"email": "megan@contoso.com"}).one()["active"] == "false"
    assert refused(instance.ours(("megan", "sandbox")).find, NUMBER) == ("auth", "no")


def test_20_a_user_who_was_renamed(ours, bare, link, instance):
    as_alex = instance.ours(("alex", "sandbox"))
    as_alex.add_note(link, "by the old name")
    before = bare("sys_user").get({"user_name": "alex"}).one()["sys_id"]
    bare("sys_user").update({"user_name": "alex"}, {"user_name": "alex.lee", "name": "Alex Lee"}).one()
    instance.ours(("alex.lee", "sandbox")).add_note(link, "by the new name")

    # References follow, names that were written down do not.
    rows, _ = ours._rows("/table/incident", f"number={NUMBER}", fields=["caller_id", "caller_id.name"])
    assert (rows[0]["caller_id"]["value"], rows[0]["caller_id.name"]) == (before, "Alex Lee")
    entries = bare("sys_journal_field").get(f"element_id={link.sys_id}^ORDERBYsys_created_by").all()
    assert [entry["sys_created_by"] for entry in entries] == ["alex", "alex.lee"]
