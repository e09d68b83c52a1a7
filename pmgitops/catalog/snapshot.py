"""The committed snapshot, read: `Catalog`. Lazy, remembered, and honest about what it cannot know.

    catalog/index.jsonl             a header, which says when it was pulled; then a line for each cloud and each
                                    system: what of it was refused, and the digest of its file
    catalog/<cloud>.jsonl           actions and services, the same in every system of a cloud
    catalog/<cloud>/<system>.jsonl  identities, policies, roles, resources

None means: certainly not there. What cannot be told (no snapshot, an edited or cut file, a newer format, a part that
the source refused) raises CatalogError, so that a rule which asks denies. `Catalog` reads no clock and no disk of its
own: it is given `read`, which takes a path below the repository's root and returns its bytes, of a commit or of a
folder.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast
from urllib.parse import quote

import orjson

from pmgitops.catalog.codec import Table, digest
from pmgitops.catalog.interface import PARTS, Entry, Kind, Part
from pmgitops.catalog.operations import Cloud
from pmgitops.catalog.patterns import Expansion, Names, compiled, is_pattern, nearest
from pmgitops.errors import CatalogError
from pmgitops.model.finding import Finding

Read = Callable[[str], bytes | None]

FOLDER: Final = "catalog"
INDEX: Final = f"{FOLDER}/index.jsonl"
FORMAT: Final = 1
LARGEST: Final = 64 << 20
"""Bytes that one file of a snapshot may have."""
MOST_ADVICE: Final = 200
"""Names for which the nearest one is looked for in a run: each takes milliseconds, and whoever misspells more of them
has another problem.
"""


def shared_path(cloud: Cloud) -> str:
    """Where the actions of a cloud stand."""
    return f"{FOLDER}/{cloud}.jsonl"


def system_path(cloud: Cloud, system: str) -> str:
    """Where what is in a system stands. An id is one plain segment, whatever is in it, on every file system."""
    segment = quote(system, safe="").replace(".", "%2E") if system.startswith(".") else quote(system, safe="")
    return f"{FOLDER}/{cloud}/{segment if len(segment) <= 200 else digest(system.encode())}.jsonl"


class Catalog:
    """What exists, as it was last pulled. Make one for a run: what it has read and found, it keeps."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._index: Table | CatalogError | None = None
        self._header: dict[str, Any] = {}
        self._tables: dict[str, Table | CatalogError] = {}
        self._systems: dict[tuple[str, str], System | None] = {}
        self._actions: dict[Cloud, Names] = {}
        self._nearest: dict[tuple[str, ...], str | None] = {}

    # What there is

    @property
    def present(self) -> bool:
        """Whether there is a snapshot at all; it may be broken."""
        try:
            self._open()
        except CatalogError as error:
            return error.rule != "catalog-missing"
        return True

    def findings(self) -> list[Finding]:
        """Everything that is wrong with the snapshot, each file read; nothing where there is no snapshot at all."""
        try:
            rows = self.rows().values()
        except CatalogError as error:
            return [] if error.rule == "catalog-missing" else [finding(error)]
        found = []
        for row in rows:
            try:
                self._table(row)
            except CatalogError as error:
                found.append(finding(error))
        return found

    @property
    def pulled(self) -> datetime:
        """When it was begun to be read: nothing in it is older than that."""
        self._open()
        return _instant(self._header["pulled"])

    def age(self, now: datetime) -> timedelta:
        """How long ago that is. Whether it is too long is a policy's to say."""
        return now - self.pulled

    def systems(self, cloud: Cloud | None = None) -> Iterator[System]:
        """Every system, of one cloud or of all."""
        for row in self._open().each("system"):
            found = self._system(row)
            if cloud in (None, found.cloud):
                yield found

    def system(self, cloud: Cloud, system: str) -> System | None:
        """The account, subscription or project of this id."""
        key = (cloud, system)
        if key not in self._systems:
            row = self._open().get("system", f"{cloud}/{system}")
            self._systems[key] = self._system(row) if row else None
        return self._systems[key]

    def systems_called(self, name: str) -> list[System]:
        """Those of this display name."""
        return [self._system(row) for row in self._open().by_name("system", name)]

    # What may be done there

    def action(self, cloud: Cloud, name: str) -> Entry | None:
        """An action, with its `severity`; compared without case."""
        return self._shared(cloud).get("action", name)

    def action_by_id(self, cloud: Cloud, key: str) -> Entry | None:
        """An action by the id that the source gave it."""
        return self._shared(cloud).by_id("action", key)

    def actions(self, cloud: Cloud) -> Names:
        """The names of all actions, in lower case; of AWS also those that the snapshot does not list."""
        if cloud not in self._actions:
            names: Sequence[str] = ()
            try:
                names = self._shared(cloud).names("action")
            except CatalogError:
                if cloud != "aws":
                    raise
            if cloud == "aws":
                from pmgitops.catalog import aws  # noqa: PLC0415  # 15 ms, for those who ask

                self._actions[cloud] = Names((*names, *aws.names().all)) if names else aws.names()
            else:
                self._actions[cloud] = Names(names)
        return self._actions[cloud]

    def actions_matching(self, cloud: Cloud, pattern: str) -> tuple[str, ...]:
        """The actions that a pattern means, in lower case, sorted."""
        return self.actions(cloud).matching(pattern)

    def expand(self, cloud: Cloud, patterns: Sequence[str], not_patterns: Sequence[str] = ()) -> Expansion:
        """The actions that patterns mean without those that `not_patterns` mean; alone, these mean everything else."""
        return self.actions(cloud).expand(patterns, not_patterns)

    def severe(self, cloud: Cloud, names: Sequence[str]) -> tuple[str, ...]:
        """Those of some actions whose severity is high."""
        table = self._shared(cloud)
        entries = ((name, table.get("action", name)) for name in names)
        return tuple(name for name, entry in entries if entry and entry.facts.get("severity") == "high")

    def nearest(self, kind: Kind, name: str, *, cloud: Cloud, system: str = "") -> str | None:
        """What was probably meant by a name that is not there: an action of the cloud, or something in a system."""
        key = (kind, name, cloud, system)
        if key not in self._nearest:
            if len(self._nearest) >= MOST_ADVICE:
                return None
            self._nearest[key] = self._look_around(kind, name, cloud, system)
        return self._nearest[key]

    def _look_around(self, kind: Kind, name: str, cloud: Cloud, system: str) -> str | None:
        if kind == "action":
            names = self.actions(cloud).all
            service = name.lower().split(":" if cloud == "aws" else "/" if cloud == "azure" else ".")[0]
            meant = nearest(name, [one for one in names if one.startswith(service)] or names)
            entry = self._spelt(cloud, meant) if meant else None
            return entry or meant
        place = self.system(cloud, system)
        return place.nearest(kind, name) if place else None

    def nearest_system(self, cloud: Cloud, system: str) -> str | None:
        """The id of the system that was probably meant, by its id or by its name."""
        known = {name: one.id for one in self.systems(cloud) for name in (one.name, one.id)}
        meant = nearest(system, known)
        return known[meant] if meant else None

    def search(self, words: Sequence[str]) -> Iterator[tuple[str, Entry]]:
        """Every entry in which all words stand, with where: `aws`, or `aws/956987887735`. Systems come first."""
        folded = [word.lower() for word in words]
        for system in self.systems():
            about = {"name": system.name, "id": system.key, "status": system.status, "capability": system.capability}
            if all(word in " ".join((system.id, *about.values())).lower() for word in folded):
                yield system.cloud, Entry("system", system.id, {name: text for name, text in about.items() if text})
        for row in self.rows().values():
            yield from ((row.external_id, entry) for entry in self._table(row).search(words))

    def rows(self) -> dict[str, Entry]:
        """What the index says: `aws` or `aws/956987887735` -> its line."""
        index = self._open()
        return {row.external_id: row for row in (*index.each("shared"), *index.each("system"))}

    def entries(self, where: str) -> Iterator[Entry]:
        """Everything that stands in one place; nothing where its file cannot be read any more."""
        row = self.rows().get(where)
        try:
            table = self._table(row) if row else None
        except CatalogError:
            table = None
        return iter(table) if table else iter(())

    # Its files

    def _open(self) -> Table:
        if self._index is None:
            try:
                self._header, body = _opened(self._read(INDEX))
                self._index = Table(body)
            except CatalogError as error:
                self._index = error
        return _or_raise(self._index)

    def _system(self, row: Entry) -> System:
        cloud, _, system = row.external_id.partition("/")
        return System(cast(Cloud, cloud), system, row.facts, lambda: self._table(row))

    def _shared(self, cloud: Cloud) -> Table:
        row = self._open().get("shared", cloud)
        if row is None:
            raise CatalogError(
                f"the snapshot has no actions of {cloud}",
                rule="catalog-unknown",
                path=INDEX,
                hint="no system of that cloud let us read them; see the last `pmgitops catalog pull`",
            )
        return self._table(row)

    def _spelt(self, cloud: Cloud, name: str) -> str | None:
        try:
            entry = self.action(cloud, name)
        except CatalogError:
            entry = None
        if entry is None and cloud == "aws":
            from pmgitops.catalog import aws  # noqa: PLC0415

            known = aws.action(name)
            return known.name if known else None
        return entry.external_id if entry else None

    def _table(self, row: Entry) -> Table:
        cloud, _, system = row.external_id.partition("/")
        path = system_path(cast(Cloud, cloud), system) if system else shared_path(cast(Cloud, cloud))
        if path not in self._tables:
            try:
                self._tables[path] = Table(_verified(path, self._read(path), row.facts))
            except CatalogError as error:
                self._tables[path] = error
        return _or_raise(self._tables[path])


