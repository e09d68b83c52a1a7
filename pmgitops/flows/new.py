"""Write a request: from flags, prompts, another request or a ticket; check it; propose it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from pmgitops.drafting import branch, layout, place
from pmgitops.drafting import draft as drafts
from pmgitops.drafting.draft import Draft
from pmgitops.errors import UsageError
from pmgitops.flows import REQUESTS
from pmgitops.flows.check import Checked, check
from pmgitops.judging import Desk, load_all
from pmgitops.load import RequestFile, name_of
from pmgitops.model.request import KINDS, AnyRequest
from pmgitops.model.summary import access
from pmgitops.report import proposal
from pmgitops.report.quoting import one_line
from pmgitops.source import Repository, WorkTree

if TYPE_CHECKING:
    from pmgitops.drafting.branch import Pushed
    from pmgitops.drafting.hosting import Pull, Pulls
    from pmgitops.drafting.prompts import Interview

Ask = Callable[[], "Interview"]
"""Somebody to ask what nobody has said; made when there is something to ask."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line says."""

    kind: str | None = None
    said: Draft = field(default_factory=dict)
    """What flags fill, as `pmgitops.drafting.draft` has it."""
    like: str | None = None
    """A request to begin with: its name, or its path below the root."""
    ticket: Callable[[str | None], Draft] | None = None
    """A ticket to begin with: gives the draft of its form, which has to be of a kind where one is named."""
    name: str | None = None
    folder: str | None = None
    force: bool = False
    asking: bool = False
    """Whether a person wants to be asked, even where everything has a default."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What writing a request looks at."""

    tree: WorkTree
    desk: Desk
    me: str | None
    """Who writes it: git's e-mail address."""
    taken: frozenset[str] = frozenset()
    """Names that the ledger remembers; they are not given again."""

    @property
    def paths(self) -> list[str]:
        """Every file below requests/."""
        return [blob.path for blob in self.tree.blobs(REQUESTS)]

    @property
    def ticket_system(self) -> str | None:
        """The only ticket system of the configuration."""
        systems = list(self.desk.config.tickets)
        return systems[0] if len(systems) == 1 else None

    def completed(self, draft: Draft) -> Draft:
        """The draft with its defaults."""
        return drafts.completed(draft, me=self.me, system=self.ticket_system)


@dataclass(frozen=True, slots=True)
class Written:
    """The file that was written, and what is said of it."""

    name: str
    path: str
    request: AnyRequest
    data: bytes
    fresh: bool
    """False where it stood there already, to the byte."""
    checked: Checked

    @property
    def branch(self) -> str:
        """Where it is proposed on; not below `pmgitops/`, where the ledger may be."""
        return f"request/{self.name}"

    @property
    def title(self) -> str:
        """Of its commit, and of its pull request."""
        return f"Request {self.name}: {access(self.request)}"

    @property
    def blocked(self) -> bool:
        """Whether something keeps it from being proposed."""
        return any(finding.blocks for finding in self.checked.findings)


@dataclass(frozen=True, slots=True)
class Proposed:
    """What became of a proposal."""

    pushed: Pushed
    pull: Pull | None = None
    """None where nobody could open it."""


def new(wanted: Wanted, bench: Bench, ask: Ask | None = None) -> Written:
    """Write one request where it belongs, and judge it. UsageError where what was said makes no request."""
    draft = begun(wanted, bench)
    interview = ask() if ask and (wanted.asking or unfinished(draft, bench)) else None
    if interview:
        draft = interview.fill(draft, bench.completed)
    request = drafts.request_of(bench.completed(_of_a_kind(draft)))
    if interview:
        wanted = _asked_where(interview, wanted, bench, request)
    name, path, data = placed(wanted, bench, request)
    fresh = place.put(bench.tree.root, path, data, force=wanted.force)
    return Written(name, path, request, data, fresh, check(bench.tree, [path], bench.desk))


def propose(written: Written, desk: Desk, repository: Repository, pulls: Pulls | None) -> Proposed:
    """Put the file on a branch at the remote, and open its pull request where `pulls` can.

    Raises:
        UsageError: The branch is taken by something else.
        RemoteError: The remote or GitHub did not do it. Running again is safe.
    """
    change = branch.Change({written.path: written.data}, written.branch, f"{written.title}\n")
    pushed = branch.push(repository, change, remote=desk.config.ledger.remote, base=desk.config.branch)
    if pulls is None:
        return Proposed(pushed)
    body = proposal.body(written.request, written.path, written.checked.findings)
    opened = pulls.open(branch=written.branch, base=desk.config.branch, title=one_line(written.title), body=body)
    return Proposed(pushed, opened)


def unfinished(draft: Draft, bench: Bench) -> bool:
    """Whether something is missing that no default gives."""
    return "kind" not in draft or bool(drafts.lacking(bench.completed(draft)))


