"""`pmgitops new` for scripts: every field by its flag, defaults for the rest, nothing written over."""

from __future__ import annotations

import pytest

from pmgitops.drafting.fields import FIELDS
from pmgitops.drafting.fields import KINDS as KINDS_OF_FLAGS
from pmgitops.load import RequestFile, load
from pmgitops.model.request import KINDS
from tests.new.conftest import WHY, flags
from tests.world import ROOT, run


def requested(home, path):
    loaded = load(path, (home / path).read_bytes())
    assert isinstance(loaded, RequestFile), loaded
    return loaded.request.content()


def test_the_kinds_are_the_models() -> None:
    assert KINDS_OF_FLAGS == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_what_it_writes_passes_check(home, kind) -> None:
    ran = run("-C", str(home), *flags(kind, "--dir", "platform"))
    assert ran.code == 0, ran
    assert "1 request judged: nothing to mend" in ran.out
    assert run("-C", str(home), "check").code == 0
    request = requested(home, "requests/platform/alex-inc1234567.yaml")
    assert request["identity"]["externalId"] == "alex@contoso.com", "whom git commits as"
    assert request["identity"]["source"] == ("saml" if kind.startswith("aws") else "ed")
    assert request["scheduleInfo"] == {"expiration": {"type": "afterDuration", "duration": "PT1H"}}
    assert request["ticketInfo"]["ticketSystem"] == "ServiceNow"
    assert request["ticketInfo"]["ticketSubmitterIdentityId"] == "alex@contoso.com"


EVERYTHING = {
    "--identity": "arn:aws:iam::377596131774:role/deploy",
    "--identity-source": "aws",
    "--identity-type": "role",
    "--identity-account": "377596131774",
    "--assign-to-role": "arn:aws:iam::956987887735:role/saml-user",
    "--notes": "no: 1:30 # x",
    "--start": "2030-01-01T09:00:00Z",
    "--duration": "1d2h30m",
    "--ticket-system": "ServiceNow",
    "--ticket-submitter": "alex@contoso.com",
    "--repeat": "yearly on last fri of November",
    "--repeat-from": "2030-01-02",
    "--repeat-times": "3",
    "--time-zone": "Europe/Zurich",
}


def test_every_field_has_its_flag(home) -> None:
    said = [word for pair in EVERYTHING.items() for word in pair]
    assert run("-C", str(home), *flags("aws-policies", "--name", "all", *said)).code in {0, 1}
    request = requested(home, "requests/all.yaml")
    assert request["identity"] == {
        "externalId": "arn:aws:iam::377596131774:role/deploy",
        "source": "aws",
        "type": "role",
        "accountId": "377596131774",
    }
    assert request["assignToRoleId"] == "arn:aws:iam::956987887735:role/saml-user"
    assert (request["justification"], request["notes"]) == (WHY, "no: 1:30 # x")
    assert request["scheduleInfo"] == {
        "startDateTime": "2030-01-01T09:00:00Z",
        "expiration": {"type": "afterDuration", "duration": "P1DT2H30M"},
        "recurrence": {
            "pattern": {
                "type": "relativeYearly",
                "interval": 1,
                "daysOfWeek": ["friday"],
                "month": 11,
                "index": "last",
            },
            "range": {
                "type": "numbered",
                "startDate": "2030-01-02",
                "recurrenceTimeZone": "Europe/Zurich",
                "numberOfOccurrences": 3,
            },
        },
    }
    flagged = {*EVERYTHING, *flags("aws-policies"), "--end", "--resource", "--action", "--role", "--statement"}
    assert {field.flag for field in FIELDS} <= flagged


@pytest.mark.parametrize(
    ("end", "expiration"),
    [
        ("never", {"type": "noExpiration"}),
        ("unspecified", {"type": "notSpecified"}),
        ("2031-01-01T00:00:00+01:00", {"type": "afterDateTime", "endDateTime": "2030-12-31T23:00:00Z"}),
    ],
)
def test_ends(home, end, expiration) -> None:
    run("-C", str(home), *flags("gcp-roles", "--end", end, "--name", "x"))
    assert requested(home, "requests/x.yaml")["scheduleInfo"] == {"expiration": expiration}