class System:
    """One account, subscription or project; what is in it is read when somebody asks for it."""

    def __init__(self, cloud: Cloud, system: str, facts: dict[str, Any], table: Callable[[], Table]) -> None:
        self.cloud, self.id = cloud, system
        self.name: str = facts.get("name") or system
        self.key: str = facts.get("key", "")
        """The source's own id of it."""
        self.status: str = facts.get("status", "")
        self.capability: str = facts.get("capability", "")
        self.refused: dict[Part, str] = facts.get("refused", {})
        """Parts that could not be read, and why."""
        self._table = table
        self._telling: list[Entry] | None = None
        """Roles of which the source told what they have."""

    @property
    def online(self) -> bool:
        """Whether the source hears from it."""
        return self.status == "online"

    @property
    def modifiable(self) -> bool:
        """Whether permissions can be changed there."""
        return self.capability == "enabled"

    def identity(self, external_id: str) -> Entry | None:
        """A user, a role or an account. AWS lists people from outside under `rsn:`; both ways of writing are known."""
        table = self._part("identities")
        found = table.get("identity", external_id)
        if found is None and self.cloud == "aws" and not external_id.startswith("rsn:"):
            found = table.get("identity", f"rsn:{external_id}")
        return found

    def role(self, role: str) -> Entry | None:
        """A role: of AWS by its ARN, of Azure by its GUID (or a whole roleDefinitions id), of GCP by its name."""
        if self.cloud == "aws":
            found = self._part("identities").get("identity", role)
            return found if found and found.facts.get("type") == "role" else None
        table = self._part("roles")
        short = role.rsplit("/", 1)[-1] if self.cloud == "azure" else role
        return table.get("role", role) or table.get("role", short) or table.by_id("role", role)

    def policy(self, arn: str) -> Entry | None:
        """A policy of AWS."""
        table = self._part("policies")
        return table.get("policy", arn) or table.by_id("policy", arn)

    def resource(self, external_id: str) -> Entry | None:
        """A resource: a bucket, a subscription, a project."""
        return self._part("resources").get("resource", external_id)

    def covering(self, actions: Sequence[str]) -> Entry | None:
        """The role with the fewest actions among those that have all of `actions`, where the source told what they
        have; patterns in a role count as what they mean.
        """
        if self._telling is None:
            self._telling = [role for role in self.each("role") if "actions" in role.facts]
        wanted = tuple(action.lower() for action in actions)
        return min((role for role in self._telling if _covers(role, wanted)), key=_breadth, default=None)

    def by_id(self, kind: Kind, key: str) -> Entry | None:
        """Something by the source's own id."""
        return self._of(kind).by_id(kind, key)

    def called(self, kind: Kind, name: str) -> list[Entry]:
        """Everything of a kind with this display name."""
        return self._of(kind).by_name(kind, name)

    def each(self, kind: Kind) -> Iterator[Entry]:
        """Everything of a kind; AWS's roles are its identities of the type `role`."""
        if kind == "role" and self.cloud == "aws":
            return (one for one in self._of("identity").each("identity") if one.facts.get("type") == "role")
        return self._of(kind).each(kind)

    def nearest(self, kind: Kind, name: str) -> str | None:
        """What was probably meant: the external id of something here, found by that or by its display name."""
        known = {text: one.external_id for one in self.each(kind) for text in (one.name, one.external_id)}
        meant = nearest(name, known)
        return known[meant] if meant else None

    def knows(self, part: Part) -> bool:
        """Whether a part was read, so that what is not listed is not there."""
        return part in PARTS[self.cloud] and part not in self.refused

    def _of(self, kind: Kind) -> Table:
        parts: dict[Kind, Part] = {"identity": "identities", "policy": "policies", "resource": "resources"}
        part = "identities" if kind == "role" and self.cloud == "aws" else parts.get(kind, "roles")
        return self._part(part)

    def _part(self, part: Part) -> Table:
        if part in self.refused:
            raise CatalogError(
                f"the {part} of {self.cloud} {self.id} are not known: {self.refused[part]}",
                rule="catalog-unknown",
                path=system_path(self.cloud, self.id),
                hint="give the identity that pulls the right to read them, then `pmgitops catalog pull`",
            )
        return self._table()