def begun(wanted: Wanted, bench: Bench) -> Draft:
    """What is known before anybody is asked: the copied request, the ticket's form, and the flags over them."""
    draft: Draft = {}
    if wanted.like:
        draft = drafts.laid_over(draft, _moved(copied(_request_like(wanted.like, bench)), wanted.said))
    if wanted.ticket:
        draft = drafts.laid_over(draft, wanted.ticket(wanted.kind))
    if wanted.kind:
        if draft.get("kind", wanted.kind) != wanted.kind:
            raise UsageError(f"that is of the kind {draft['kind']}, not {wanted.kind}", hint="leave the kind out")
        draft = drafts.laid_over(draft, drafts.of_kind(wanted.kind))
    return drafts.laid_over(draft, wanted.said)


def copied(request: AnyRequest) -> Draft:
    """A request as a draft: without its start, which has passed or will have."""
    draft: Draft = _as_text(request.content())
    draft["scheduleInfo"].pop("startDateTime", None)
    end = draft["scheduleInfo"]["expiration"]
    if end.keys() & {"duration", "endDateTime"}:
        del end["type"]
    return draft


def _moved(draft: Draft, said: Draft) -> Draft:
    """A copy for another system: its scope is the new system's, where it was the whole of the old one."""
    old, new = str(draft["authorizationSystemId"]), said.get("authorizationSystemId", draft["authorizationSystemId"])
    scope = draft.get("resourceId", "")
    if new == old or "resourceId" in said or old not in scope:
        return draft
    if scope not in {old, f"/subscriptions/{old}"}:
        raise UsageError(f"the copied request is for {scope}, which is not in {new}", hint="say its --resource, too")
    return {name: value for name, value in draft.items() if name != "resourceId"}


def placed(wanted: Wanted, bench: Bench, request: AnyRequest) -> tuple[str, str, bytes]:
    """The request's name, its path and its bytes. A name is nobody else's: neither a file's nor the ledger's."""
    paths = bench.paths
    folder = place.folder_of(wanted.folder) if wanted.folder else _folder_like(wanted, paths)
    schema = next((path for path in layout.SCHEMAS if bench.tree.content(path) is not None), layout.SCHEMAS[0])
    standing = {name_of(path): path for path in paths if name_of(path)} | dict.fromkeys(bench.taken - {""}, "")

    def file(name: str) -> tuple[str, str, bytes]:
        path = f"{folder}/{name}.yaml"
        return name, path, layout.written(request, path, schema)

    if wanted.name is None:
        # The first name that nobody has, or that this same request was written under before.
        usual = map(file, place.numbered(_usual_name(request)))
        return next(
            one
            for one in usual
            if one[0] not in standing or (standing[one[0]] == one[1] and bench.tree.content(one[1]) == one[2])
        )
    name, path, data = file(place.checked(wanted.name))
    owner = standing.get(name, path)
    if owner != path:
        whose = f"{owner}'s" if owner else "in the ledger"
        raise UsageError(f"the name {name!r} is {whose} already; names are never reused", hint="another --name")
    return name, path, data


def _asked_where(interview: Interview, wanted: Wanted, bench: Bench, request: AnyRequest) -> Wanted:
    """The person's own name and folder for the request, where no flag gave them."""
    if wanted.name and wanted.folder:
        return wanted
    name, path, _ = placed(wanted, bench, request)

    def wrong(name: str, folder: str) -> str | None:
        try:
            placed(replace(wanted, name=name, folder=folder), bench, request)
        except UsageError as error:
            return str(error)
        return None

    folders = sorted({str(PurePosixPath(path).parent) for path in bench.paths})
    name, folder = interview.place(name, str(PurePosixPath(path).parent), wrong, folders)
    return replace(wanted, name=name, folder=folder)


def _of_a_kind(draft: Draft) -> Draft:
    if "kind" not in draft:
        raise UsageError("which kind of request?", hint=f"pmgitops new KIND; one of {', '.join(KINDS)}")
    return draft


def _request_like(like: str, bench: Bench) -> AnyRequest:
    """The request of this name or path."""
    blobs = [blob for blob in bench.tree.blobs(REQUESTS) if like in {blob.path, name_of(blob.path)}]
    if not blobs:
        raise UsageError(f"there is no request {like!r} below {REQUESTS}/")
    (_, loaded), *_ = load_all(bench.tree, blobs)
    if not isinstance(loaded, RequestFile):
        why = loaded[0].message if loaded else "it is none"
        raise UsageError(f"{blobs[0].path} cannot be copied: {why}", hint=f"pmgitops check {blobs[0].path}")
    return loaded.request


def _folder_like(wanted: Wanted, paths: Sequence[str]) -> str:
    """The copied request's folder, or the usual one."""
    likes = [path for path in paths if wanted.like in {path, name_of(path)}] if wanted.like else []
    return str(PurePosixPath(likes[0]).parent) if likes else place.usual_folder(paths)


def _usual_name(request: AnyRequest) -> str:
    """Who, and under which ticket; of which kind where there is none."""
    who = request.identity.external_id.rsplit("/", 1)[-1].partition("@")[0]
    what = request.ticket_info.ticket_number if request.ticket_info else request.kind
    return drafts.slug((who, what)) or "request"


def _as_text(value: Any) -> Any:
    """Plain values as the loader reads them: every scalar is text."""
    if isinstance(value, Mapping):
        return {name: _as_text(inner) for name, inner in value.items()}
    return [_as_text(item) for item in value] if isinstance(value, list) else str(value)