def test_statements_in_words_and_in_yaml(home) -> None:
    said = [
        "allow s3:GetObject, s3:List* on arn:aws:s3:::a if Bool aws:MFA true and StringLike aws:team 'the team',x",
        "guard: deny not iam:Get* on not arn:aws:s3:::b",
        '{effect: allow, actions: ["*"], resources: ["*"], condition: {StringEquals: {aws:x: "a, b: c"}}}',
    ]
    words = [word for one in said for word in ("--statement", one)]
    ran = run("-C", str(home), *flags("aws-actions", "--name", "x", *words))
    assert ran.code == 1, "judged, and refused by the starter's policies"
    _, first, guard, raw = requested(home, "requests/x.yaml")["statements"]
    assert first == {
        "statementId": "statement2",
        "effect": "allow",
        "actions": ["s3:GetObject", "s3:List*"],
        "resources": ["arn:aws:s3:::a"],
        "condition": {
            "Bool": {"aws:MFA": "true"},
            "StringLike": {"aws:team": ["the team", "x"]},
        },
    }
    assert guard == {
        "statementId": "guard",
        "effect": "deny",
        "notActions": ["iam:Get*"],
        "notResources": ["arn:aws:s3:::b"],
    }
    assert raw["condition"] == {"StringEquals": {"aws:x": "a, b: c"}}


