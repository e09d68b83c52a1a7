"""The command line: argv -> one flow -> its report -> an exit code. It decides nothing; heavy imports wait for their
verb.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib.util
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from pmgitops import __version__, options
from pmgitops.errors import PmgitopsError, UnsafeError, UsageError

if TYPE_CHECKING:
    from pmgitops.drafting.prompts import Interview
    from pmgitops.drift import Drift, Reading
    from pmgitops.flows.apply import Applied
    from pmgitops.flows.check import Checked
    from pmgitops.flows.new import Bench
    from pmgitops.model.finding import Finding
    from pmgitops.wiring import Workspace

EXIT_CODES = """\b
Exit codes: 0 done; 1 findings that block; 2 usage or configuration;
3 differences (plan: only with --detailed-exitcode); 4 refused as unsafe; 5 ticket gate;
6 some could not be delivered (they will be tried again); 70 a bug; 130 interrupted.
"""

GUARDS = ("mass-cancel", "empty", "rewritten-branch")


@click.group(epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("-C", "folder", metavar="DIR", default=".", help="Work in DIR instead of here.")
@click.version_option(__version__, prog_name="pmgitops")
@click.pass_context
def pmgitops(context: click.Context, folder: str) -> None:
    """Cloud access as reviewed YAML: checked by policies, delivered exactly once, linked to its ServiceNow ticket."""
    context.obj = Path(folder)


def formats(*names: str) -> Callable[[Any], Any]:
    """The option that picks a report."""
    return click.option(
        "--format", "form", type=click.Choice(names), default=names[0], show_default=True, help="Report as."
    )


BASE = click.option(
    "--base", metavar="REV", help="What the pull request goes into; policies and configuration come from it."
)
HEAD = click.option("--head", metavar="REV", help="What the pull request brings.")


@pmgitops.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@BASE
@HEAD
@formats("text", "json", "github", "sarif", "junit", "markdown")
@click.pass_obj
def check(folder: Path, paths: tuple[str, ...], base: str | None, head: str | None, form: str) -> None:
    """Judge requests: the format, the policies, the guards.

    Without --base and --head, the files under PATH (requests/ by default) as they are on disk.
    """
    _when_asked("importlib.metadata")  # what pydantic would look for plug-ins with; it brings e-mail, archives, sockets
    from pmgitops.report import findings

    checked = _check(folder, paths, base, head)
    click.echo(findings.FORMATS[form](checked.requests, checked.findings))
    _leave(1 if any(finding.blocks for finding in checked.findings) else 0)


def _check(folder: Path, paths: tuple[str, ...], base: str | None, head: str | None) -> Checked:
    from pmgitops import source, wiring
    from pmgitops.flows import REQUESTS
    from pmgitops.flows import check as flow

    root = wiring.root_of(folder)
    if base is None and head is None:
        places = [_beneath(root, folder, path) for path in paths] or [REQUESTS]
        return flow.check(source.WorkTree(root), places, wiring.desk_of_folder(root), workers=wiring.workers())
    if paths:
        raise UsageError("PATH does not go with --base and --head", hint="a pull request is judged by what it changes")
    repository = source.Repository(root)
    before, after = repository.commit(_given(base, "--base")), repository.commit(head or "HEAD")
    desk = wiring.desk_of_commit(repository, before)
    return flow.check_change(repository, before, after, desk, workers=wiring.workers())


@pmgitops.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.pass_obj
def render(folder: Path, paths: tuple[str, ...]) -> None:
    """Print the body that the target would be sent, as JSON.

    No network and no configuration are needed.

    One file: the body itself. Several, or a folder: one {"name", "target", "payload"} a line.
    """
    import orjson

    from pmgitops import settings, source, wiring
    from pmgitops.flows import render as flow
    from pmgitops.report import findings

    root = wiring.root_of(folder)
    tree = source.WorkTree(root)
    rendered, found = flow.render(
        tree, [_beneath(root, folder, path) for path in paths], settings.parse(tree.content(settings.CONFIG))
    )
    alone = len(paths) == 1 and not (folder / paths[0]).is_dir()
    for line in rendered:
        shown = orjson.dumps(line["payload"] if alone else line, option=orjson.OPT_INDENT_2 if alone else 0)
        click.echo(shown.decode())
    if found:
        click.echo(findings.text(len(rendered), found), err=True)
    _leave(1 if found else 0)


@pmgitops.command()
@BASE
@HEAD
@formats("text", "json", "markdown")
@click.option("--offline", is_flag=True, help="Neither fetch the ledger nor read tickets.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit 3 where there is something to do.")
@click.pass_obj
def plan(folder: Path, base: str | None, head: str | None, form: str, offline: bool, detailed_exitcode: bool) -> None:
    """Show what merging will do. Reads only.

    With --base and --head, what merging HEAD into BASE does; without, what `apply` would do now.
    """
    from pmgitops import wiring
    from pmgitops.flows import plan as flow
    from pmgitops.report import plans

    root = wiring.root_of(folder)
    merged = base is None and not offline
    space = wiring.workspace(root, merged=merged, at=base)
    if not merged and not offline:
        space.ledger.refresh()
    sight = space.sight({} if offline else wiring.ticket_systems(space.config))
    before = space.repository.commit(base) if base else None
    after = space.repository.commit(head or "HEAD") if base or head else space.head
    shown = flow.plan(sight, before, after).plan
    click.echo(plans.FORMATS[form](shown))
    _leave(_blocked(shown.findings) or (3 if detailed_exitcode and shown.effective else 0))


@pmgitops.command()
@click.option("--digest", metavar="D", help="Apply no other plan than this one.")
@click.option("--allow", type=click.Choice(GUARDS), multiple=True, help="What a person says is meant.")
@formats("text", "json")
@click.pass_obj
def apply(folder: Path, digest: str | None, allow: tuple[str, ...], form: str) -> None:
    """Bring the targets to what the branch wants; tell the tickets."""
    from pmgitops import wiring
    from pmgitops.flows import apply as flow
    from pmgitops.report import outcomes

    space = wiring.workspace(wiring.root_of(folder), merged=True)
    if flow.at_rest(space.book(), space.head):
        applied = flow.Applied(space.head)
    else:
        tickets = wiring.ticket_systems(space.config)  # one login serves the gate and the notes
        sight = space.sight(tickets)
        with _progress() as progress, _interruptible() as stopping:
            hand = wiring.hand(space, sight, tickets, progress=progress, stopping=stopping)
            applied = flow.apply(sight, hand, space.head, digest=digest, allow=frozenset(allow))
    click.echo(outcomes.applied_json(applied) if form == "json" else outcomes.applied_text(applied))
    _leave(_applied(applied))


@pmgitops.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--offline", is_flag=True, help="Read the ledger as it was last fetched.")
@formats("text", "json")
@click.pass_obj
def status(folder: Path, names: tuple[str, ...], offline: bool, form: str) -> None:
    """Show where each request stands, as the ledger tells it."""
    from pmgitops import wiring
    from pmgitops.flows import status as flow
    from pmgitops.ledger.book import Book
    from pmgitops.report import outcomes

    space = wiring.workspace(wiring.root_of(folder), merged=False)
    if not offline:
        space.ledger.refresh()
    standings = flow.status(Book(space.ledger, wiring.clock), names, space.ledger.names())
    click.echo(outcomes.status_json(standings) if form == "json" else outcomes.status_text(standings))


@pmgitops.command()
@formats("text", "json", "markdown")
@click.pass_obj
def drift(folder: Path, form: str) -> None:
    """Show what happened behind git's back. Reads only.

    Classes what the targets report: managed, expired, removed-early, changed-outside, unmanaged. Exits with 3 where
    anything is not managed, with 6 where a target could not be read.
    """
    import shutil

    from pmgitops.report import drifts

    _, _, found = _drift(folder)
    click.echo(drifts.FORMATS[form](found, shutil.get_terminal_size((100, 24)).columns))
    _leave(6 if found.unreadable else 3 if found.different else 0)


@pmgitops.command("import")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--propose", is_flag=True, help="Push the files on a branch of their own, and open the pull request.")
@formats("text", "json")
@click.pass_obj
def import_(folder: Path, ids: tuple[str, ...], form: str, propose: bool) -> None:
    """Write request files for what nobody here knows of.

    For each grant that `drift` calls unmanaged, or for those named by the target's ID: a file below requests/imported/,
    judged like any other. It plans as none. Once it is merged, `apply` adopts the grant, and sends nothing.
    """
    from pmgitops import wiring
    from pmgitops.flows import imports as flow
    from pmgitops.report import drifts

    root = wiring.root_of(folder)
    space, readings, found = _drift(folder)
    imported = flow.imports(found, readings, ids, root, wiring.desk_of_folder(root))
    if propose and imported.written and not imported.blocked:
        repo, pulls = wiring.pulls(space.repository, space.config)
        proposed = flow.propose(imported, space.config, space.repository, pulls)
        click.echo(drifts.PROPOSED[form](imported, proposed, space.config, repo))
    else:
        click.echo(drifts.IMPORTED[form](imported, space.config))
    _leave(6 if imported.unreadable else 1 if imported.refused or imported.blocked else 0)


def _drift(folder: Path) -> tuple[Workspace, list[Reading], Drift]:
    """The targets first, then git and the ledger, which know of everything that was sent before."""
    from pmgitops import wiring
    from pmgitops.flows import drift as flow

    root = wiring.root_of(folder)
    config = wiring.workspace(root, merged=True).config
    with _progress() as progress:
        readings = flow.read(wiring.readers(config), config, wiring.clock, progress)
    space = wiring.workspace(root, merged=True)
    return space, readings, flow.drift(space.sight({}), space.head, space.ledger.names(), readings, space.book)


@pmgitops.command()
@click.argument("kind", required=False, metavar="[KIND]")
@options.fields
@click.option("--from-request", metavar="NAME|PATH", help="Begin with a copy of this request, without its start.")
@click.option("--from-ticket", metavar="NUMBER", help="Fill it from this ordered catalog item, such as RITM0012345.")
@click.option("--name", metavar="NAME", help="The request's name.  [default: from identity and ticket]")
@click.option("--dir", "team", metavar="FOLDER", help="Its folder below requests/.")
@click.option("--force", is_flag=True, help="Write over another file of this name.")
@click.option("--ask/--no-ask", default=None, help="Ask for what is missing.  [default: on a terminal]")
@click.option("--propose", is_flag=True, help="Push it on a branch of its own, and open the pull request.")
@formats("text", "json")
@click.pass_obj
def new(folder: Path, /, kind: str | None, form: str, propose: bool, **flags: Any) -> None:
    """Write a request file, and check it.

    KIND is aws-policies, aws-actions, azure-actions, azure-roles, gcp-actions or gcp-roles. What flags leave out has a
    default, or is asked for on a terminal (extra `prompts`). The file stays where it was written, whatever is found.
    An INSTANT is like 2026-12-01T09:00:00Z.

    --propose commits this one file on top of the branch that the remote has, whatever else is in the folder, in the
    index or on the current branch. Run it again when it was interrupted.
    """
    from pmgitops import wiring
    from pmgitops.flows import new as flow
    from pmgitops.report import drafts

    root = wiring.root_of(folder)
    bench = wiring.bench(root)
    wanted = flow.Wanted(
        kind=kind,
        said=options.said(flags, bench.desk.now.date()),
        like=flags["from_request"],
        name=flags["name"],
        folder=flags["team"],
        force=flags["force"],
        asking=bool(flags["ask"]),
        ticket=partial(wiring.ordered, bench.desk.config, flags["from_ticket"]) if flags["from_ticket"] else None,
    )
    written = flow.new(wanted, bench, _asking(root, bench, wanted=flags["ask"]))
    if written.blocked or not propose:
        click.echo(drafts.FORMATS[form](written, bench.desk.config))
        _leave(1 if written.blocked else 0)
    from pmgitops.source import Repository

    repository = Repository(root)
    repo, pulls = wiring.pulls(repository, bench.desk.config)
    proposed = flow.propose(written, bench.desk, repository, pulls)
    click.echo(drafts.PROPOSED[form](written, proposed, bench.desk.config, repo))


@pmgitops.group()
def ticket() -> None:
    """Look at tickets as pmgitops sees them."""


SYSTEM = click.option("--system", metavar="NAME", default="", help="The ticket system; the only one where left out.")


@ticket.command("show")
@click.argument("number")
@click.option("--request", metavar="NAME|PATH", default="", help="Judge this request, and no other that names it.")
@SYSTEM
@formats("text", "json")
@click.pass_obj
def ticket_show(folder: Path, number: str, request: str, system: str, form: str) -> None:
    """Show a ticket, and what the gate says of the requests on disk that name it.

    Exits with 5 where the gate refuses, with 6 where it cannot tell yet.
    """
    from pmgitops import source, wiring
    from pmgitops.flows import ticket as flow
    from pmgitops.report import tickets

    root = wiring.root_of(folder)
    space = wiring.workspace(root, merged=True)
    sight = space.sight(wiring.ticket_systems(space.config))
    shown = flow.show(sight, source.WorkTree(root), number, system=system, request=request)
    click.echo(tickets.shown_json(shown) if form == "json" else tickets.shown_text(shown))
    outcomes = {judged.verdict.outcome for judged in shown.judged if not judged.verdict.passes}
    broken = any(judged.findings for judged in shown.judged)
    _leave(6 if "deferred" in outcomes else 5 if "refused" in outcomes else 1 if broken else 0)


@ticket.command("verify")
@click.argument("name")
@formats("text", "json")
@click.pass_obj
def ticket_verify(folder: Path, name: str, form: str) -> None:
    """Hold the ledger against the request's ticket: its record, its notes, its files.

    Exits with 1 where they differ, with 6 where the ticket cannot be read.
    """
    from pmgitops import wiring
    from pmgitops.flows import ticket as flow
    from pmgitops.report import tickets

    space = wiring.workspace(wiring.root_of(folder), merged=True)
    verified = flow.verify(space.config, space.book(), wiring.ticket_systems(space.config), name)
    click.echo(tickets.verified_json(verified) if form == "json" else tickets.verified_text(verified))
    outcomes = {held.outcome for held in verified.held}
    _leave(6 if "unreadable" in outcomes else 1 if "differs" in outcomes else 0)


@ticket.command("probe")
@click.option("--try", "number", metavar="NUMBER", default="", help="Also try to write: an empty note on this ticket.")
@SYSTEM
@formats("text", "json")
@click.pass_obj
def ticket_probe(folder: Path, number: str, system: str, form: str) -> None:
    """Tell what the integration user may read and write, and which role is missing.

    Reads a few rows of each table. Exits with 2 where something needed is missing.
    """
    from pmgitops import wiring
    from pmgitops.flows import ticket as flow
    from pmgitops.report import tickets

    config = wiring.workspace(wiring.root_of(folder), merged=True).config
    probed = flow.probe(config, wiring.ticket_systems(config), system, number)
    click.echo(tickets.probed_json(probed) if form == "json" else tickets.probed_text(probed))
    _leave(2 if any(check.missing for probing in probed for check in probing.checks) else 0)


@pmgitops.group()
def policy() -> None:
    """Work on policies."""


@policy.command("list")
@formats("text", "json")
@click.pass_obj
def policy_list(folder: Path, form: str) -> None:
    """List the rules with what they are for."""
    from pmgitops import wiring
    from pmgitops.report import rules

    found = wiring.desk_of_folder(wiring.root_of(folder), proofread=True).policies
    click.echo(rules.LISTS[form](found))
    _leave(_blocked(found.findings))


@policy.command("test")
@formats("text", "json", "junit")
@click.pass_obj
def policy_test(folder: Path, form: str) -> None:
    """Run the cases that stand in each policy."""
    from pmgitops import wiring
    from pmgitops.policy import cases
    from pmgitops.report import rules

    found = wiring.desk_of_folder(wiring.root_of(folder), proofread=True).policies
    results = cases.run(found)
    click.echo(rules.TESTS[form](found, results))
    _leave(1 if any(not result.passed for result in results) else _blocked(found.findings))


@pmgitops.group()
def catalog() -> None:
    """Know what exists before asking for it."""


@catalog.command("get")
@click.argument("name", required=False, metavar="[OPERATION]")
@click.argument("arguments", nargs=-1, metavar="[VALUE]...")
@click.option("--most", type=click.IntRange(min=1), metavar="N", help="Stop after N entries.")
@formats("text", "json")
@click.pass_obj
def catalog_get(folder: Path, name: str | None, arguments: tuple[str, ...], most: int | None, form: str) -> None:
    """Ask discovery itself: one operation, its answer.

    Without OPERATION, lists them all with what they take. A system is its account, subscription or project id.
    """
    from pmgitops import wiring
    from pmgitops.catalog.operations import OPERATIONS, operation
    from pmgitops.flows import catalog as flow
    from pmgitops.report import catalogs

    if name is None:
        click.echo(catalogs.operations(OPERATIONS))
        return
    asked = operation(name)
    if asked.notice:
        click.echo(f"pmgitops: {asked.notice}", err=True)
    rows = flow.get(wiring.graph(wiring.root_of(folder)), asked, arguments, most)
    click.echo(catalogs.rows_json(rows, one=not asked.many) if form == "json" else catalogs.rows_text(rows))


@catalog.command("pull")
@click.option("--fresh", is_flag=True, help="Begin anew, even where a pull was interrupted.")
@formats("text", "json", "markdown")
@click.option("--detailed-exitcode", is_flag=True, help="Exit 3 where the snapshot is different now.")
@click.pass_obj
def catalog_pull(folder: Path, fresh: bool, form: str, detailed_exitcode: bool) -> None:
    """Write what exists to catalog/, to be reviewed.

    Interrupted, it goes on where it was when it is run again. What a system refuses is reported and stays unknown.
    """
    from pmgitops import wiring
    from pmgitops.catalog.discovery import PermissionsManagement
    from pmgitops.flows import catalog as flow
    from pmgitops.report import catalogs

    root = wiring.root_of(folder)
    source = PermissionsManagement(wiring.graph(root))
    with _progress() as progress, _interruptible() as stopping:
        pulled = flow.pull(source, root, wiring.clock, fresh=fresh, progress=progress, stopping=stopping)
    click.echo(catalogs.PULLED[form](pulled))
    different = bool(pulled.difference) and detailed_exitcode
    _leave(130 if pulled.interrupted else 6 if pulled.failed else 3 if different else 0)


@catalog.command("find")
@click.argument("words", nargs=-1, required=True, metavar="WORD...")
@click.option("--most", type=click.IntRange(min=1), default=50, show_default=True, help="Entries to show.")
@formats("text", "json")
@click.pass_obj
def catalog_find(folder: Path, words: tuple[str, ...], most: int, form: str) -> None:
    """Search the snapshot for entries in which every WORD stands."""
    from pmgitops import wiring
    from pmgitops.flows import catalog as flow
    from pmgitops.report import catalogs
    from pmgitops.report.quoting import dumped

    found, more = flow.find(wiring.catalog_of_folder(wiring.root_of(folder)), words, most)
    click.echo(dumped(found) if form == "json" else catalogs.found_text(found, more=more))


@pmgitops.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8787, show_default=True, help="0 picks a free one.")
@click.option("--state", type=click.Path(dir_okay=False, path_type=Path), help="Keep the state in this SQLite file.")
@click.option(
    "--inventory",
    type=click.Choice(("small", "large")),
    default="small",
    show_default=True,
    help="What discovery finds; large is 500 systems with AWS's full list of actions.",
)
def sandbox(port: int, state: Path | None, inventory: str) -> None:
    """Serve stand-ins for Microsoft Graph and ServiceNow on loopback.

    There is a page to look at, on which requests are approved and rejected.
    """
    with _extra("sandbox"):
        from pmgitops.sandbox import serve
    serve(
        port,
        state,
        lambda url: click.echo(f"sandbox on {url} (a page for you; Graph at {url}/beta; Ctrl-C ends it)"),
        inventory=inventory,
    )


@pmgitops.command()
@click.option("--keep", is_flag=True, help="Keep the throwaway folder, and say where it is.")
def demo(keep: bool) -> None:
    """Walk the whole road once, in a throwaway repository."""
    with _extra("sandbox"):
        from pmgitops import demo as story
    story.tell(keep=keep)


@pmgitops.command()
@click.argument("what", type=click.Choice(("request", "policy", "config")), default="request")
@click.option("--with-catalog", is_flag=True, help="A request's, with this repository's names to complete from.")
@click.pass_obj
def schema(folder: Path, what: str, with_catalog: bool) -> None:
    """Print a JSON Schema, for editors and other checkers."""
    from importlib import resources

    if with_catalog:
        if what != "request":
            raise UsageError(f"--with-catalog is for requests, not for {what}")
        from pmgitops import settings, source, wiring
        from pmgitops.drafting import hints
        from pmgitops.report.quoting import dumped

        root = wiring.root_of(folder)
        config = settings.parse(source.WorkTree(root).content(settings.CONFIG))
        click.echo(dumped(hints.with_known(wiring.known(root, config))))
        return
    click.echo(resources.files("pmgitops.schemas").joinpath(f"{what}.schema.json").read_text("utf-8"), nl=False)


# What the verbs share


def _beneath(root: Path, folder: Path, path: str) -> str:
    """A path as it is meant from `folder`, in the form that it has in git: beneath the root, with slashes."""
    place = (folder / path).absolute()
    if not place.exists() and not place.is_symlink():
        raise UsageError(f"{path} is not there")
    try:
        return place.relative_to(root).as_posix()
    except ValueError:
        return place.as_posix()


def _given(value: str | None, option: str) -> str:
    if value is None:
        raise UsageError(f"{option} is missing", hint="--base and --head go together")
    return value


def _blocked(findings: Sequence[Finding]) -> int:
    """The exit code that findings come to."""
    return _worst(finding.rule for finding in findings if finding.blocks)


def _applied(applied: Applied) -> int:
    """The exit code of a run: what was refused, by a file or by a rule, and what is still on its way."""
    if applied.interrupted:
        return 130
    on_its_way = bool(applied.of("failed") or applied.of("deferred") or applied.undelivered)
    refused = {rule for result in applied.of("refused") for rule in result.rules}
    blocking = {finding.rule for finding in applied.findings if finding.blocks}
    return _worst(refused | blocking, on_its_way=on_its_way)


def _worst(rules: Iterable[str], *, on_its_way: bool = False) -> int:
    """Several causes at once: 4 (a target that delivers nothing) before 6 before 5 (the ticket gate) before 1."""
    broken = frozenset(rules)
    if "retired" in broken:
        return 4
    if on_its_way:
        return 6
    return 5 if "ticket" in broken else 1 if broken else 0


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar on a terminal, nothing elsewhere; one of which nobody knows the end has 0 of it."""
    if not sys.stderr.isatty():
        yield lambda _what, _done, _all: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total or None)
            bar.update(tasks[what], completed=done, total=total or None)

        yield show


