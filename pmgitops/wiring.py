"""The composition root: configuration and environment -> source, ledger, targets, tickets.

Only `hand` builds writers, and only `apply` asks for it. Heavy libraries are imported where their part is built.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pmgitops.document import MAX_SIZE
from pmgitops.errors import PermanentRemoteError, UsageError
from pmgitops.judging import Desk, load_all, retired
from pmgitops.load import RequestFile
from pmgitops.model.request import AnyRequest
from pmgitops.policy import bundle
from pmgitops.settings import CONFIG, Config, TicketSystem, parse
from pmgitops.source import Blob, Repository, WorkTree

if TYPE_CHECKING:
    from azure.identity import DefaultAzureCredential

    from pmgitops.catalog.discovery import Graph
    from pmgitops.catalog.snapshot import Catalog
    from pmgitops.drafting.draft import Draft
    from pmgitops.drafting.hosting import Pulls, Repo
    from pmgitops.drafting.known import Known
    from pmgitops.drafting.prompts import Interview
    from pmgitops.flows.apply import Hand
    from pmgitops.flows.new import Bench
    from pmgitops.flows.plan import Sight
    from pmgitops.ledger.book import Book
    from pmgitops.ledger.git import GitLedger
    from pmgitops.secrets import Secrets
    from pmgitops.targets.interface import Reader, Writer
    from pmgitops.tickets.outbox import Counter
    from pmgitops.tickets.servicenow import ServiceNow
    from pmgitops.transport import Transport

POLICIES, CATALOG = "policies", "catalog"
NETWORK = 30.0
"""How long one conversation with git's remote may take, in seconds."""


def clock() -> datetime:
    """The time; nothing below the wiring reads a clock of its own."""
    return datetime.now(UTC)


def root_of(folder: Path) -> Path:
    """The folder that requests, policies and configuration are beside each other in: the nearest one with any sign of
    it.
    """
    start = folder.resolve()
    if not start.is_dir():
        raise UsageError(f"{folder} is not a folder")
    signs = (CONFIG, ".git")
    return next((place for place in (start, *start.parents) if any((place / sign).exists() for sign in signs)), start)


# What requests are judged by


def desk_of_folder(root: Path, *, proofread: bool = False) -> Desk:
    """Configuration and policies as they stand on disk: for the author of a change, on their own machine."""
    tree = WorkTree(root)
    rules = [(blob.path, data or b"") for blob, data in tree.contents(tree.blobs(POLICIES), MAX_SIZE)]
    catalog = catalog_of_folder(root) if any(True for _ in tree.blobs(CATALOG)) else None
    return Desk(parse(tree.content(CONFIG)), bundle.load(rules, proofread=proofread), clock(), catalog)


def desk_of_commit(repository: Repository, commit: str) -> Desk:
    """Configuration and policies of a trusted commit: what a pull request brings along is data, never a rule."""
    blobs = repository.blobs(commit, POLICIES)
    rules = [(blob.path, data or b"") for blob, data in repository.contents(blobs, MAX_SIZE)]
    catalog = catalog_of_commit(repository, commit) if any(True for _ in repository.blobs(commit, CATALOG)) else None
    return Desk(config_of(repository, commit), bundle.load(rules), clock(), catalog)


def config_of(repository: Repository, commit: str) -> Config:
    """`pmgitops.yaml` of a commit."""
    return parse(repository.content(commit, CONFIG))


# What requests are written with


def bench(root: Path) -> Bench:
    """What a new request is written by: the folder, who works in it, and the names that are taken."""
    from pmgitops.flows.new import Bench  # noqa: PLC0415  # one command writes

    desk = desk_of_folder(root)
    try:
        repository = Repository(root)
    except UsageError:  # a folder without git
        return Bench(WorkTree(root), desk, None)
    here = repository.run("rev-parse", "--verify", "--quiet", "HEAD")
    taken = ledger(repository, desk.config).names() if here.succeeded else ()
    return Bench(WorkTree(root), desk, repository.email(), frozenset(taken))


