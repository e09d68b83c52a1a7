"""The whole sandbox as one ASGI application: the page, the control routes, Graph, ServiceNow, behind one front door."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.routing import Mount

from .control import control_routes
from .front import Front
from .graph.routes import graph
from .page import page_routes
from .servicenow.routes import servicenow
from .world import World


def application(world: World, control_port: int) -> Front:
    """Assemble it; ServiceNow comes last, since it owns every address that nobody else claims."""
    routes = [
        *page_routes(),
        *control_routes(),
        Mount("/beta", graph(world)),
        Mount("/", servicenow(world)),
    ]
    app = Starlette(routes=routes)
    app.state.world = world
    return Front(app, world, control_port)
