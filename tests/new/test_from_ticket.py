"""`--from-ticket`: what somebody ordered becomes a request, and nothing but values of it."""

from __future__ import annotations

import pytest
import requests
import yaml

from pmgitops.load import RequestFile, load
from tests.new.conftest import SYSTEMS

ITEM = "Access to a cloud subscription"
FORM = {
    "kind": "azure-roles",
    "authorizationSystemId": "{{ variables.subscription }}",
    "roles": ["{{ variables.role }}"],
    "justification": "{{ variables.reason }}",
    "notes": "{{ variables.remarks }}",
    "scheduleInfo": {"expiration": {"duration": "{{ variables.hours }}h"}},
}
PATH = "requests/alex-ritm0012345.yaml"


def configure(world, form=None, name=ITEM, **system):
    ticket = {"host": f"http://{world.sandbox.servicenow_host}", "gate": "required", **system}
    if form is not None:
        ticket["forms"] = {name: form}
    world.write("pmgitops.yaml", yaml.safe_dump({"apiVersion": "pmgitops/v1", "tickets": {"ServiceNow": ticket}}))


def requested(world, path=PATH):
    loaded = load(path, (world.clone / path).read_bytes())
    assert isinstance(loaded, RequestFile), loaded
    return loaded.request.content()


def answer(world, name, value):
    """Somebody else's answer to one question of the seeded order."""
    url = f"http://{world.sandbox.servicenow_host}"
    asked = {"sysparm_query": f"item_option_new.name={name}", "sysparm_fields": "sys_id"}
    login = {"auth": ("pmgitops", "sandbox"), "timeout": 20}
    row = requests.get(f"{url}/api/now/table/sc_item_option", params=asked, **login).json()["result"][0]
    changed = requests.patch(f"{url}/api/now/table/sc_item_option/{row['sys_id']}", json={"value": value}, **login)
    assert changed.ok, changed.text


def test_a_request_from_the_seeded_order(world) -> None:
    configure(world, FORM)
    ran = world.run("new", "--from-ticket", "RITM0012345")
    assert ran.code == 0, ran
    assert f"{PATH} written" in ran.out
    assert requested(world) == {
        "apiVersion": "pmgitops/v1",
        "kind": "azure-roles",
        "authorizationSystemId": SYSTEMS["azure"],
        "resourceId": f"/subscriptions/{SYSTEMS['azure']}",
        "identity": {"externalId": "alex@contoso.com", "source": "ed", "type": "user"},
        "roles": ["cdda3590-29a3-44f6-95f2-9f980659eb04"],
        "justification": 'Read the analytics project\'s logs: see "#1"\nkind: gcp-roles',
        "scheduleInfo": {"expiration": {"type": "afterDuration", "duration": "PT2H"}},
        "ticketInfo": {
            "ticketNumber": "RITM0012345",
            "ticketSystem": "ServiceNow",
            "ticketSubmitterIdentityId": "alex@contoso.com",
            "ticketApproverIdentityId": "alexmanager@contoso.com",
        },
    }


def test_flags_stand_over_the_ticket(world) -> None:
    configure(world, FORM)
    ran = world.run(
        "new", "azure-roles", "--from-ticket", "RITM0012345", "--end", "2099-01-01T00:00:00Z", "--name", "x"
    )
    assert requested(world, "requests/x.yaml")["scheduleInfo"]["expiration"] == {
        "type": "afterDateTime",
        "endDateTime": "2099-01-01T00:00:00Z",
    }, ran
    other = world.run("new", "gcp-roles", "--from-ticket", "RITM0012345")
    assert (other.code, "is of the kind azure-roles, not gcp-roles" in other.err) == (2, True)