def ordered(config: Config, number: str, kind: str | None = None) -> Draft:
    """What a ticket says, as a draft, which has to be of `kind` where one is named. UsageError, RemoteError."""
    from pmgitops.drafting.forms import draft_of  # noqa: PLC0415  # as above

    filling = {name: system for name, system in config.tickets.items() if system.forms}
    if not filling:
        raise UsageError(
            f"no ticket system of {CONFIG} has forms", hint="tickets.ServiceNow.forms says how a ticket fills a request"
        )
    fitting = [name for name, system in filling.items() if re.fullmatch(system.pattern, number)]
    if not fitting:
        raise UsageError(f"{number!r} is not a ticket number of {', '.join(filling)}", hint="such as RITM0012345")
    name = fitting[0]
    found = _servicenow(config.tickets[name], _secrets()).ordered(number)
    if len(found) != 1:
        why = "is not there, or we may not read it" if not found else "is not unique"
        raise UsageError(f"the requested item {number} {why} at {name}")
    draft = draft_of(found[0], name, config.tickets[name].forms)
    if kind not in {None, draft["kind"]}:
        raise UsageError(f"the form of {number} is of the kind {draft['kind']}, not {kind}", hint="leave the kind out")
    return draft


def known(root: Path, config: Config) -> list[Known]:
    """What requests may name: as the repository has it, and its snapshot of the catalog."""
    from pmgitops.drafting import known as names  # noqa: PLC0415  # as above

    tree = WorkTree(root)

    def requests() -> Iterator[AnyRequest]:
        loaded = (found for _, found in load_all(tree, tree.blobs("requests")))
        return (found.request for found in loaded if isinstance(found, RequestFile))

    ours = names.Repository(requests, tree.content(f"{POLICIES}/data.yaml"), config.tickets)
    return [names.Snapshot(lambda: catalog_of_folder(root)), ours]


def interview(root: Path, bench: Bench) -> Interview:
    """Questions on this terminal. ModuleNotFoundError without the extra `prompts`."""
    from pmgitops.drafting.prompts import Interview, Terminal  # noqa: PLC0415  # as above

    return Interview(Terminal(), known(root, bench.desk.config))


def pulls(repository: Repository, config: Config) -> tuple[Repo | None, Pulls | None]:
    """The remote's repository on GitHub, and what opens pull requests there; None where there is none, or no token."""
    from pmgitops.drafting import hosting  # noqa: PLC0415  # with it comes requests
    from pmgitops.secrets import GitHub  # noqa: PLC0415  # as in _secrets
    from pmgitops.transport import Bearer, Transport  # noqa: PLC0415

    given = GitHub()
    api = hosting.root_of(given.api_url)
    repo = hosting.repo_of(repository.addresses(config.ledger.remote), api)
    if repo is None or given.token is None:
        return repo, None
    http = Transport(auth=Bearer(given.token.get_secret_value), judge=hosting.judge)
    return repo, hosting.Pulls(http, api, repo)


# What is delivered, and from where


@dataclass(frozen=True, slots=True)
class Workspace:
    """A repository with its ledger, and the merged commit that everything trusted comes from."""

    repository: Repository
    config: Config
    ledger: GitLedger
    head: str

    def sight(self, tickets: Mapping[str, ServiceNow]) -> Sight:
        """What deciding may look at. A pull request has no credentials for `tickets`, and reads none."""
        from pmgitops.flows.plan import Sight  # noqa: PLC0415  # `check` is quicker without a ledger

        return Sight(self.repository, self.book(), desk_of_commit(self.repository, self.head), tickets)

    def book(self) -> Book:
        """The ledger, read as where each request stands."""
        from pmgitops.ledger.book import Book  # noqa: PLC0415  # as above

        return Book(self.ledger, clock)


