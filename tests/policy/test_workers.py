"""Judging in several processes: the same findings, and a worker's trouble is everybody's."""

import os
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from made import NOW, load, policy

from pmgitops import judging
from pmgitops.errors import PmgitopsError, UsageError
from pmgitops.judging import Desk, judge_all
from pmgitops.settings import Config
from pmgitops.source import Blob

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")

TEXT = (Path(__file__).parents[2] / "requests" / "examples" / "gcp-roles.yaml").read_bytes()
BLOBS = [Blob(f"requests/r{number}.yaml", "", "100644") for number in range(1_000)]
DESK = Desk(Config(), load(policy("request.name.endsWith('7')")), NOW)
HERE = os.getpid()


class Files:
    """A thousand requests; `trouble` happens in every process but this one."""

    def __init__(self, trouble=None):
        self.trouble = trouble

    def contents(self, blobs, _limit):
        if self.trouble and os.getpid() != HERE:
            self.trouble()
        for blob in blobs:
            yield blob, TEXT if "5" not in blob.path else b"a: ["


def test_workers_find_what_one_process_finds():
    alone = judge_all(Files(), BLOBS, DESK)
    shared = judge_all(Files(), BLOBS, DESK, workers=3)
    assert shared == alone
    assert (alone.requests, len(alone.findings)) == (729, 271 + 729 - 81)


def test_turns_are_numbers_that_fit_into_a_pipe(monkeypatch):
    monkeypatch.setattr(judging, "MOST_CHUNKS", 3)
    assert judge_all(Files(), BLOBS, DESK, workers=2).requests == 729


def unreadable():
    raise UsageError("a.yaml cannot be read", hint="mend it")


def killed():
    os.kill(os.getpid(), 9)


def interrupted():
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("trouble", "error", "says"),
    [
        (unreadable, UsageError, "a.yaml cannot be read"),
        (killed, PmgitopsError, "a worker process ended without an answer"),
        (interrupted, PmgitopsError, "a worker process ended without an answer"),
    ],
)
def test_a_worker_s_trouble_is_told_and_leaves_no_process(trouble, error, says):
    def judge_until_it_shows():
        while True:  # a worker that came too late for a turn had no trouble
            judge_all(Files(trouble), BLOBS, DESK, workers=3)

    with pytest.raises(error, match=says):
        judge_until_it_shows()
    with suppress(ChildProcessError):
        assert os.waitpid(-1, os.WNOHANG) == (0, 0)
