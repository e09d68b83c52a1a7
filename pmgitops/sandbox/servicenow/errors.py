"""How ServiceNow refuses: the envelope, and the texts that clients branch on for want of codes."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response


class ServiceNowError(Exception):
    """A refusal; `detail` may be null."""

    def __init__(self, status: int, message: str, detail: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.detail = status, message, detail

    def response(self) -> JSONResponse:
        """The answer as it goes out."""
        return JSONResponse(
            {"error": {"message": self.message, "detail": self.detail}, "status": "failure"}, self.status
        )


def no_record() -> ServiceNowError:
    """404: absent or hidden, which cannot be told apart."""
    return ServiceNowError(404, "No Record found", "Record doesn't exist or ACL restricts the record retrieval")


def not_authenticated() -> ServiceNowError:
    """401."""
    return ServiceNowError(401, "User Not Authenticated", "Required to provide Auth information")


def aborted_by_rule(table: str, rule: str, sys_id: str) -> ServiceNowError:
    """403: a business rule said no; its own message does not cross REST."""
    return ServiceNowError(403, f"Operation against file '{table}' was aborted by Business Rule '{rule}^{sys_id}'. "
                        "Business Rule Stack:" + rule)  # fmt: skip


async def refuse(_: Request, error: Exception) -> Response:
    """Starlette's exception handler: whatever was raised, in the envelope."""
    if isinstance(error, ServiceNowError):
        return error.response()
    if isinstance(error, HTTPException):
        text = {404: "Requested URI does not represent any resource", 405: "Method not supported"}
        return ServiceNowError(error.status_code, text.get(error.status_code, error.detail), None).response()
    return ServiceNowError(500, "The sandbox itself is broken", "Its log says where").response()