@contextlib.contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Whether the first Ctrl-C or SIGTERM has come: a run finishes what it has begun. The second ends it at once."""
    import signal

    asked = False

    def ask(_number: int, _frame: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        click.echo("ending: what is under way is finished and recorded (once more to end at once)", err=True)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _asking(root: Path, bench: Bench, *, wanted: bool | None) -> Callable[[], Interview] | None:
    """Somebody at a terminal who can be asked; None where nobody is, or wants to be."""
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if wanted and not terminal:
        raise UsageError("--ask needs a terminal")
    if wanted is False or not terminal:
        return None

    def ask() -> Interview:
        from pmgitops import wiring

        with _extra("prompts"):
            return wiring.interview(root, bench)

    return ask


@contextlib.contextmanager
def _extra(name: str) -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise UsageError(f"this needs {error.name}", hint=f"pip install 'pmgitops[{name}]'") from error


def _leave(code: int) -> NoReturn:
    raise SystemExit(code)


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run one verb; what is raised on purpose becomes a line, a hint and an exit code."""
    _start_lightly()
    try:
        pmgitops.main(args=list(argv) if argv is not None else None, prog_name="pmgitops", standalone_mode=False)
    except PmgitopsError as error:
        _told(error)
        raise SystemExit(error.exit_code) from None
    except click.ClickException as error:
        error.show()
        raise SystemExit(2) from None
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        raise SystemExit(130) from None
    except Exception as error:  # noqa: BLE001  # the last place to turn a bug into exit code 70
        import traceback

        traceback.print_exc()
        click.echo(f"pmgitops: a bug: {type(error).__name__}; please report it with the lines above", err=True)
        raise SystemExit(70) from None
    raise SystemExit(0)


def _start_lightly() -> None:
    """Leave out what a start would do for nothing: a sixth of the time that checking one file takes."""
    # Pydantic looks through every installed distribution for plug-ins: none is wanted near what we judge.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # What imports make stays, and need not be looked through for garbage, neither meanwhile nor at the end.
    gc.set_threshold(100_000, 50, 50)
    atexit.register(gc.freeze)


def _when_asked(name: str) -> None:
    """Import a module when somebody asks it for something, by `importlib.util.LazyLoader`: not where threads run."""
    spec = importlib.util.find_spec(name)
    if name in sys.modules or spec is None or spec.loader is None:
        return
    spec.loader = importlib.util.LazyLoader(spec.loader)
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


def _told(error: PmgitopsError) -> None:
    refused = f" (guard {error.guard})" if isinstance(error, UnsafeError) and error.guard else ""
    click.echo(f"pmgitops: {error}{refused}", err=True)
    if error.hint:
        click.echo(f"    hint: {error.hint}", err=True)
