"""Which files are requests, what they are called, and what becomes of what is not one."""

import pytest

from pmgitops.load import REGULAR, SUBMODULE, SYMLINK, RequestFile, load, passed_over, unique

REQUEST = b"""\
apiVersion: pmgitops/v1
kind: gcp-roles
authorizationSystemId: carbide-bonsai-205017
resourceId: carbide-bonsai-205017
roles: [roles/dialogflow.aamAdmin]
identity: {externalId: alex@contoso.com, source: ed, type: user}
justification: I look after the bots
scheduleInfo:
  expiration: {duration: PT1H}
"""


def rules(path, data=REQUEST, mode=REGULAR):
    found = load(path, data, mode=mode)
    return found.name if isinstance(found, RequestFile) else [(f.path, f.line, f.column, f.rule) for f in found]


@pytest.mark.parametrize("stem", ["a", "0", "pay-anna", "a" * 100, "a-", "1-2-3"])
def test_a_file_is_called_by_its_stem(stem):
    assert rules(f"requests/pay/{stem}.yaml") == stem


@pytest.mark.parametrize("stem", ["A", "-a", "a_b", "a.b", "a b", "ä", "a" * 101, "a\n", "AAA", "\u0430"])
def test_other_stems_are_refused(stem):
    path = f"requests/{stem}.yaml"
    assert rules(path) == [(path, 1, 1, "name")]


@pytest.mark.parametrize(
    "name", ["a.yml", "a.YAML", "a.yaml.bak", "a.yaml~", "a.json", "a", "yaml", "readme.md", "README.txt", "a.yaml "]
)
def test_what_looks_like_a_request_but_is_none_is_told(name):
    assert rules(f"requests/{name}") == [(f"requests/{name}", 1, 1, "extension")]


@pytest.mark.parametrize("name", ["README.md", ".gitkeep", ".a.yaml", ".yaml", "pay/README.md"])
def test_readmes_and_dot_files_are_passed_over(name):
    assert passed_over(f"requests/{name}")
    assert rules(f"requests/{name}", b"\xff\0 no YAML") == []


def test_a_request_is_not_passed_over():
    assert not passed_over("requests/.team/a.yaml")
    assert rules("requests/.team/a.yaml") == "a"


def test_an_executable_request_is_a_request():
    assert rules("requests/a.yaml", mode=0o100755) == "a"


@pytest.mark.parametrize("name", ["a.yaml", "README.md", ".gitkeep", "link"])
@pytest.mark.parametrize(("mode", "rule"), [(SYMLINK, "symlink"), (SUBMODULE, "submodule")])
def test_links_lead_elsewhere_and_are_refused(name, mode, rule):
    assert rules(f"requests/{name}", b"../a.yaml", mode) == [(f"requests/{name}", 1, 1, rule)]


def test_two_files_of_one_name_are_told_on_each():
    paths = ["requests/a/x.yaml", "requests/b/x.yaml", "requests/c/x.yaml", "requests/y.yaml", "requests/README.md"]
    found = unique([*paths, "requests/a/README.md"])
    assert [(f.path, f.rule) for f in found] == [(path, "duplicate-name") for path in paths[:3]]
    assert "requests/a/x.yaml, requests/c/x.yaml" in found[1].message


def test_one_path_given_twice_is_one_file():
    assert unique(["requests/a.yaml", "requests/a.yaml"]) == []


def test_a_part_of_the_request_is_found_in_its_file():
    file = load("requests/a.yaml", REQUEST)
    assert file.at(("identity", "source")) == (6, 50)
    assert file.at(("identity", "source"), key=True) == (6, 42)
    assert file.at(("roles", 0)) == (5, 9)
    assert file.at(("scheduleInfo", "expiration", "duration")) == (9, 26)
    assert file.at(("scheduleInfo", "recurrence", "range")) == (8, 1)
    assert file.at(("ticketInfo",)) == (1, 1)
    assert file.at(("roles", 7)) == (5, 1)


def test_faults_of_the_text_and_of_the_model_are_told_together():
    broken = REQUEST.replace(b"source: ed", b"source: id").replace(b"[roles/", b"[~, roles/") + b"kind: gcp-roles\n"
    assert [found[1:] for found in rules("requests/a.yaml", broken)] == [
        (5, 9, "null"),
        (6, 50, "value"),
        (10, 1, "duplicate-key"),
    ]