def workspace(root: Path, *, merged: bool, at: str | None = None) -> Workspace:
    """The repository at `root`, trusting its branch as the remote has it now (`merged`), or else `at` (HEAD).

    With `merged`, the ledger is read as the remote has it now, too: both are asked for at once.
    """
    repository = Repository(root)
    here = repository.commit(at or "HEAD")
    config = config_of(repository, here)
    if not merged:
        return Workspace(repository, config, ledger(repository, config), here)
    head, tip = _merged(repository, config, here)
    trusted = config if head == here else config_of(repository, head)
    space = Workspace(repository, trusted, ledger(repository, trusted), head)
    if trusted.ledger == config.ledger:
        space.ledger.follow(tip)
    else:
        space.ledger.refresh()
    return space


def _merged(repository: Repository, config: Config, here: str) -> tuple[str, str | None]:
    """Where the remote has the branch and the ledger: what is merged is what was pushed there."""
    repository.refuse_shallow()
    remote, ref = config.ledger.remote, f"refs/heads/{config.branch}"
    repository.remote(remote)
    tips = repository.tips(remote, [ref, config.ledger.ref], NETWORK)
    if ref not in tips:
        raise UsageError(
            f"{remote} has no branch {config.branch!r}", hint=f"push it, or name another one as `branch` in {CONFIG}"
        )
    if tips[ref] != here:
        repository.fetch(remote, ref, NETWORK)
    return repository.commit(tips[ref]), tips.get(config.ledger.ref)


def ledger(repository: Repository, config: Config) -> GitLedger:
    """The ledger on its ref, as it was last fetched."""
    from pmgitops.ledger.git import GitLedger  # noqa: PLC0415  # only where there is one

    return GitLedger(repository, remote=config.ledger.remote, ref=config.ledger.ref, timeout=NETWORK, clock=clock)


def hand(
    space: Workspace,
    sight: Sight,
    tickets: Mapping[str, ServiceNow],
    *,
    progress: Callable[[str, int, int], None],
    stopping: Callable[[], bool],
) -> Hand:
    """The writing halves. A target that is retired where it stands gets none, whatever a plan says."""
    from pmgitops.flows.apply import Hand  # noqa: PLC0415
    from pmgitops.reconcile import Reconciler  # noqa: PLC0415  # with it come the targets' clients
    from pmgitops.targets.permissions_management import client  # noqa: PLC0415

    secrets = _secrets()
    reads: dict[str, Reader] = {}
    writes: dict[str, Writer] = {}
    for name, target in space.config.targets.items():
        endpoint = target.endpoint or client.ENDPOINT
        http = _graph(secrets)
        reads[name] = client.PermissionsManagementReader(http, endpoint)
        if not retired(space.config, name):
            writes[name] = client.PermissionsManagementWriter(http, endpoint)
    reconciler = Reconciler(
        book=sight.book,
        readers=reads,
        writers=writes,
        owner=uuid.uuid4().hex[:12],
        lease=timedelta(seconds=space.config.ledger.lease),
        clock=clock,
        progress=progress,
        stopping=stopping,
        parallel=space.config.limits.parallel,
    )
    return Hand(reconciler, counter(space.config, sight.desk.policies.templates, tickets))


def counter(config: Config, templates: Mapping[str, str], tickets: Mapping[str, ServiceNow]) -> Counter:
    """Where notes and files are handed in, with the trusted commit's wording."""
    from pmgitops.tickets.notes import Wording  # noqa: PLC0415  # only where tickets are told
    from pmgitops.tickets.outbox import Counter  # noqa: PLC0415

    limits = {name.casefold(): system.note_limit for name, system in config.tickets.items()}
    named = frozenset(name.casefold() for name, system in config.tickets.items() if system.correlation == "on")
    hands = max((system.parallel for system in config.tickets.values()), default=1)
    return Counter(tickets, hands, Wording(templates, limits), named)


def readers(config: Config) -> dict[str, Reader]:
    """The reading half of every configured target."""
    from pmgitops.targets.permissions_management import client  # noqa: PLC0415  # as above

    secrets = _secrets()
    return {
        name: client.PermissionsManagementReader(_graph(secrets), target.endpoint or client.ENDPOINT)
        for name, target in config.targets.items()
    }


