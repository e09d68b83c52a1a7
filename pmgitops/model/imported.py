"""The names of imported requests: each is the name of one grant at one target, and of no other.

A file of such a name is never sent: it adopts the grant that its name was made from, or nothing.
"""

from __future__ import annotations

import hashlib
import re

from pmgitops.model.request import AnyRequest

_NAME = re.compile(r"imported-[a-z0-9-]+-[0-9a-f]{16}")
_LONGEST = 40
"""Characters of the identity; a name has at most a hundred."""


def name_of_grant(request: AnyRequest, target: str, remote_id: str) -> str:
    """Kind, identity, and a digest of where the grant stands: `imported-aws-policies-alex-3fa9c21b6c07d5e1`."""
    plain = re.sub(r"[^a-z0-9]+", "-", request.identity.external_id.partition("@")[0].lower())
    identity = plain[:_LONGEST].strip("-") or "identity"
    return f"imported-{request.kind}-{identity}-{_digest(target, remote_id)}"


def is_name_of_grant(name: str) -> bool:
    """Whether a name is one that only `import` gives."""
    return _NAME.fullmatch(name) is not None


def may_name(name: str, target: str, remote_id: str) -> bool:
    """Whether a name was made from this grant, as far as that can be said without its body."""
    return name.endswith(f"-{_digest(target, remote_id)}")


def _digest(target: str, remote_id: str) -> str:
    return hashlib.sha256(f"{target}\n{remote_id}".encode()).hexdigest()[:16]
