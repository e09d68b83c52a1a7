"""The prompts, in a real terminal: a person who types, is told at once, completes, and has a file that passes."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import termios
import time

import pytest

from pmgitops.load import RequestFile, load
from tests.new.conftest import SYSTEMS, WHY, flags
from tests.world import ROOT, run

ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|[()][A-Z0-9]|[=>])")
PATIENCE = 60.0
ENTER, TAB, CTRL_U, CTRL_C, CTRL_D = "\r", "\t", "\x15", "\x03", "\x04"


class Typist:
    """Somebody at a terminal of 100 columns, who reads before they type."""

    def __init__(self, *arguments: str) -> None:
        self._ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (40, 100))
        environment = os.environ | {"TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1", "COLUMNS": "100"}
        command = [sys.executable, "-m", "pmgitops", *arguments]
        self._process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True, cwd=ROOT
        )
        os.close(theirs)
        self.shown = ""

    def reads(self, words: str) -> None:
        """Until these words were shown since the last answer."""
        end = time.monotonic() + PATIENCE
        while words not in " ".join(self.shown.split()):
            assert time.monotonic() < end, f"{words!r} never came; there is:\n{self.shown}"
            self._more(end)

    def types(self, keys: str) -> None:
        self.shown = ""
        os.write(self._ours, keys.encode())

    def answers(self, question: str, keys: str = "") -> None:
        self.reads(f"{question}:")
        self.types(keys + ENTER)

    def leaves(self) -> tuple[int, str]:
        """The exit code, and what was shown at last."""
        end = time.monotonic() + PATIENCE
        while self._more(end):
            assert time.monotonic() < end, self.shown
        return self._process.wait(PATIENCE), self.shown

    def _more(self, end: float) -> bool:
        if not select.select([self._ours], [], [], max(0.0, end - time.monotonic()))[0]:
            return True
        try:
            read = os.read(self._ours, 65536)
        except OSError:  # the other side is gone
            return False
        self.shown += ESCAPES.sub("", read.decode("utf-8", "replace"))
        return bool(read)

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        os.close(self._ours)


@pytest.fixture
def typist():
    typists = []

    def start(*arguments: str) -> Typist:
        typists.append(Typist(*arguments))
        return typists[-1]

    yield start
    for one in typists:
        one.close()


def test_a_request_from_prompts_passes_check(home, typist) -> None:
    person = typist("-C", str(home), "new")
    person.answers("kind", "aws-policies")
    person.reads("system:")
    person.types("95698")
    person.reads("'95698' is not an AWS account id of twelve digits")
    person.types(CTRL_U + SYSTEMS["aws"] + ENTER)
    person.reads("identity: alex@contoso.com")
    person.types(ENTER)
    person.reads("policy 1:")
    person.types("arn:aws:iam::111111111111:policy/x")
    person.reads("is not a policy of the request's own account")
    person.types(CTRL_U + "arn:aws:iam::956987887735:policy/AddUserToGroup" + ENTER)
    person.answers("policy 2")
    person.answers("assign to role")
    person.reads("justification:")
    person.types(ENTER)
    person.reads("'justification' is missing: why the access is needed")
    person.types(WHY + ENTER)
    person.answers("notes", "no: really")
    person.answers("start")
    person.reads("duration: PT1H")
    person.types(CTRL_U + "90m" + ENTER)
    person.answers("ticket", "INC1234567")
    person.answers("ticket approver", "alexmanager@contoso.com")
    person.reads("folder: requests")
    person.types(CTRL_U + "platform" + ENTER)
    person.reads("name: alex-inc1234567")
    person.types(ENTER)
    code, shown = person.leaves()

    assert code == 0, shown
    assert "1 request judged: nothing to mend" in shown
    path = "requests/platform/alex-inc1234567.yaml"
    assert run("-C", str(home), "check").code == 0
    loaded = load(path, (home / path).read_bytes())
    assert isinstance(loaded, RequestFile)
    assert loaded.request.notes == "no: really"
    assert loaded.request.schedule_info.expiration.duration == "PT90M"


def test_names_are_completed(home, typist) -> None:
    """From the rules' accounts, and from what others have asked for."""
    assert run("-C", str(home), *flags("azure-roles", "--name", "earlier")).code == 0
    person = typist("-C", str(home), "new", "azure-roles", "--justification", WHY, "--notes", "x")
    person.reads("system:")
    person.types("87ee")
    person.reads(SYSTEMS["azure"])
    person.types(TAB + ENTER)
    person.answers("identity")
    person.reads("role 1:")
    person.types("cdda")
    person.reads("cdda3590-29a3-44f6-95f2-9f980659eb04")
    person.types(TAB + ENTER)
    person.answers("role 2")
    person.reads(f"resource: /subscriptions/{SYSTEMS['azure']}")
    person.types(ENTER)
    person.answers("start")
    person.answers("duration")
    person.answers("ticket", "INC1234567")
    person.answers("ticket approver", "alexmanager@contoso.com")
    person.answers("folder")
    person.answers("name")
    code, shown = person.leaves()
    assert code == 0, shown
    assert "requests/alex-inc1234567.yaml written" in shown


@pytest.mark.parametrize("key", [CTRL_C, CTRL_D])
def test_a_person_may_leave(home, typist, key) -> None:
    person = typist("-C", str(home), "new", "gcp-roles")
    person.reads("system:")
    person.types(key)
    code, shown = person.leaves()
    assert (code, "interrupted" in shown) == (130, True)
    assert list((home / "requests").rglob("*.yaml")) == []


def test_who_says_everything_is_asked_nothing(home, typist) -> None:
    code, shown = typist("-C", str(home), *flags("gcp-roles")).leaves()
    assert code == 0, shown


def test_without_the_extra_it_says_which(home, typist, tmp_path, monkeypatch) -> None:
    (tmp_path / "prompt_toolkit.py").write_text("raise ModuleNotFoundError('gone', name='prompt_toolkit')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    code, shown = typist("-C", str(home), "new", "gcp-roles").leaves()
    assert code == 2, shown
    assert "this needs prompt_toolkit" in shown
    assert "pip install 'pmgitops[prompts]'" in shown
    code, shown = typist("-C", str(home), "new", "gcp-roles", "--no-ask").leaves()
    assert (code, "'justification' is missing" in shown) == (2, True)


def test_a_script_is_never_asked(home) -> None:
    assert "--ask needs a terminal" in run("-C", str(home), *flags("gcp-roles", "--ask")).err


def test_what_a_flag_says_of_a_person_asks_no_less_of_the_rest(home, typist) -> None:
    """Defaults that are shown are not yet said."""
    person = typist("-C", str(home), "new", "gcp-roles", "--identity-type", "user", "--role", "roles/viewer")
    person.answers("system", SYSTEMS["gcp"])
    person.reads("identity: alex@contoso.com")
    person.types(CTRL_C)
    assert person.leaves()[0] == 130
