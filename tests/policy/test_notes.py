"""Templates of notes: found wrong where they are wrong, and never a reason not to judge."""

from __future__ import annotations

import pytest

from pmgitops.policy import bundle, notes
from tests.world import POLICY

RULE = ("policies/short-lived.yaml", POLICY.encode())
PATH = "policies/templates/note.txt.j2"

WRONG = [
    ("{{ name }}\n{% if %}", 2, "not a template"),
    ("{{ name }}\n\n  {{ nme }}", 3, "unknown name 'nme'; did you mean 'name'?"),
    ("{{ name }}\n{% for x in name %}{% endfor %}", 2, "notes have no loops"),
    ("{{ name.upper() }}", 1, "notes have no calls"),
    ("{{ 'x' * 1000 }}", 1, "notes have no '*'"),
    ("{% set x = name ~ name %}{{ x }}", 1, "notes have no variables of their own"),
    ("{% include 'other' %}", 1, "notes have no 'include'"),
    ("{{ name | center(100000) }}", 1, "notes have no filter 'center'; known are"),
    ("{{ name | nothing }}", 1, "unknown filter 'nothing'"),
    ("{{ name | truncate('a') }}", 1, "cannot be written"),
]


@pytest.mark.parametrize(("source", "line", "message"), WRONG)
def test_what_is_wrong_with_one(source, line, message):
    (found, *_) = bundle.load([RULE, (PATH, source.encode())], proofread=True).findings
    assert (found.path, found.line, found.rule) == (PATH, line, "policy-template")
    assert message in found.message


def test_a_name_that_no_note_has():
    path = "policies/templates/grantd.txt.j2"
    (found,) = bundle.load([RULE, (path, b"{{ name }}")], proofread=True).findings
    assert found.message == "there is no note called 'grantd'; did you mean 'granted.txt.j2'?"


def test_bytes_that_are_no_text():
    (found,) = bundle.load([RULE, (PATH, b"\xff\xfe")], proofread=True).findings
    assert found.message == "is not UTF-8"


@pytest.mark.parametrize("source", [source for source, *_ in WRONG])
def test_judging_goes_on_without_it(source):
    loaded = bundle.load([RULE, (PATH, source.encode())])
    assert loaded.findings == ()
    assert loaded.templates == {"note": source}
    assert notes.rendered(source, dict.fromkeys(notes.NAMES, "x")) is None


def test_other_files_beside_them_are_still_nobodys():
    (found,) = bundle.load([RULE, ("policies/templates/note.txt", b"x")]).findings
    assert found.rule == "policy-file"


def test_they_change_nothing_about_what_is_decided():
    assert bundle.load([RULE, (PATH, b"{{ name }}")]).digest == bundle.load([RULE]).digest
