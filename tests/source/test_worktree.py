import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pmgitops.errors import UsageError
from pmgitops.source import Blob, Repository, WorkTree

NAMES = st.text("ab-.0Z_é", min_size=1, max_size=3).filter(lambda name: name.strip("."))


def write(root: Path, files: dict[str, bytes]) -> Path:
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    return root


def test_streams_files_with_their_contents(tmp_path):
    tree = WorkTree(write(tmp_path, {"requests/pay/b.yaml": b"2", "requests/a.yaml": b"1", "other": b"3"}))
    assert list(tree.contents(tree.blobs("requests"), 10)) == [
        (Blob("requests/a.yaml", "", "100644"), b"1"),
        (Blob("requests/pay/b.yaml", "", "100644"), b"2"),
    ]


def test_takes_one_file_and_finds_nothing_in_nothing(tmp_path):
    tree = WorkTree(write(tmp_path, {"requests/a.yaml": b"1"}))
    assert [blob.path for blob in tree.blobs("requests/a.yaml")] == ["requests/a.yaml"]
    assert [blob.path for blob in tree.blobs("requests/")] == ["requests/a.yaml"]
    assert list(tree.blobs("nothing")) == []
    assert list(tree.blobs("requests/a.yaml/deeper")) == []


def test_takes_a_path_as_people_write_it(tmp_path):
    write(tmp_path, {"root/requests/a.yaml": b"1"})
    (tmp_path / "linked").symlink_to("root")
    tree = WorkTree(tmp_path / "linked")
    for under in ("", ".", "./", "./requests", "requests/", "requests//a.yaml", "requests/../requests"):
        assert [blob.path for blob in tree.blobs(under)] == ["requests/a.yaml"]


def test_takes_an_absolute_path(tmp_path):
    write(tmp_path, {"elsewhere/a.yaml": b"1"})
    tree = WorkTree(tmp_path / "root")
    assert list(tree.contents(tree.blobs(str(tmp_path / "elsewhere")), 10)) == [
        (Blob(str(tmp_path / "elsewhere/a.yaml"), "", "100644"), b"1")
    ]


def test_follows_no_symlink(tmp_path):
    write(tmp_path, {"outside/secret": b"s", "root/plain": b"1"})
    (tmp_path / "root/file").symlink_to("../outside/secret")
    (tmp_path / "root/folder").symlink_to("../outside")
    (tmp_path / "root/loop").symlink_to("loop")
    tree = WorkTree(tmp_path / "root")
    found = {blob.path: (blob.mode, content) for blob, content in tree.contents(tree.blobs(), 10)}
    assert found == {
        "file": ("120000", None),
        "folder": ("120000", None),
        "loop": ("120000", None),
        "plain": ("100644", b"1"),
    }
    assert [blob.mode for blob in tree.blobs("folder")] == ["120000"]
    assert tree.content("file") is None


def test_does_not_follow_what_became_a_symlink(tmp_path):
    write(tmp_path, {"secret": b"s"})
    (tmp_path / "a").symlink_to("secret")
    with pytest.raises(UsageError, match="a cannot be read"):
        list(WorkTree(tmp_path).contents([Blob("a", "", "100644")], 10))


def test_does_not_wait_for_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    tree = WorkTree(tmp_path)
    [(blob, content)] = tree.contents(tree.blobs(), 10)
    assert (blob.is_file, content) == (False, None)
    assert list(tree.contents([Blob("pipe", "", "100644")], 10)) == [(Blob("pipe", "", "100644"), None)]


def test_passes_over_what_is_too_large(tmp_path):
    tree = WorkTree(write(tmp_path, {"a": b"12345", "b": b"1234"}))
    assert [content for _, content in tree.contents(tree.blobs(), 4)] == [None, b"1234"]


def test_leaves_out_what_is_gits(tmp_path):
    tree = WorkTree(write(tmp_path, {".git/config": b"", "sub/.git": b"gitdir: x", "a": b""}))
    assert [blob.path for blob in tree.blobs()] == ["a"]


def test_says_what_cannot_be_read(tmp_path):
    with pytest.raises(UsageError, match=r"gone\.yaml cannot be read: No such file"):
        list(WorkTree(tmp_path).contents([Blob("gone.yaml", "", "100644")], 10))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_says_which_folder_cannot_be_read(tmp_path):
    (tmp_path / "locked").mkdir(mode=0)
    with pytest.raises(UsageError, match="locked/ cannot be read: Permission denied"):
        list(WorkTree(tmp_path).blobs())


def test_reads_one_file(tmp_path):
    tree = WorkTree(write(tmp_path, {"a/b": b"1", "big": b"x" * ((1 << 20) + 1)}))
    assert [tree.content(path) for path in ("a/b", "a", "nope")] == [b"1", None, None]
    with pytest.raises(UsageError, match="larger"):
        tree.content("big")


def test_keeps_names_that_are_not_text(tmp_path):
    raw = [b"caf\xc3\xa9", b"latin\xe9", b"new\nline"]
    for name in raw:
        (Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name)))).write_bytes(name)  # noqa: PTH118 - bytes
    tree = WorkTree(tmp_path)
    found = {blob.path.encode("utf-8", "surrogateescape"): content for blob, content in tree.contents(tree.blobs(), 99)}
    assert found == {name: name for name in raw}


def test_sees_what_git_sees(folder, git):
    write(folder, {"a/b": b"1", "a.c": b"2", "a-b/c": b"3", "run": b"4"})
    (folder / "run").chmod(0o755)
    (folder / "link").symlink_to("a")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "all")
    repository = Repository(folder)
    committed = [blob._replace(oid="") for blob in repository.blobs(repository.commit("HEAD"))]
    assert committed[-1] == Blob("run", "", "100755")
    committed[-1] = Blob("run", "", "100644")  # on disk, whether a file may be executed is not asked
    assert list(WorkTree(folder).blobs()) == committed


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(NAMES, min_size=1, max_size=3), max_size=8))
def test_is_always_in_gits_order(tmp_path_factory, places):
    root = tmp_path_factory.mktemp("tree")
    for place in places:
        target = root.joinpath(*place)
        if not target.exists() and not any(parent.is_file() for parent in target.parents):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()
    found = [blob.path for blob in WorkTree(root).blobs()]
    assert found == sorted(found, key=str.encode)
