"""`--propose`: one commit of one file, on a branch of its own, whatever else goes on in the clone."""

from __future__ import annotations

import shutil

import pytest

from pmgitops.drafting.hosting import Repo, repo_of
from tests.new.conftest import flags
from tests.world import git, run

BRANCH = "request/alex-inc1234567"
PATH = "requests/platform/alex-inc1234567.yaml"


def propose(home, *more):
    return run("-C", str(home), *flags("aws-policies", "--dir", "platform", "--propose", *more))


def tip(home, branch=BRANCH):
    return git("ls-remote", "origin", f"refs/heads/{branch}", at=home).partition("\t")[0]


def test_a_commit_of_that_file_alone(home) -> None:
    (home / "staged.txt").write_text("staged")
    git("add", "staged.txt", at=home)
    (home / "policies" / "data.yaml").write_text("changed\n" + (home / "policies" / "data.yaml").read_text())
    git("checkout", "-q", "-b", "elsewhere", at=home)
    git("commit", "-q", "--allow-empty", "-m", "local work", at=home)
    (home / "policies" / "data.yaml").write_text((home / "policies" / "data.yaml").read_text()[len("changed\n") :])
    (home / "unstaged.txt").write_text("x")
    before = git("status", "--porcelain", "-b", at=home)
    index = (home / ".git" / "index").read_bytes()

    ran = propose(home)

    assert ran.code == 0, ran
    assert f"{BRANCH} pushed" in ran.out
    assert "Open a pull request from" in ran.out, "the remote is none of GitHub's"
    assert git("diff-tree", "-r", "--name-status", "main", tip(home), at=home) == f"A\t{PATH}\n"
    assert git("rev-parse", f"{tip(home)}^", at=home) == git("rev-parse", "main", at=home)
    assert git("show", f"{tip(home)}:{PATH}", at=home) == (home / PATH).read_text()
    assert git("log", "-1", "--format=%an %ae %s", tip(home), at=home) == (
        "alex alex@contoso.com Request alex-inc1234567: AWS 956987887735: policy AddUserToGroup\n"
    )
    assert (home / ".git" / "index").read_bytes() == index
    after = git("status", "--porcelain", "-b", at=home)
    assert sorted({*after.splitlines()} - {*before.splitlines()}) == ["?? requests/platform/"]
    assert git("rev-parse", "--abbrev-ref", "HEAD", at=home) == "elsewhere\n"


def test_beside_what_stands_there(home) -> None:
    """A folder with others in it keeps them."""
    (home / "requests" / "platform").mkdir()
    (home / "requests" / "platform" / "README.md").write_text("x")
    git("add", "--all", at=home)
    git("commit", "-q", "-m", "more", at=home)
    git("push", "-q", "origin", "main", at=home)
    assert propose(home).code == 0
    listed = git("ls-tree", "-r", "--name-only", tip(home), "requests/", at=home).split()
    assert listed == ["requests/README.md", "requests/platform/README.md", PATH]
    git("fsck", "--strict", at=home)


def test_on_top_of_what_the_remote_has(home, tmp_path) -> None:
    """Somebody else has pushed meanwhile."""
    other = tmp_path / "other"
    git("clone", "-q", git("remote", "get-url", "origin", at=home).strip(), str(other), at=tmp_path)
    (other / "new.txt").write_text("x")
    git("add", "--all", at=other)
    git("commit", "-q", "-m", "meanwhile", at=other)
    git("push", "-q", "origin", "main", at=other)
    assert propose(home).code == 0
    assert git("rev-parse", f"{tip(home)}^", at=home) == git("rev-parse", "HEAD", at=other)


def test_again_is_the_same(home) -> None:
    assert propose(home).code == 0
    first = tip(home)
    again = propose(home)
    assert (again.code, tip(home)) == (0, first)
    assert f"{BRANCH} is at origin already" in again.out


def test_after_a_push_that_failed(home) -> None:
    origin = git("remote", "get-url", "origin", at=home).strip()
    hook = home.parent / "origin.git" / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho nobody pushes today >&2\nexit 1\n")
    hook.chmod(0o755)
    failed = propose(home)
    assert (failed.code, tip(home)) == (6, "")
    assert "does not take" in failed.err
    begun = git("rev-parse", BRANCH, at=home).strip()
    hook.unlink()
    assert propose(home).code == 0
    assert tip(home) == begun
    shutil.move(origin, origin + ".away")
    assert propose(home).code == 6


