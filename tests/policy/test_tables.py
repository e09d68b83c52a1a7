"""Lists and windows: what they include, and what a wildcard can reach; held against every short text there is."""

from datetime import timedelta
from fnmatch import fnmatchcase
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import at, judge, load, policy, request

from pmgitops.policy.examples import NOW
from pmgitops.policy.tables import Names, Pattern, Windows

EVERY = ["".join(letters) for length in range(6) for letters in product("ab", repeat=length)]
patterns = st.text("ab*?", max_size=5)


@given(patterns, patterns)
def test_two_patterns_meet_where_some_text_fits_both(left, right):
    """Texts of five letters are long enough: a longer one that fits both can be shortened inside a star."""
    common = any(fnmatchcase(text, left) and fnmatchcase(text, right) for text in [*EVERY, *SIX])
    assert Pattern(left).meets(Pattern(right)) is common
    assert Pattern(right).meets(Pattern(left)) is common


SIX = ["".join(letters) for length in range(6, 9) for letters in product("ab", repeat=length)]


@given(patterns, st.text("ab", max_size=6))
def test_a_pattern_means_what_a_shell_s_does(pattern, text):
    assert Pattern(pattern).means(text) is fnmatchcase(text, pattern)


def test_a_wildcard_that_is_asked_for_is_no_wildcard_of_the_list():
    """Otherwise whoever asks for `*` would be in every list of what is allowed."""
    allowed = Names(["arn:aws:s3:::mine", "arn:aws:s3:::team-*"])
    assert not allowed.includes("*")
    assert not allowed.includes("arn:aws:s3:::*")
    assert not allowed.includes("arn:aws:s3:::min?")
    assert not Names(["arn:*:team:*:bucket"]).includes("arn:*:bucket")
    assert not Names(["arn:*:team:?:bucket"]).includes("arn:*?*:bucket")
    assert allowed.includes("arn:aws:s3:::team-blue*"), "which is one of those that the list's own star stands for"


@pytest.mark.parametrize("asked", ["iam:PassRole", "IAM:PASSROLE", "iam:*", "*", "iam:Pass?ole", "i*:*e"])
def test_what_reaches_the_list(asked):
    assert Names(["iam:PassRole"]).reached_by([asked])


@pytest.mark.parametrize("asked", ["iam:GetRole", "s3:*", "iam:Pass", "iam:PassRole2", "iam:Pass??ole", ""])
def test_what_does_not_reach_the_list(asked):
    assert not Names(["iam:PassRole"]).reached_by([asked])


def test_patterns_of_the_list_are_reached_by_patterns():
    names = Names(["iam:Put*Policy", "Microsoft.Authorization/*/write"])
    assert names.reached_by(["iam:*RolePolicy"])
    assert names.reached_by(["microsoft.authorization/roleassignments/*"])
    assert not names.reached_by(["iam:Get*", "Microsoft.Authorization/*/read"])


@pytest.mark.parametrize(
    ("start", "end", "falls"),
    [(0, 1, False), (0, 2, True), (2, 3, True), (1, 5, True), (4, 5, False), (0, 9, True)],
)
def test_a_window_ends_before_its_end(start, end, falls):
    window = Windows([(NOW + timedelta(hours=1), NOW + timedelta(hours=4))])
    assert window.overlap(NOW + timedelta(hours=start), NOW + timedelta(hours=end)) is falls


# --- as rules say it --------------------------------------------------------------------------------------------------

DATA = """\
accounts: ["956987887735"]
teams: [payment, "blue-*"]
blackoutWindows: [{start: 2026-01-15T10:00:00Z, end: 2026-01-15T12:00:00Z, why: freeze}]
"""


@pytest.mark.parametrize(
    ("require", "kept"),
    [
        ("data.accounts.includes(request.authorizationSystemId)", True),
        ("data.teams.includes(request.authorizationSystemId)", False),
        ("data.teams.includes('BLUE-sky')", True),
        ("data.teams.includesAny(['red', 'Payment'])", True),
        ("data.teams.includesAny(request.roles)", False),
        ("data.teams.reachedBy(['pay*'])", True),
        ("['s3:DeleteBucket'].reachedBy(request.expandedActions)", True),
        ("['s3:GetBucket', 's3:PutBucket'].reachedBy(request.expandedActions)", False),
        ("data.blackoutWindows.overlap(now, now + duration('61m'))", True),
        ("data.blackoutWindows.overlap(now, now + duration('1h'))", False),
        ("request.justification.words() == 11", True),
        ("has(data.teams) && has(data.blackoutWindows) && data.teams == data.teams", True),
    ],
)
def test_rules_look_things_up(require, kept):
    statement = {"statementId": "a", "effect": "allow", "actions": ["S3:Del*"], "resources": ["*"]}
    file = request("aws-actions", statements=[statement])
    assert (judge(policy(f'"{require}"'), file, data=DATA, now=at("2026-01-15T09:00:00Z")) == []) is kept


def test_a_thousand_names_cost_a_rule_nothing_to_carry():
    data = "accounts:\n" + "".join(f'  - "{number:012}"\n' for number in range(1000))
    loaded = load(policy("data.accounts.includes(request.authorizationSystemId)"), data=data)
    assert loaded.findings == ()
    assert loaded.engine.situation({}).known["data"] == {"blackoutWindows": 0, "accounts": 1}
