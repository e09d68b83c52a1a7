"""Where everything the sandbox knows is kept: one SQLite database, in memory, or in a file for a later run."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .clock import Clock, read_instant

Json = dict[str, Any]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL);

-- Graph: what was asked, and everything that happened to it.
CREATE TABLE IF NOT EXISTS requests (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, body TEXT NOT NULL,
    caller TEXT NOT NULL, principal TEXT NOT NULL, approver TEXT NOT NULL, ticket TEXT,
    status TEXT NOT NULL, occurrence TEXT, created INTEGER NOT NULL, approved INTEGER,
    window_end INTEGER, next_step TEXT, next_at INTEGER);
CREATE INDEX IF NOT EXISTS requests_due ON requests (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS requests_caller ON requests (caller);
CREATE INDEX IF NOT EXISTS requests_principal ON requests (principal);
CREATE TABLE IF NOT EXISTS changes (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, request TEXT NOT NULL,
    at INTEGER NOT NULL UNIQUE, status TEXT NOT NULL, occurrence TEXT, ticket TEXT);
CREATE INDEX IF NOT EXISTS changes_request ON changes (request);
CREATE INDEX IF NOT EXISTS changes_ticket ON changes (ticket);

-- Graph: what discovery finds. The system '' holds the systems themselves.
CREATE TABLE IF NOT EXISTS inventory (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, system TEXT NOT NULL, collection TEXT NOT NULL,
    id TEXT NOT NULL, external TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS inventory_order ON inventory (system, collection, seq);
CREATE INDEX IF NOT EXISTS inventory_id ON inventory (system, collection, id);
CREATE INDEX IF NOT EXISTS inventory_external ON inventory (system, collection, external);

-- ServiceNow: records of every table, journal rows among them, and the bytes of attachments.
CREATE TABLE IF NOT EXISTS records (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, sys_id TEXT NOT NULL UNIQUE, class TEXT NOT NULL, fields TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS records_class ON records (class);
CREATE INDEX IF NOT EXISTS records_number ON records (json_extract(fields, '$.number'));
CREATE INDEX IF NOT EXISTS records_element_id ON records (json_extract(fields, '$.element_id'));
CREATE INDEX IF NOT EXISTS records_sysapproval ON records (json_extract(fields, '$.sysapproval'));
CREATE INDEX IF NOT EXISTS records_table_sys_id ON records (json_extract(fields, '$.table_sys_id'));
CREATE INDEX IF NOT EXISTS records_email ON records (json_extract(fields, '$.email'));
CREATE INDEX IF NOT EXISTS records_user_name ON records (json_extract(fields, '$.user_name'));
CREATE TABLE IF NOT EXISTS contents (sys_id TEXT PRIMARY KEY, bytes BLOB NOT NULL);
"""

_TABLES = ("meta", "requests", "changes", "inventory", "records", "contents")


class Store:
    """One connection, used from the server's own thread alone; ids and times come from here, so they are repeatable."""

    def __init__(self, state: Path | None, seed: int, at: int | None = None) -> None:
        self._seed, self._at = seed, at
        self._connection = sqlite3.connect(
            str(state) if state else ":memory:", isolation_level=None, check_same_thread=False
        )
        self._connection.row_factory = sqlite3.Row
        self._connection.create_function("instant", 1, _instant_or_null, deterministic=True)
        # A stand-in may lose its last second in a power cut; it may not be the slowest part of a test.
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=OFF")
        self._connection.executescript(_SCHEMA)
        self.clock = Clock(self.remembered("clock"), at)

    def close(self) -> None:
        """Let go of the database."""
        self._connection.close()

    @property
    def empty(self) -> bool:
        """Nothing was ever written: the place is to be furnished first."""
        return self.one("SELECT 1 FROM meta LIMIT 1") is None

    def erase(self) -> None:
        """Forget everything, the moved or stopped clock too."""
        for table in _TABLES:
            self.run(f"DELETE FROM {table}")  # noqa: S608
        self.clock = Clock(stopped=self._at)

    def advance(self, seconds: float) -> None:
        """Move the clock forward, and remember it for the next run on the same file."""
        self.clock.advance(seconds)
        self._remember("clock", self.clock.offset)

    def run(self, sql: str, *values: object) -> int:
        """Execute one statement; how many rows it touched."""
        return self._connection.execute(sql, values).rowcount

    def run_many(self, sql: str, rows: list[tuple[object, ...]]) -> None:
        """Execute one statement for each row of values."""
        self._connection.executemany(sql, rows)

    def one(self, sql: str, *values: object) -> sqlite3.Row | None:
        """The first row, or nothing."""
        row: sqlite3.Row | None = self._connection.execute(sql, values).fetchone()
        return row

    def all(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """Every row."""
        return self._connection.execute(sql, values).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What happens inside happens as a whole or not at all; one inside another is part of it."""
        if self._connection.in_transaction:
            yield
            return
        self._connection.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def new_uuid(self) -> str:
        """The next id, the same in every run with the same seed."""
        return str(uuid.UUID(bytes=self._digest(), version=4))

    def new_sys_id(self) -> str:
        """The next id as ServiceNow writes them: 32 hex characters."""
        return self._digest().hex()

    def next_instant(self, at: int) -> int:
        """`at`, or a microsecond after the last instant given out: change events never share a time."""
        taken = max(at, self.remembered("instant") + 1)
        self._remember("instant", taken)
        return taken

    def next_count(self, counter: str, start: int) -> int:
        """The next number of a named counter."""
        count = (self.remembered(counter) or start) + 1
        self._remember(counter, count)
        return count

    def remembered(self, key: str) -> int:
        """A number kept under a name, 0 where there is none."""
        row = self.one("SELECT value FROM meta WHERE key = ?", key)
        return int(row["value"]) if row else 0

    def _remember(self, key: str, value: int) -> None:
        self.run("INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", key, value)

    def _digest(self) -> bytes:
        return hashlib.sha256(f"{self._seed}:{self.next_count('ids', 0)}".encode()).digest()[:16]


def compact(document: Mapping[str, Any]) -> str:
    """JSON as it is kept."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def _instant_or_null(text: object) -> int | None:
    try:
        return read_instant(str(text))
    except ValueError:
        return None