def _covers(role: Entry, wanted: Sequence[str]) -> bool:
    allowed = [compiled(pattern) for pattern in role.facts["actions"]]
    excluded = [compiled(pattern) for pattern in role.facts.get("notActions", ())]
    return all(
        any(pattern.match(name) for pattern in allowed) and not any(pattern.match(name) for pattern in excluded)
        for name in wanted
    )


def _breadth(role: Entry) -> tuple[int, int, str]:
    """How much a role allows, roughly: patterns count more than names."""
    actions = role.facts["actions"]
    return sum(map(is_pattern, actions)), len(actions), role.external_id


# What can be wrong with it

_PULL = "make it anew: pmgitops catalog pull"
_HEADER = re.compile(
    rb'\{"digest":"[0-9a-f]{64}","format":\d{1,9},"pulled":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ","size":\d{1,12}\}'
)


def header(body: bytes, pulled: str) -> bytes:
    """The first line of the index, which says what the others have to be."""
    facts = {"digest": digest(body), "format": FORMAT, "pulled": pulled, "size": len(body)}
    return orjson.dumps(facts, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def _opened(data: bytes | None) -> tuple[dict[str, Any], bytes]:
    """The index: its header, and the rest as it was written."""
    if data is None:
        raise CatalogError("there is no snapshot of the catalog", rule="catalog-missing", path=INDEX, hint=_PULL)
    first, _, body = data.partition(b"\n")
    try:
        facts = orjson.loads(first)
        version = facts["format"]
    except (ValueError, KeyError, TypeError):
        raise CatalogError("is not the index of a snapshot", rule="catalog-broken", path=INDEX, hint=_PULL) from None
    if version != FORMAT:
        newer = isinstance(version, int) and version > FORMAT
        raise CatalogError(
            f"the snapshot has format {version!r}; this pmgitops reads {FORMAT}",
            rule="catalog-format",
            path=INDEX,
            hint="update pmgitops" if newer else _PULL,
        )
    if not _HEADER.fullmatch(first):
        raise CatalogError("the header was edited by hand", rule="catalog-edited", path=INDEX, hint=_PULL)
    return facts, _verified(INDEX, body, facts)


def _verified(path: str, data: bytes | None, facts: dict[str, Any]) -> bytes:
    """The bytes that a file is said to have."""
    if data is None:
        raise CatalogError("the index names this file, which is not there", rule="catalog-cut", path=path, hint=_PULL)
    if len(data) < facts.get("size", 0):
        what = f"is cut off: {len(data)} bytes of {facts['size']}"
        raise CatalogError(what, rule="catalog-cut", path=path, hint=_PULL)
    if digest(data) != facts.get("digest"):
        what = "was edited by hand: it is not what was pulled"
        raise CatalogError(what, rule="catalog-edited", path=path, hint="discard the edit, or pull again")
    return data


def _or_raise(found: Table | CatalogError) -> Table:
    if isinstance(found, CatalogError):
        raise found
    return found


def _instant(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def instant_text(at: datetime) -> str:
    """As the index has it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def finding(error: CatalogError) -> Finding:
    """The error for whoever has to mend it."""
    return Finding(error.path, 1, 1, error.rule, f"{error}; {error.hint}" if error.hint else str(error))
