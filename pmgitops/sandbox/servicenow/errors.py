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

    def response(self, *, details: bool = True) -> JSONResponse:
        """The answer as it goes out, with its detail or without."""
        error = {"message": self.message, "detail": self.detail if details else None}
        return JSONResponse({"error": error, "status": "failure"}, self.status)


def no_record() -> ServiceNowError:
    """404: absent or hidden, which cannot be told apart."""
    return ServiceNowError(404, "No Record found", "Record doesn't exist or ACL restricts the record retrieval")


def not_authenticated() -> ServiceNowError:
    """401."""
    return ServiceNowError(401, "User Not Authenticated", "Required to provide Auth information")


def invalid_table(name: str) -> ServiceNowError:
    """400."""
    return ServiceNowError(400, f"Invalid table {name}", f"Table {name} does not exist")


def aborted_by_rule(table: str, rule: str, sys_id: str, *, in_detail: bool = False) -> ServiceNowError:
    """403: a business rule said no; its own message does not cross REST, and the name stands in either place."""
    text = (
        f"Operation against file '{table}' was aborted by Business Rule '{rule}^{sys_id}'. Business Rule Stack:{rule}"
    )
    return ServiceNowError(403, "Operation Failed", text) if in_detail else ServiceNowError(403, text)


async def refuse(request: Request, error: Exception) -> Response:
    """Starlette's exception handler: whatever was raised, in the envelope."""
    if isinstance(error, ServiceNowError):
        return error.response(details=request.app.state.world.behaviour.error_details)
    if isinstance(error, HTTPException):
        text = {404: "Requested URI does not represent any resource", 405: "Method not supported"}
        return ServiceNowError(error.status_code, text.get(error.status_code, error.detail), None).response()
    return ServiceNowError(500, "The sandbox itself is broken", "Its log says where").response()
