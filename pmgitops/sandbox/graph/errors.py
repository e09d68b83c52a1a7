"""How Graph refuses: one body shape, and the sentences that the services behind it use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

_CODES = {404: "ResourceNotFound", 405: "MethodNotAllowed", 500: "InternalServerError"}


class GraphError(Exception):
    """A refusal: status, a code to branch on, a message for people, and each single reason where there are several."""

    def __init__(self, status: int, code: str, message: str, details: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.details = status, code, message, details

    def response(self, ids: Mapping[str, str]) -> JSONResponse:
        """The answer as it goes out; `ids` are the request ids of this call."""
        error: dict[str, object] = {"code": self.code, "message": self.message}
        if self.details:
            error["details"] = [{"code": self.code, "message": text, "target": target} for target, text in self.details]
        error["innerError"] = {"date": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}", **ids}
        return JSONResponse({"error": error}, self.status)


def bad_request(message: str, details: Sequence[tuple[str, str]] = ()) -> GraphError:
    """400: what was sent makes no sense."""
    return GraphError(400, "BadRequest", message, details)


def not_found(message: str) -> GraphError:
    """404: there is no such thing, or not for this caller."""
    return GraphError(404, "ResourceNotFound", message)


async def refuse(request: Request, error: Exception) -> Response:
    """Starlette's exception handler: whatever was raised, in Graph's shape."""
    if isinstance(error, HTTPException):
        path = request.url.path.rsplit("/", 1)[-1]
        message = f"Resource not found for the segment '{path}'." if error.status_code == 404 else error.detail
        error = GraphError(error.status_code, _CODES.get(error.status_code, "BadRequest"), message)
    if not isinstance(error, GraphError):
        error = GraphError(500, "InternalServerError", "The sandbox itself is broken; its log says where.")
    return error.response(request.scope["sandbox.ids"])
