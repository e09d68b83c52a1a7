"""Where files come from: a git repository at a commit, or a folder on disk.

Both give `Blob`s in git's order (paths as bytes, ascending) and stream their contents, so memory does not follow the
number of files. Nothing is ever checked out, and the index is never read.

Git itself is GitPython's to start. Every command runs hardened: no hook, no file-system monitor, no pager, no replaced
objects, no pathspec magic, no prompt. The system's and the user's configuration stay in force, because credential
helpers, proxies and `safe.directory` stand there; a repository's *content* cannot set any of it.

Paths are text. Git stores bytes: those that are not UTF-8 come as lone surrogates (`surrogateescape`), so that every
path survives the way back; whoever prints one has to mind that.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import stat
import subprocess
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from typing import IO, TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeVar, cast

from pmgitops.errors import PermanentRemoteError, TemporaryRemoteError, UsageError

if TYPE_CHECKING:
    from git import Git

T = TypeVar("T")

SYMLINK: Final = "120000"
SUBMODULE: Final = "160000"
CHUNK: Final = 1 << 16
"""Bytes read at a time, where something is read piece by piece."""
LARGEST: Final = 1 << 20
"""Bytes that a single file of ours (configuration, policies) may have."""

_HARDENED: Final = (
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.filesRefLockTimeout=1000"),  # milliseconds that runs side by side in one clone wait for each other
    *("-c", "submodule.recurse=false"),
    "--no-pager",
)
_RAW: Final = ("--raw", "--no-renames", "--no-abbrev", "--ignore-submodules=none")
_ARGUMENTS: Final = 200
"""Paths that one git command is given at once."""
_ENVIRONMENT: Final = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
}


class Blob(NamedTuple):
    """A file: where it is, its object id (empty on disk) and git's mode."""

    path: str
    oid: str
    mode: str

    @property
    def is_file(self) -> bool:
        """Whether it is a plain file; a symlink (120000), a submodule (160000) or a device is never read."""
        return self.mode.startswith("100")


class Change(NamedTuple):
    """What became of a path between two commits; a renamed file is one D and one A."""

    status: Literal["A", "M", "D"]
    path: str
    old: Blob | None
    new: Blob | None


class Authorship(NamedTuple):
    """Who wrote a commit and who put it there, as the commit itself claims; nothing of it is authenticated."""

    author: str
    author_email: str
    committer: str
    committer_email: str
    at: datetime


class Outcome(NamedTuple):
    """How a git command ended; `status` is None when it ran out of time."""

    status: int | None
    output: bytes
    message: str

    @property
    def succeeded(self) -> bool:
        return self.status == 0