def graph(root: Path) -> Graph:
    """Discovery at the endpoint of `permissions-management`, with the reader's identity."""
    from pmgitops.catalog.discovery import Graph  # noqa: PLC0415  # few commands ask it
    from pmgitops.targets.permissions_management import client  # noqa: PLC0415

    target = parse(WorkTree(root).content(CONFIG)).targets.get("permissions-management")
    return Graph(_graph(_secrets()).request, (target and target.endpoint) or client.ENDPOINT)


def catalog_of_folder(root: Path) -> Catalog:
    """The snapshot as it stands on disk; it reads what it is asked about."""
    from pmgitops.catalog.snapshot import LARGEST, Catalog  # noqa: PLC0415  # only where there is one

    tree = WorkTree(root)
    return Catalog(lambda path: next((data for _, data in tree.contents(tree.blobs(path), LARGEST)), None))


def catalog_of_commit(repository: Repository, commit: str) -> Catalog:
    """The snapshot of a trusted commit; what a pull request says exists is data."""
    from pmgitops.catalog.snapshot import FOLDER, LARGEST, Catalog  # noqa: PLC0415

    blobs: dict[str, Blob] = {}

    def read(path: str) -> bytes | None:
        if not blobs:  # one listing, when the first file is wanted
            blobs.update((blob.path, blob) for blob in repository.blobs(commit, FOLDER))
        blob = blobs.get(path)
        return next((data for _, data in repository.contents([blob], LARGEST)), None) if blob else None

    return Catalog(read)


def _graph(secrets: Secrets) -> Transport:
    from pmgitops.targets.permissions_management.client import judge  # noqa: PLC0415
    from pmgitops.transport import Bearer, Transport  # noqa: PLC0415

    return Transport(auth=Bearer(_graph_token(secrets)), judge=judge)


def _graph_token(secrets: Secrets) -> Callable[[], str]:
    """The token of the environment, otherwise azure-identity's default chain, asked when the first call needs one."""
    if secrets.graph_token:
        return secrets.graph_token.get_secret_value
    credential: DefaultAzureCredential | None = None

    def fetch() -> str:
        nonlocal credential
        from azure.core.exceptions import ClientAuthenticationError  # noqa: PLC0415  # 230 ms
        from azure.identity import DefaultAzureCredential  # noqa: PLC0415

        if credential is None:
            credential = DefaultAzureCredential()
        try:
            return credential.get_token("https://graph.microsoft.com/.default").token
        except ClientAuthenticationError as error:
            raise PermanentRemoteError(
                "no token for Microsoft Graph: azure-identity found no identity to log in as",
                hint="set PMGITOPS_GRAPH_TOKEN, or give the job id-token: write and log in to Azure",
                code="auth",
            ) from error

    return fetch


def ticket_systems(config: Config) -> dict[str, ServiceNow]:
    """Every ticket system that is contacted, by its name without case. UsageError where credentials are missing."""
    contacted = {name: system for name, system in config.tickets.items() if system.contacted}
    if not contacted:
        return {}
    secrets = _secrets()
    return {name.casefold(): _servicenow(system, secrets) for name, system in contacted.items()}


def _servicenow(system: TicketSystem, secrets: Secrets) -> ServiceNow:
    from pmgitops.tickets.login import session  # noqa: PLC0415  # with it comes requests
    from pmgitops.tickets.servicenow import ServiceNow  # noqa: PLC0415  # pysnow takes 200 ms

    logged_in = session(secrets, system.host, ca=system.ca or "", proxy=system.proxy or "")
    return ServiceNow(system.host, logged_in, parallel=system.parallel)


def _secrets() -> Secrets:
    from pmgitops.secrets import Secrets  # noqa: PLC0415  # 90 ms, and only where something is contacted

    return Secrets()


def workers() -> int:
    """How many processes judging may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
