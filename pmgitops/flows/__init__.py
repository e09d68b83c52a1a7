"""The flows, one module each: check, render, plan, apply, status, catalog, new. Each reads like a table of contents."""

from __future__ import annotations

from typing import Final

REQUESTS: Final = "requests"
"""The folder of requests."""