@pytest.mark.parametrize(
    ("words", "pattern"),
    [
        ("daily", {"type": "daily", "interval": 1}),
        ("every 3 days", {"type": "daily", "interval": 3}),
        ("weekly on mon", {"type": "weekly", "interval": 1, "daysOfWeek": ["monday"], "firstDayOfWeek": "monday"}),
        ("monthly on 5", {"type": "absoluteMonthly", "interval": 1, "dayOfMonth": 5}),
        (
            "every 2 months on second tuesday",
            {"type": "relativeMonthly", "interval": 2, "daysOfWeek": ["tuesday"], "index": "second"},
        ),
        ("yearly on 24 december", {"type": "absoluteYearly", "interval": 1, "dayOfMonth": 24, "month": 12}),
    ],
)
def test_recurrences(home, words, pattern) -> None:
    run("-C", str(home), *flags("gcp-roles", "--repeat", words, "--repeat-until", "2099-01-01", "--name", "x"))
    recurrence = requested(home, "requests/x.yaml")["scheduleInfo"]["recurrence"]
    assert recurrence["pattern"] == pattern
    assert recurrence["range"]["endDate"] == "2099-01-01"


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--duration", "soon"], "--duration (scheduleInfo.expiration.duration): 'soon' is not a positive duration"),
        (["--system", "95698788773"], "--system (authorizationSystemId): '95698788773' is not an AWS account id"),
        (["--policy", "arn:aws:iam::1:policy/x"], "--policy (policies.1): "),
        (["--identity-source", "samm"], "did you mean 'saml'?"),
        (["--role", "x"], "unknown field 'roles'"),
        (["--repeat", "often"], "--repeat: 'often' is not a recurrence"),
        (["--repeat-times", "3"], "--repeat is missing"),
        (["--end", "2031-01-01T00:00:00Z", "--duration", "1h"], "has both duration and endDateTime"),
        (["--statement", "grant x"], "begins with neither allow nor deny"),
        (["--statement", "allow x"], "lacks `on RESOURCE`"),
        (["--statement", "{a: b"], "--statement: "),
        (["--statement", "allow x on 'y"], "a quotation mark"),
        (["--statement", "allow x on y if z"], "a condition is OPERATOR KEY VALUE"),
        (["--name", "Alex"], "'Alex' is not a request's name"),
        (["--dir", "../x"], "is not a folder below requests/"),
        (["--dir", "/x"], "is not a folder below requests/"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_written(home, more, says) -> None:
    ran = run("-C", str(home), *flags("aws-policies", *more))
    assert ran.code == 2, ran
    assert says in ran.err
    assert [path.name for path in (home / "requests").rglob("*.yaml")] == []


def test_what_is_missing_is_told_at_once(home) -> None:
    ran = run("-C", str(home), "new", "azure-roles")
    assert ran.code == 2
    for flag in ("--system", "--role", "--justification"):
        assert flag in ran.err
    assert run("-C", str(home), "new").err.startswith("pmgitops: which kind of request?")
    assert "did you mean 'aws-policies'?" in run("-C", str(home), "new", "aws-policy").err


def test_findings_are_shown_and_the_file_stays(home) -> None:
    ran = run("-C", str(home), *flags("aws-policies", "--duration", "9d"))
    assert ran.code == 1
    assert "requests/alex-inc1234567.yaml:10:26: error [short-lived]" in ran.out
    assert "pmgitops check requests/alex-inc1234567.yaml" in ran.out
    assert (home / "requests/alex-inc1234567.yaml").exists()


def test_nothing_is_written_over_in_silence(home) -> None:
    assert run("-C", str(home), *flags("aws-policies", "--name", "x", "--dir", "a")).code == 0
    file = home / "requests/a/x.yaml"
    before = file.read_bytes()
    again = run("-C", str(home), *flags("aws-policies", "--name", "x", "--dir", "a"))
    assert (again.code, "requests/a/x.yaml was there already" in again.out) == (0, True)
    other = flags("aws-policies", "--name", "x", "--dir", "a", "--notes", "other")
    refused = run("-C", str(home), *other)
    assert (refused.code, file.read_bytes()) == (2, before)
    assert "requests/a/x.yaml is there already, and says something else" in refused.err
    assert run("-C", str(home), *other, "--force").code == 0
    assert b"notes: other" in file.read_bytes()
    elsewhere = run("-C", str(home), *flags("aws-policies", "--name", "x", "--dir", "b", "--force"))
    assert elsewhere.code == 2
    assert "the name 'x' is requests/a/x.yaml's already" in elsewhere.err
    assert [path.name for path in (home / "requests").rglob("*") if path.is_file()] == ["README.md", "x.yaml"]


def test_a_usual_name_is_nobody_elses(home) -> None:
    for notes in ("one", "two", "two"):
        assert run("-C", str(home), *flags("aws-policies", "--notes", notes)).code == 0
    names = sorted(path.name for path in (home / "requests").glob("*.yaml"))
    assert names == ["alex-inc1234567-2.yaml", "alex-inc1234567.yaml"]


def test_links_are_not_followed(home) -> None:
    (home / "elsewhere").mkdir()
    (home / "requests" / "team").symlink_to(home / "elsewhere")
    ran = run("-C", str(home), *flags("aws-policies", "--dir", "team"))
    assert (ran.code, list((home / "elsewhere").iterdir())) == (2, [])


def test_a_copy_has_a_new_name_and_no_start(home) -> None:
    example = ROOT / "requests" / "examples" / "aws-actions.yaml"
    (home / "requests" / "platform").mkdir()
    (home / "requests" / "platform" / "old.yaml").write_bytes(example.read_bytes())
    for like in ("old", "requests/platform/old.yaml"):
        ran = run("-C", str(home), "new", "--from-request", like, "--name", f"new-{len(like)}", "--duration", "2h")
        assert f"requests/platform/new-{len(like)}.yaml" in ran.out, ran
        old = requested(home, "requests/platform/old.yaml")
        new = requested(home, f"requests/platform/new-{len(like)}.yaml")
        assert "startDateTime" not in new["scheduleInfo"]
        assert new["scheduleInfo"]["expiration"]["duration"] == "PT2H"
        assert new["statements"] == old["statements"]
        assert new["ticketInfo"] == old["ticketInfo"]
    assert run("-C", str(home), "new", "--from-request", "nobody").code == 2
    assert "not gcp-roles" in run("-C", str(home), "new", "gcp-roles", "--from-request", "old").err


def test_a_copy_for_another_system_has_its_scope(home) -> None:
    assert run("-C", str(home), *flags("gcp-roles", "--name", "whole")).code == 0
    assert run("-C", str(home), *flags("azure-roles", "--name", "all")).code == 0
    group = "/subscriptions/87eefd90-95a3-480a-ba42-56ff299a05ee/resourceGroups/logs"
    assert run("-C", str(home), *flags("azure-roles", "--name", "group", "--resource", group)).code == 0
    other = "00000000-0000-0000-0000-000000000001"
    run("-C", str(home), "new", "--from-request", "whole", "--system", "another-project", "--name", "a")
    assert requested(home, "requests/a.yaml")["resourceId"] == "another-project"
    run("-C", str(home), "new", "--from-request", "all", "--system", other, "--name", "b")
    assert requested(home, "requests/b.yaml")["resourceId"] == f"/subscriptions/{other}"
    ran = run("-C", str(home), "new", "--from-request", "group", "--system", other, "--name", "c")
    assert (ran.code, "say its --resource" in ran.err) == (2, True)


def test_a_name_of_the_ledger_is_not_given_again(world) -> None:
    world.request("alex-inc1234567")
    world.push("access")
    assert world.run("apply").code == 0
    (world.clone / "requests/team/alex-inc1234567.yaml").unlink()
    assert "is in the ledger already" in world.run(*flags("aws-policies", "--name", "alex-inc1234567")).err
    assert "alex-inc1234567-2.yaml written" in world.run(*flags("aws-policies")).out


def test_a_folder_without_git_is_enough(starter) -> None:
    ran = run(
        "-C", str(starter), *flags("gcp-roles", "--identity", "alex@contoso.com", "--ticket-system", "ServiceNow")
    )
    assert ran.code == 0, ran
    assert "--identity" in run("-C", str(starter), *flags("gcp-roles", "--ticket-system", "ServiceNow")).err


def test_for_programs(home) -> None:
    body = run("-C", str(home), *flags("gcp-roles", "--format", "json")).json
    assert (body["path"], body["requests"], body["findings"]) == ("requests/alex-inc1234567.yaml", 1, [])
    assert body["commands"][0] == "git switch --no-track -c request/alex-inc1234567 origin/main"