class Repository:
    """A git repository, read at commits. Works on bare repositories, linked worktrees and detached heads alike."""

    def __init__(self, folder: Path) -> None:
        """Find the repository that holds `folder`.

        Raises:
            UsageError: There is none, or there is no git.
        """
        repo = _open(folder)
        self.folder = Path(repo.git_dir)
        """Git's own folder (`.git`)."""
        self.root: Path | None = None if repo.working_tree_dir is None else Path(repo.working_tree_dir)
        """The work tree; None in a bare repository."""
        self._shallow = Path(repo.common_dir, "shallow")
        self._git: Git = repo.git

    # Commits

    def commit(self, rev: str) -> str:
        """The full id of the commit that `rev` names.

        Raises:
            UsageError: There is no such commit here.
        """
        if not rev or rev.startswith("-") or "\0" in rev:
            raise UsageError(f"{rev!r} is not a revision")
        found = self.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}")
        if found.succeeded:
            return found.output.decode().strip()
        if "dubious ownership" in found.message:
            raise UsageError(found.message, hint="git config --global --add safe.directory FOLDER")
        raise UsageError(
            f"unknown revision {rev!r}",
            hint="fetch it (git fetch), or check out with fetch-depth: 0 in GitHub Actions",
        )

    def refuse_shallow(self) -> None:
        """Refuse a clone whose history was cut off: ancestry cannot be judged in it.

        Raises:
            UsageError: It is one.
        """
        if self._shallow.exists() and self._shallow.stat().st_size:
            raise UsageError(
                "this clone is shallow: its history was cut off",
                hint="check out with fetch-depth: 0, or run git fetch --unshallow",
            )

    def merge_base(self, one: str, other: str) -> str | None:
        """The best common ancestor of two commits; None when they share no history."""
        found = self.run("merge-base", "--end-of-options", one, other)
        if found.status not in (0, 1):
            raise _failed("merge-base", found)
        return found.output.decode().strip() or None

    def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        """Whether `descendant` holds `ancestor` in its history; a commit is its own ancestor."""
        if ancestor == descendant:
            return True
        found = self.run("merge-base", "--is-ancestor", "--end-of-options", ancestor, descendant)
        if found.status not in (0, 1):
            raise _failed("merge-base", found)
        return found.succeeded

    def author(self, commit: str) -> Authorship:
        """Who wrote a commit and who committed it."""
        return _authorship(self.ask("cat-file", "commit", commit))

    def email(self) -> str | None:
        """The address that whoever works here commits with; None where nobody told git."""
        # Without this, git makes one up from the names of user and machine.
        found = self.run("var", "GIT_AUTHOR_IDENT", config=("user.useConfigOnly=true",))
        address = re.search(rb"<([^<>]+)>", found.output) if found.succeeded else None
        return _text(address[1]) if address else None

    def authors(self, head: str, blobs: Collection[Blob]) -> dict[str, str]:
        """By path, the e-mail address of who wrote the commit that last made each file what it is at `head`.

        One walk from `head` backwards, which ends when the last one is found. A merge counts where it made a file
        another than on either side.
        """
        wanted, author = {(blob.path, blob.oid) for blob in blobs}, ""
        found: dict[str, str] = {}
        if not wanted:
            return found
        told = ("--format=@%ae", "--no-show-signature", "--no-mailmap", "--root", "-c", "-z", "--raw", "--no-abbrev")
        walk = ("log", *told, "--no-renames")
        records = self._records(*walk, "--end-of-options", head, "--", *_tops(path for path, _ in wanted))
        for record in records:
            line = record.lstrip("\n")
            if line.startswith("@"):
                author = line[1:]
            elif line.startswith(":"):
                parents = len(line) - len(line.lstrip(":"))
                path, oid = next(records), line.lstrip(":").split(" ")[2 * parents + 1]
                if (path, oid) in wanted:
                    wanted.discard((path, oid))
                    found[path] = author
                    if not wanted:
                        break
        return found

    # Trees

    def blobs(self, commit: str, under: str = "") -> Iterator[Blob]:
        """Every file at `commit` in the folder `under` (all of them for ""), or the file `under` itself."""
        for record in self._records("ls-tree", "-r", "-z", "--full-tree", commit, *_beneath(under)):
            mode, _, oid, path = record.replace("\t", " ", 1).split(" ", 3)
            yield Blob(path, oid, mode)

    def located(self, commit: str, paths: Iterable[str]) -> dict[str, Blob]:
        """The files at `commit` among these paths; the cost follows their number."""
        wanted = sorted(set(paths))
        chunks = [wanted[start : start + _ARGUMENTS] for start in range(0, len(wanted), _ARGUMENTS)]
        return {
            path: Blob(path, oid, mode)
            for chunk in chunks
            for record in self._records("ls-tree", "-z", "--full-tree", commit, "--", *chunk)
            for mode, _, oid, path in [record.replace("\t", " ", 1).split(" ", 3)]
        }

    def beneath(self, commit: str, folders: Iterable[str]) -> Iterator[str]:
        """The paths of everything directly in these folders at `commit`; the cost follows their number."""
        wanted = sorted({f"{folder}/" for folder in folders})
        for start in range(0, len(wanted), _ARGUMENTS):
            chunk = wanted[start : start + _ARGUMENTS]
            yield from self._records("ls-tree", "-z", "--full-tree", "--name-only", commit, "--", *chunk)

    def changes(self, base: str | None, head: str, under: str = "") -> list[Change]:
        """What changed from `base` (None: from nothing) to `head` in the folder `under`, by path.

        The cost follows what changed, where folders are small: trees that are equal are not opened.
        """
        if base is None:
            return [Change("A", blob.path, None, blob) for blob in self.blobs(head, under)]
        records = self._records(
            *("diff-tree", "-r", "-z", *_RAW, base, head, "--", *_beneath(under)),
        )
        return [_change(record, path) for record, path in zip(records, records, strict=True)]

    def steps(self, commits: Sequence[str]) -> Iterator[Change]:
        """What each of `commits` changed in comparison to its parent (a root: to nothing), in their order."""
        told = "".join(f"{commit}\n" for commit in commits).encode()
        output = self.ask("diff-tree", "--stdin", "--root", "-r", "-z", *_RAW, stdin=told)
        records = iter(_text(output).split("\0"))
        for record in records:
            if record.startswith(":"):
                yield _change(record, next(records))

    def touched(self, base: str | None, head: str) -> set[str]:
        """The names at the top of the tree under which anything changed from `base` (None: from nothing) to `head`."""
        if base is None:
            return set(self._records("ls-tree", "-z", "--full-tree", "--name-only", head))
        return set(self._records("diff-tree", "-z", "--name-only", "--no-renames", base, head))

    def namesakes(self, commit: str, filenames: Collection[str], under: str = "") -> dict[str, list[str]]:
        """The paths in the folder `under` whose last part is one of `filenames`, by that part.

        Reads trees, not files: 50 ms at 100,000 files, whatever the number of `filenames`.
        """
        if not filenames:
            return {}
        listing = self.ask("ls-tree", "-r", "-z", "--full-tree", "--name-only", commit, *_beneath(under))
        return _namesakes(listing, filenames)

    # Contents

    def contents(self, blobs: Iterable[Blob], limit: int) -> Iterator[tuple[Blob, bytes | None]]:
        """Each blob with what it holds, in order, through one git process.

        None stands for what is not read: a symlink, submodule or device (`Blob.is_file` tells), or a file of more than
        `limit` bytes, which is passed over without holding it. `blobs` is consumed in a thread of its own, a few
        thousand ahead of what is given back, so it must not wait for what this iterator yields.

        Raises:
            UsageError: An object is missing (a partial clone that cannot fetch, or a damaged one).
        """
        wanted = ((blob, blob.oid if blob.is_file else None) for blob in blobs)
        for blob, size, content in self._batch(wanted, limit):
            if size < 0 and blob.is_file:
                raise UsageError(f"the object of {blob.path!r} is missing", hint="run git fetch, then git fsck")
            yield blob, content

    def read(self, expressions: Iterable[str]) -> Iterator[bytes | None]:
        """The blob that each expression (`<commit>:<path>` or an id; no newline) names; None where there is none."""
        for _, _, content in self._batch(((None, expression) for expression in expressions), None):
            yield content

    def content(self, commit: str, path: str) -> bytes | None:
        """One small file at `commit`; None where there is none, or something that is not a file.

        Raises:
            UsageError: It has more than `LARGEST` bytes.
        """
        for blob, content in self.contents(self.blobs(commit, path), LARGEST):
            if blob.path != path or not blob.is_file:
                return None
            if content is None:
                raise UsageError(f"{path} is larger than {LARGEST} bytes")
            return content
        return None

    def _batch(
        self, wanted: Iterable[tuple[T, str | None]], limit: int | None
    ) -> Iterator[tuple[T, int, bytes | None]]:
        """Answer each (item, expression) with (item, size, content); size is -1 where nothing was asked or found."""
        asked: SimpleQueue[list[tuple[T, str | None]] | BaseException | None] = SimpleQueue()
        # Git streams blobs above the threshold where it can, and does not hold them.
        reading = ("cat-file", "--batch", "--buffer")
        with self._process(*reading, config=("core.bigFileThreshold=1m",), stdin=subprocess.PIPE) as process:
            arguments = (wanted, cast("IO[bytes]", process.stdin), asked)
            writer = threading.Thread(target=_feed, args=arguments, name="git-cat-file", daemon=True)
            writer.start()
            answers = cast("IO[bytes]", process.stdout)
            while (chunk := asked.get()) is not None:
                if isinstance(chunk, BaseException):
                    raise chunk
                for item, expression in chunk:
                    yield (item, -1, None) if expression is None else (item, *_answer(answers, limit))

    # Remotes

    def remote(self, name: str) -> str:
        """Where a remote is, without the credentials that its address may hold.

        Raises:
            UsageError: There is no such remote.
        """
        found = self.run("remote", "get-url", "--", name)
        if not found.succeeded or name.startswith("-"):
            raise UsageError(f"there is no remote {name!r}", hint=f"git remote add {name} URL")
        return redacted(found.output.decode("utf-8", "replace").strip())

    def addresses(self, name: str) -> list[str]:
        """The addresses of a remote as they were configured, and what git makes of them (`insteadOf`)."""
        found = self.run("config", "--get-all", f"remote.{name}.url")
        return [*_text(found.output).splitlines(), self.remote(name)]

    def tips(self, remote: str, refs: Sequence[str], timeout: float) -> dict[str, str]:
        """The commits that `refs` stand at, as the remote says now; without those that it does not have.

        Raises:
            TemporaryRemoteError: The remote did not answer.
            PermanentRemoteError: The remote does not let us in.
        """
        listed = self.run("ls-remote", "--refs", "--", remote, *refs, timeout=timeout)
        if not listed.succeeded:
            raise unreachable(remote, listed)
        found = (line.partition("\t") for line in listed.output.decode().splitlines())
        return {ref: commit for commit, _, ref in found if ref in refs}

    def fetch(self, remote: str, ref: str, timeout: float) -> None:
        """Bring over the objects of a remote's ref; no ref of this repository moves, FETCH_HEAD neither.

        Raises:
            TemporaryRemoteError: The remote did not answer.
            PermanentRemoteError: The remote does not let us in.
        """
        leaving = ("--no-write-fetch-head", "--refmap=", "--no-tags", "--no-prune", "--no-recurse-submodules")
        fetched = self.run("fetch", "--quiet", *leaving, "--", remote, ref, timeout=timeout)
        if not fetched.succeeded:
            raise unreachable(remote, fetched)

    def push(self, remote: str, ref: str, commit: str, expected: str | None, timeout: float) -> Outcome:
        """Push a commit to a remote's ref on the condition that it stands at `expected` (None: that it does not exist).

        The remote compares and swaps. `Outcome.output` has git's `--porcelain` lines, `!` before a refusal.
        """
        return self.run(
            *("push", "--porcelain", "--no-verify", "--no-signed", "--no-follow-tags", "--recurse-submodules=no"),
            # With an explicit id (empty: absent) the lease does not depend on what this clone has fetched.
            f"--force-with-lease={ref}:{expected or ''}",
            *("--", remote, f"{commit}:{ref}"),
            timeout=timeout,
            config=(f"remote.{remote}.mirror=false",),  # a mirror refuses to push one ref
        )

    # Git itself

    def run(
        self, *arguments: str, stdin: bytes = b"", timeout: float | None = None, config: Sequence[str] = ()
    ) -> Outcome:
        """Run one git command to its end, or for `timeout` seconds; how it ended is the caller's to judge."""
        # A session of its own has no terminal to prompt on, and can be ended with all the helpers that git started.
        with self._process(*arguments, config=config, stdin=subprocess.PIPE, start_new_session=True) as process:
            try:
                output, errors = process.communicate(stdin, timeout)
            except subprocess.TimeoutExpired:
                _end(process)
                return Outcome(None, b"", f"git {arguments[0]} did not end within {timeout:g} seconds")
            except BaseException:
                _end(process)
                raise
            return Outcome(process.returncode, output, _message(errors))

    def ask(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """What a git command prints.

        Raises:
            UsageError: It failed.
        """
        outcome = self.run(*arguments, stdin=stdin)
        if not outcome.succeeded:
            raise _failed(arguments[0], outcome)
        return outcome.output

    def _records(self, *arguments: str) -> Iterator[str]:
        """The NUL-terminated records that a git command prints, as they come."""
        with self._process(*arguments) as process:
            output, rest = cast("IO[bytes]", process.stdout), b""
            while chunk := output.read(CHUNK):
                *records, rest = (rest + chunk).split(b"\0")
                for record in records:
                    yield _text(record)
            if process.wait() != 0:
                errors = cast("IO[bytes]", process.stderr).read()
                raise _failed(arguments[0], Outcome(process.returncode, b"", _message(errors)))

    @contextlib.contextmanager
    def _process(
        self, *arguments: str, config: Sequence[str] = (), stdin: int = subprocess.DEVNULL, **options: Any
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A running git command; whatever is left of it at the end is ended."""
        settings = (part for setting in config for part in ("-c", setting))
        command = [self._git.GIT_PYTHON_GIT_EXECUTABLE, *_HARDENED, *settings, *arguments]
        started: Any = self._git.execute(command, istream=stdin, as_process=True, env=_ENVIRONMENT, **options)
        process: subprocess.Popen[bytes] = started.proc
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                with contextlib.suppress(OSError, ValueError):
                    if stream is not None:
                        stream.close()


class WorkTree:
    """Files on disk as git would see them: symlinks are told, never followed; git's own folders are left out."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def blobs(self, under: str = "") -> Iterator[Blob]:
        """Every file in the folder `under` (all of them for "" and "."), or the file `under` itself; none if it is not.

        Raises:
            UsageError: A folder cannot be read.
        """
        place = os.fsencode(self.root)
        inner = _bytes(os.path.normpath(under))
        inner = b"" if inner == b"." else inner
        try:
            mode = (os.lstat(os.path.join(place, inner)) if inner else os.stat(place)).st_mode  # noqa: PTH116, PTH118 - bytes
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise _unreadable(under, error) from None
        if stat.S_ISDIR(mode):
            yield from _walk(place, inner + b"/" if inner else b"")
        else:
            yield Blob(_text(inner), "", _git_mode(mode))

    def contents(self, blobs: Iterable[Blob], limit: int) -> Iterator[tuple[Blob, bytes | None]]:
        """Each blob with what it holds, in order; None as in `Repository.contents`.

        Raises:
            UsageError: A file cannot be read.
        """
        for blob in blobs:
            yield blob, self._content(blob.path, limit) if blob.is_file else None

    def content(self, path: str) -> bytes | None:
        """One small file; None where there is none, or something that is not a file.

        Raises:
            UsageError: It cannot be read, or has more than `LARGEST` bytes.
        """
        for blob in self.blobs(path):
            if blob.path != path or not blob.is_file:
                return None
            content = self._content(path, LARGEST)
            if content is None:
                raise UsageError(f"{path} is larger than {LARGEST} bytes")
            return content
        return None

    def _content(self, path: str, limit: int) -> bytes | None:
        # What lstat called a file may have been exchanged since: a link is not followed, a pipe is not waited for.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            file = os.open(os.path.join(os.fsencode(self.root), _bytes(path)), flags)  # noqa: PTH118 - bytes
            try:
                return _plain_content(file, limit)
            finally:
                os.close(file)
        except OSError as error:
            raise _unreadable(path, error) from None


def redacted(text: str) -> str:
    """`text` without the credentials of addresses in it (`https://user:token@host` becomes `https://host`)."""
    return re.sub(r"(\w://)[^/\s]*@", r"\1", text)


def unreachable(remote: str, outcome: Outcome) -> PermanentRemoteError | TemporaryRemoteError:
    """The error that a failed conversation with a remote amounts to, from the point of view of a read."""
    if outcome.status is not None and _SHUT_OUT.search(outcome.message):
        return PermanentRemoteError(
            f"remote {remote!r} does not let us in: {outcome.message}",
            hint="the credentials need read and write access to the repository's contents",
            code="git.denied",
        )
    return TemporaryRemoteError(
        f"remote {remote!r} cannot be reached: {outcome.message}",
        hint="check its address (git remote -v) and the network",
        code="git.unreachable",
    )


_SHUT_OUT: Final = re.compile(
    r"permission .*denied|access denied|authentication failed|could not read (username|password)|returned error: 40[13]"
    r"|repository .*not found|not allowed to push|write access to repository not granted",
    re.IGNORECASE,
)


def _open(folder: Path) -> Any:
    """GitPython's view of the repository around `folder`. Imported here: it takes longer than checking a file does."""
    try:
        from git import InvalidGitRepositoryError, NoSuchPathError, Repo  # noqa: PLC0415
    except ImportError as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(f"git cannot be used: {reason}", hint="install git 2.30 or later") from None
    try:
        return Repo(folder, search_parent_directories=True, expand_vars=False)
    except (InvalidGitRepositoryError, NoSuchPathError):
        raise UsageError(f"{folder} is not in a git repository", hint="git init, or pass -C DIR") from None


def _feed(
    wanted: Iterable[tuple[T, str | None]],
    stdin: IO[bytes],
    asked: SimpleQueue[list[tuple[T, str | None]] | BaseException | None],
) -> None:
    """Write every expression to `cat-file`, telling the reader what it may expect: chunks, an error, or the end."""
    items = iter(wanted)
    try:
        with stdin:
            while chunk := list(islice(items, 256)):
                asked.put(chunk)
                stdin.write(b"".join(_bytes(expression) + b"\n" for _, expression in chunk if expression is not None))
    except BaseException as error:  # noqa: BLE001 - raised again by the reader, in the caller's thread
        asked.put(error)
    finally:
        asked.put(None)


def _answer(answers: IO[bytes], limit: int | None) -> tuple[int, bytes | None]:
    """The size (-1: no such blob) and the content (None: over the limit) of the next object that `cat-file` prints."""
    header = answers.readline()
    if not header:
        raise UsageError("git cat-file ended early", hint="run git fsck")
    _, _, described = header.rstrip(b"\n").rpartition(b" ")
    if not described.isdigit():  # "<expression> missing", "<expression> ambiguous"
        return -1, None
    size = int(described)
    if header.endswith(b" blob %d\n" % size) and (limit is None or size <= limit):
        content = answers.read(size + 1)
        if len(content) != size + 1:
            raise UsageError("git cat-file ended early", hint="run git fsck")
        return size, content[:-1]
    _skip(answers, size + 1)
    return size, None


def _skip(stream: IO[bytes], size: int) -> None:
    while size > 0 and (passed := len(stream.read(min(size, CHUNK)))):
        size -= passed


def _change(record: str, path: str) -> Change:
    """`:100644 100644 <old id> <new id> M` and its path, as a change."""
    old_mode, new_mode, old, new, letter = record.removeprefix(":").split(" ")
    status: Literal["A", "M", "D"] = "A" if letter == "A" else "D" if letter == "D" else "M"
    return Change(
        status,
        path,
        None if status == "A" else Blob(path, old, old_mode),
        None if status == "D" else Blob(path, new, new_mode),
    )


def _namesakes(listing: bytes, filenames: Collection[str]) -> dict[str, list[str]]:
    """Where in a NUL-terminated list of paths each file name stands as the last part."""
    wanted = {_bytes(filename) for filename in filenames}
    found: dict[str, list[str]] = {}
    for path in listing.split(b"\0"):
        if (last := path.rpartition(b"/")[2]) in wanted:
            found.setdefault(_text(last), []).append(_text(path))
    return found


def _authorship(commit: bytes) -> Authorship:
    """The `author` and `committer` lines of a raw commit."""
    people: dict[str, tuple[str, str]] = {}
    at = datetime.fromtimestamp(0, UTC)
    for line in commit.partition(b"\n\n")[0].split(b"\n"):
        role, _, rest = line.decode("utf-8", "replace").partition(" ")
        person = re.fullmatch(r"(.*?) ?<([^>]*)> (-?\d+) [+-]\d+", rest)
        if role in ("author", "committer") and role not in people and person:
            people[role] = (person[1], person[2])
            at = datetime.fromtimestamp(int(person[3]), UTC)  # the committer's line is the last
    return Authorship(*people.get("author", ("", "")), *people.get("committer", ("", "")), at)


def _walk(root: bytes, folder: bytes) -> Iterator[Blob]:
    """The files beneath `folder` ("" or with its slash at the end) in git's order: a folder sorts with its slash."""
    try:
        with os.scandir(os.path.join(root, folder)) as entries:  # noqa: PTH118 - bytes
            found = sorted((entry.name + b"/" * entry.is_dir(follow_symlinks=False), entry) for entry in entries)
    except OSError as error:
        raise _unreadable(_text(folder), error) from None
    for name, entry in found:
        if name in (b".git/", b".git"):
            continue
        if name.endswith(b"/"):
            yield from _walk(root, folder + name)
        else:
            yield Blob(_text(folder + name), "", _listed_mode(entry))


def _plain_content(file: int, limit: int) -> bytes | None:
    """What an open file holds; None where it is no plain one, or holds more than `limit` bytes."""
    # Without a file object around it: making one takes as long as all the rest.
    status = os.fstat(file)
    if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
        return None
    content = os.read(file, status.st_size + 1)
    while len(content) < status.st_size and (more := os.read(file, limit)):
        content += more
    return content if len(content) <= limit else None


def _listed_mode(entry: os.DirEntry[bytes]) -> str:
    """The mode of a directory's entry; a plain file is not asked for more than the directory says of it already."""
    plain = entry.is_file(follow_symlinks=False)
    return "100644" if plain else _git_mode(entry.stat(follow_symlinks=False).st_mode)


def _git_mode(mode: int) -> str:
    """Git's mode of a file on disk; what git has no mode for (pipes, devices) keeps its own, which is no file's."""
    if stat.S_ISREG(mode):
        return "100644"  # whether it may be executed is no business of ours
    return SYMLINK if stat.S_ISLNK(mode) else f"0{stat.S_IFMT(mode):o}"


def _beneath(under: str) -> tuple[str, ...]:
    return (under.rstrip("/"),) if under.rstrip("/") else ()


def _tops(paths: Iterable[str]) -> list[str]:
    """The folders at the top of the tree that paths are in."""
    return sorted({path.partition("/")[0] for path in paths})


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command and its helpers: first so that git can remove its locks, then for good."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(2)
            return


def _message(errors: bytes) -> str:
    """What git complained about, fit to be shown: one line, no credentials, no terminal escapes."""
    lines = redacted(errors.decode("utf-8", "replace")).splitlines()
    telling = [line for line in lines if line.startswith(("fatal:", "error:", "remote:", " !"))] or lines
    shown = " ".join(" ".join(telling).split())
    return "".join(char for char in shown if char.isprintable())[:500]


def _failed(command: str, outcome: Outcome) -> UsageError:
    return UsageError(f"git {command} failed: {outcome.message or outcome.status}")


def _unreadable(path: str, error: OSError) -> UsageError:
    return UsageError(f"{path or '.'} cannot be read: {error.strerror}")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
