"""The addresses of the instance."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from pmgitops.sandbox.deeds import LOGIN_PAGE
from pmgitops.sandbox.world import World

from . import attachment_api, table_api
from .errors import ServiceNowError, refuse
from .gate import Gate, give_token

_VERSIONS = ("", "/v1", "/v2")


def servicenow(world: World) -> Starlette:
    """The application to mount at the root, after everything else."""
    routes = [Route("/oauth_token.do", give_token, methods=["POST"]), Route("/login.do", login_page)]
    for version in _VERSIONS:
        api = f"/api/now{version}"
        routes += [
            Route(f"{api}/table/{{table}}", table_api.list_or_create, methods=["GET", "HEAD", "POST"]),
            Route(
                f"{api}/table/{{table}}/{{sys_id}}", table_api.one, methods=["GET", "HEAD", "PUT", "PATCH", "DELETE"]
            ),
            Route(f"{api}/attachment", attachment_api.list_attachments, methods=["GET"]),
            Route(f"{api}/attachment/file", attachment_api.upload_file, methods=["POST"]),
            Route(f"{api}/attachment/upload", attachment_api.upload_form, methods=["POST"]),
            Route(f"{api}/attachment/{{sys_id}}", attachment_api.one_attachment, methods=["GET", "PATCH", "DELETE"]),
            Route(f"{api}/attachment/{{sys_id}}/file", attachment_api.download, methods=["GET"]),
        ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Gate, world=world)],
        exception_handlers={ServiceNowError: refuse, HTTPException: refuse, Exception: refuse},
    )
    app.state.world = world
    return app


async def login_page(_: Request) -> Response:
    """What a browser, or who follows redirects like one, is sent to."""
    return HTMLResponse(LOGIN_PAGE)
