"""The catalog: asked directly, pulled into a snapshot, searched."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

from pmgitops.catalog.codec import as_json
from pmgitops.catalog.discovery import Graph
from pmgitops.catalog.operations import Operation
from pmgitops.catalog.pull import Pulled, pull
from pmgitops.catalog.snapshot import Catalog

__all__ = ["Pulled", "find", "get", "pull"]


def get(graph: Graph, operation: Operation, arguments: Sequence[str], most: int | None = None) -> list[dict[str, Any]]:
    """What one operation of discovery answers: all of a list, or no more than `most` of it; one object as a list."""
    if not operation.many:
        return [graph.one(operation, arguments)]
    return list(islice(graph.many(operation, arguments), most))


def find(catalog: Catalog, words: Sequence[str], most: int) -> tuple[list[dict[str, Any]], bool]:
    """The entries of the snapshot in which all words stand, no more than `most`; whether there are others."""
    found = [{"where": where, **as_json(entry)} for where, entry in islice(catalog.search(words), most + 1)]
    return found[:most], len(found) > most
