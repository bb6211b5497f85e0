"""The services that routes ask for are those that the process builds."""

import inspect
from collections.abc import Iterator
from pathlib import Path

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from api.app import ROUTES
from tests.api.harness import running_api
from tests.sandbox_server import Sandbox


def asked_for(dependant: Dependant) -> Iterator[type]:
    """The kinds in `FromApp[...]`, also those of dependencies."""
    call = dependant.call
    if getattr(call, "__module__", "") == "api.deps" and inspect.isfunction(call):
        yield inspect.getclosurevars(call).nonlocals["kind"]
    for each in dependant.dependencies:
        yield from asked_for(each)


async def test_each_service_that_a_route_asks_for_is_built(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    routes = [route for module in ROUTES for route in module.router.routes]
    kinds = {
        kind
        for route in routes
        if isinstance(route, APIRoute)
        for kind in asked_for(route.dependant)
    }
    assert len(kinds) > 20, "the kinds were not found"
    async with running_api(tmp_path, sandbox) as api:
        assert kinds - api.services.by_type.keys() == set()