def test_a_branch_that_is_somebody_elses(home) -> None:
    git("push", "-q", "origin", f"main:refs/heads/{BRANCH}", at=home)
    ran = propose(home)
    assert ran.code == 2
    assert "already, and it brings another" in ran.err
    git("push", "-q", "origin", f":refs/heads/{BRANCH}", at=home)
    git("branch", BRANCH, "main", at=home)
    assert propose(home).code == 2
    assert tip(home) == ""


def test_what_is_blocked_is_not_proposed(home) -> None:
    ran = propose(home, "--duration", "9d")
    assert (ran.code, tip(home)) == (1, "")
    assert (home / PATH).exists()


def test_nobody_to_commit_as(home, monkeypatch) -> None:
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"):
        monkeypatch.delenv(name)
    git("config", "user.useConfigOnly", "true", at=home)
    ran = propose(home, "--identity", "alex@contoso.com")
    assert ran.code == 2
    assert "commit-tree failed" in ran.err


# GitHub


def test_the_pull_request_is_opened(home, github) -> None:
    ran = propose(home)
    assert ran.code == 0, ran
    assert "pull request https://github.com/contoso/access/pull/1" in ran.out
    (pull,) = github.pulls
    assert pull["head"]["ref"] == BRANCH
    assert (pull["base"], pull["title"]) == (
        "main",
        "Request alex-inc1234567: AWS 956987887735: policy AddUserToGroup",
    )
    assert "alex&#64;contoso.com" in pull["body"].replace("\u200b", "")
    assert {who for _, _, who in github.asked} == {"Bearer token-of-alex"}
    again = propose(home, "--format", "json")
    assert again.json["pullRequest"] == "https://github.com/contoso/access/pull/1"
    assert (again.json["pushed"], len(github.pulls)) == (False, 1)


def test_a_refusal_is_told_and_another_run_goes_on(home, github) -> None:
    github.failing = [403]
    refused = propose(home)
    assert refused.code == 6
    assert "GitHub refused (403): Resource not accessible" in refused.err
    assert "token-of-alex" not in refused.err + refused.out
    assert tip(home)
    ran = propose(home)
    assert (ran.code, len(github.pulls)) == (0, 1)


def test_an_answer_that_is_lost_opens_no_second_one(home, github) -> None:
    github.failing = [1]
    ran = propose(home)
    assert ran.code == 0, ran
    assert "pull request https://github.com/contoso/access/pull/1" in ran.out
    assert len(github.pulls) == 1


def test_without_a_token_a_person_is_told_where(home, github, monkeypatch) -> None:
    monkeypatch.delenv("GITHUB_TOKEN")
    monkeypatch.delenv("GITHUB_API_URL")
    ran = propose(home)
    assert ran.code == 0
    assert "https://github.com/contoso/access/compare/main...request/alex-inc1234567?expand=1" in ran.out
    assert github.asked == []


@pytest.mark.parametrize("api", ["http://api.github.com", "ftp://x", "https://u@x", "https://x?y", "x"])
def test_no_token_goes_where_somebody_listens(home, github, monkeypatch, api) -> None:
    monkeypatch.setenv("GITHUB_API_URL", api)
    ran = propose(home)
    assert (ran.code, github.asked) == (2, [])
    assert "GITHUB_API_URL" in ran.err


OURS = Repo("github.com", "contoso", "access")


@pytest.mark.parametrize(
    ("address", "api", "repo"),
    [
        ("https://github.com/contoso/access", "https://api.github.com", OURS),
        ("https://user:pw@github.com/contoso/access.git", "https://api.github.com", OURS),
        ("git@github.com:contoso/access.git", "https://api.github.com", OURS),
        ("ssh://git@github.com:22/contoso/access.git/", "https://api.github.com", OURS),
        ("https://github.com/contoso/access", "https://ghe.example/api/v3", None),
        ("https://ghe.example/contoso/access", "https://api.github.com", None),
        ("https://ghe.example/contoso/access", "https://ghe.example/api/v3", Repo("ghe.example", "contoso", "access")),
        ("https://github.com.evil.example/contoso/access", "https://api.github.com", None),
        ("https://evil.example/github.com/contoso/access", "https://api.github.com", None),
        ("https://github.com@evil.example/contoso/access", "https://api.github.com", None),
        ("/srv/git/access.git", "https://api.github.com", None),
        ("https://github.com/contoso/a/b", "https://api.github.com", None),
    ],
)
def test_whose_repository_an_address_names(address, api, repo) -> None:
    assert repo_of([address], api) == repo
