"""Everything pmgitops raises on purpose, with the exit code of the command line.

A person's mistake in a request is a `Finding`, not an exception. What is raised here ends a run, or one request's
delivery.

    * PmgitopsError              70  a bug, unless a subclass says otherwise + UsageError                2  the command
    line, the configuration or the environment is wrong + UnsafeError               4  refused until a person says
    otherwise (`--allow <guard>`), or for good + TicketGateError           5  the ticket does not allow it +
    DeliveryError             6  something could not be delivered; it is in the ledger and will be tried again -
    LedgerConflictError        another runner was faster, more often than we retry - RemoteError                a
    service answered with an error or not at all; says whether the write may have happened . PermanentRemoteError
    asking again cannot help (400, 403, 404, retired) . TemporaryRemoteError     asking again may help (429, 5xx, no
    connection); carries `wait`
"""

from __future__ import annotations

from enum import Enum


class PmgitopsError(Exception):
    """The root: a message for a person, a hint about what to do next, an exit code."""

    exit_code = 70

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(PmgitopsError):
    """The command line, the configuration or the environment is wrong; nothing was done."""

    exit_code = 2


class CatalogError(UsageError):
    """The committed snapshot cannot tell: it is missing, broken, or was refused what is asked for.

    `rule` is what a finding about it is called, `path` the file that is wrong.
    """

    def __init__(self, message: str, *, rule: str, path: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.rule = rule
        self.path = path


class UnsafeError(PmgitopsError):
    """A guard refused; `guard` is what a person may pass to `--allow`, empty where nobody may."""

    exit_code = 4

    def __init__(self, message: str, *, hint: str = "", guard: str = "") -> None:
        super().__init__(message, hint=hint)
        self.guard = guard


class TicketGateError(PmgitopsError):
    """The ticket named in `ticketInfo` does not allow the request."""

    exit_code = 5


class DeliveryError(PmgitopsError):
    """Something could not be delivered; the ledger remembers it and the next run tries again."""

    exit_code = 6


class LedgerConflictError(DeliveryError):
    """The ledger's branch moved under every attempt to append to it."""


class Commit(Enum):
    """Whether a write that ended in an error took effect at the service."""

    NO = "no"
    YES = "yes"
    UNKNOWN = "unknown"


class RemoteError(DeliveryError):
    """A service refused, failed or did not answer.

    `code` is the service's own error code (or ours, e.g. `timeout.read`), `status` the HTTP status (0 without one),
    `commit` says whether a write may have happened: UNKNOWN must be read back, never repeated.
    """

    def __init__(
        self, message: str, *, hint: str = "", code: str = "", status: int = 0, commit: Commit = Commit.NO
    ) -> None:
        super().__init__(message, hint=hint)
        self.code = code
        self.status = status
        self.commit = commit


class PermanentRemoteError(RemoteError):
    """Asking again cannot help."""


class TemporaryRemoteError(RemoteError):
    """Asking again may help; `wait` is what the service asked for, in seconds."""

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        code: str = "",
        status: int = 0,
        commit: Commit = Commit.NO,
        wait: float | None = None,
    ) -> None:
        super().__init__(message, hint=hint, code=code, status=status, commit=commit)
        self.wait = wait