@pytest.mark.parametrize(
    "value",
    [
        "x\nroles: [8e3af657-a8ff-443c-a75c-2fe8c4bcb635]",
        'x", "roles": ["8e3af657',
        "{{ ticket.approver }} {% for x in range(3) %}",
        "}\nticketInfo: {}",
        "- a: b # c",
        "no",
        "&a *b !!python/object",
    ],
)
def test_a_variable_is_a_value_and_nothing_else(world, value) -> None:
    configure(world, FORM)
    answer(world, "reason", value)
    assert world.run("new", "--from-ticket", "RITM0012345").code in {0, 1}
    request = requested(world)
    assert request["justification"] == value
    assert request["roles"] == ["cdda3590-29a3-44f6-95f2-9f980659eb04"]
    assert set(request) == {
        *("apiVersion", "kind", "authorizationSystemId", "resourceId", "identity", "roles"),
        *("justification", "scheduleInfo", "ticketInfo"),
    }


@pytest.mark.parametrize("value", ["cdda3590-29a3-44f6-95f2-9f980659eb04\n- x", "a, b", "Owner", "../x", "\u200b"])
def test_what_does_not_fit_its_field_is_refused(world, value) -> None:
    configure(world, FORM)
    answer(world, "role", value)
    ran = world.run("new", "--from-ticket", "RITM0012345")
    assert ran.code == 2, ran
    assert "--role (roles.0)" in ran.err
    assert not (world.clone / PATH).exists()


def test_a_list_in_one_text_is_split_because_the_form_says_so(world) -> None:
    configure(world, FORM | {"roles": "{{ variables.role }}"})
    ids = ["cdda3590-29a3-44f6-95f2-9f980659eb04", "312a565d-c81f-4fd8-895a-4e21e48d571c"]
    answer(world, "role", ", ".join(ids))
    assert world.run("new", "--from-ticket", "RITM0012345").code == 0
    assert requested(world)["roles"] == ids


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"notes": "{{ variables.remark }}"}, "the form's notes: 'dict object' has no attribute 'remark'"),
        ({"notes": "{{ nothing }}"}, "the form's notes: 'nothing' is undefined"),
        ({"notes": "{{ variables"}, "the form's notes: "),
        ({"notes": "{{ ''.__class__.__mro__ }}"}, "the form's notes: access to attribute '__class__'"),
        ({"roles": ["{{ 1 / 0 }}"]}, "the form's roles.0: division by zero"),
    ],
)
def test_a_form_that_cannot_be_filled(world, change, says) -> None:
    configure(world, FORM | change)
    ran = world.run("new", "--from-ticket", "RITM0012345")
    assert ran.code == 2
    assert says in ran.err
    assert "the variables of this ticket: subscription, role, hours, reason, remarks" in ran.err


def test_a_form_of_a_field_that_is_none(world) -> None:
    configure(world, FORM | {"role": ["x"]})
    ran = world.run("check")
    assert ran.code == 2
    assert "unknown field 'role'; did you mean 'roles'?" in ran.err


@pytest.mark.parametrize(
    ("number", "says"),
    [
        ("RITM0099999", "is not there, or we may not read it"),
        ("RITM1", "is not a ticket number of ServiceNow"),
        ("RITM0012345^ORactive=true", "is not a ticket number of ServiceNow"),
    ],
)
def test_a_ticket_that_is_none(world, number, says) -> None:
    configure(world, FORM)
    ran = world.run("new", "--from-ticket", number)
    assert ran.code == 2
    assert says in ran.err


def test_a_ticket_without_a_form(world) -> None:
    configure(world)
    assert "no ticket system of pmgitops.yaml has forms" in world.run("new", "--from-ticket", "RITM0012345").err
    configure(world, FORM, name="Another item")
    ran = world.run("new", "--from-ticket", "RITM0012345")
    assert "was ordered as 'Access to a cloud subscription'" in ran.err
    assert "there are: Another item" in ran.err


def test_a_ticket_system_that_is_down(world) -> None:
    configure(world, FORM, host="http://127.0.0.1:9")
    assert world.run("new", "--from-ticket", "RITM0012345").code == 6
