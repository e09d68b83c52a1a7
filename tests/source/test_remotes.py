import socket
import threading
import time
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from pmgitops.errors import PermanentRemoteError, TemporaryRemoteError, UsageError
from pmgitops.source import Repository


class _ShutOut(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(401)
        self.send_header("WWW-Authenticate", "Basic")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def shut_out():
    """The port of a server that wants other credentials."""
    with HTTPServer(("127.0.0.1", 0), _ShutOut) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_a_remote_has_an_address_without_credentials(folder, commit, git):
    commit({"a": b""})
    git(folder, "remote", "add", "origin", "https://user:s3cret@host.example/x.git")
    assert Repository(folder).remote("origin") == "https://host.example/x.git"


@pytest.mark.parametrize("name", ["upstream", "--all", "https://host.example/x.git", "ext::sh -c true"])
def test_says_that_there_is_no_such_remote(folder, commit, name):
    commit({"a": b""})
    with pytest.raises(UsageError, match="no remote"):
        Repository(folder).remote(name)


def test_asks_where_a_ref_stands(folder, commit, git, tmp_path):
    head = commit({"a": b""})
    git(folder, "update-ref", "refs/heads/other/refs/heads/main", head)
    git(tmp_path, "clone", "-q", str(folder), "clone")
    repository = Repository(tmp_path / "clone")
    moved = commit({"a": b"2"})
    assert repository.tips("origin", ["refs/heads/main", "refs/heads/nope"], 10) == {"refs/heads/main": moved}


def test_fetching_moves_no_ref(folder, commit, git, tmp_path):
    commit({"a": b""})
    git(tmp_path, "clone", "-q", str(folder), "clone")
    clone = tmp_path / "clone"
    before = git(clone, "for-each-ref")
    moved = commit({"a": b"2"})
    repository = Repository(clone)
    repository.fetch("origin", "refs/heads/main", 10)
    assert repository.content(moved, "a") == b"2"
    assert git(clone, "for-each-ref") == before
    assert not (clone / ".git/FETCH_HEAD").exists()


def test_does_not_prompt_and_does_not_tell_the_password(folder, commit, git, shut_out):
    commit({"a": b""})
    git(folder, "remote", "add", "origin", f"http://user:s3cret@127.0.0.1:{shut_out}/x.git")
    with pytest.raises(PermanentRemoteError, match="does not let us in") as error:
        Repository(folder).tips("origin", ["refs/heads/main"], 10)
    assert "s3cret" not in str(error.value)
    git(folder, "remote", "set-url", "origin", f"http://127.0.0.1:{shut_out}/x.git")
    with pytest.raises(PermanentRemoteError, match="could not read Username"):
        Repository(folder).tips("origin", ["refs/heads/main"], 10)


def test_does_not_wait_for_a_silent_remote(folder, commit, git):
    commit({"a": b""})
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        git(folder, "remote", "add", "origin", f"http://127.0.0.1:{silent.getsockname()[1]}/x.git")
        begun = time.monotonic()
        with pytest.raises(TemporaryRemoteError, match=r"did not end within 0\.2 seconds"):
            Repository(folder).tips("origin", ["refs/heads/main"], 0.2)
    assert time.monotonic() - begun < 2


def test_says_that_a_remote_is_gone(folder, commit, git, tmp_path):
    commit({"a": b""})
    git(folder, "remote", "add", "origin", str(tmp_path / "nowhere"))
    with pytest.raises(TemporaryRemoteError, match="cannot be reached"):
        Repository(folder).tips("origin", ["refs/heads/main"], 10)
