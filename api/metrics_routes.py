"""`GET /metrics` of the api, in Prometheus' text format."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from api.callers import CallersDep
from api.deps import FromApp
from api.errors import NotAllowed, NotAuthenticated
from api.metrics import Metrics
from telemetry.exporter import exporter

router = APIRouter(tags=["machines"])

_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="token",
    description="An admin's access token, or METRICS_TOKEN; none from METRICS_ALLOW.",
)


async def _reader(
    request: Request,
    callers: CallersDep,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> None:
    host = request.client.host if request.client else ""
    given = bearer.credentials if bearer else None
    if exporter.access.is_allowed(host, request.headers.keys(), given):
        return
    if given is None:
        raise NotAuthenticated("sign_in_first")
    caller = await callers.caller(given)
    if caller.role != "admin" or caller.session_id is None:
        raise NotAllowed("admins_only")


@router.get("/metrics", response_class=Response, dependencies=[Depends(_reader)])
async def metrics(request: Request, counted: FromApp[Metrics]) -> Response:
    """Return the metrics for Prometheus: to a program of an allowed network, or with the scrape
    token or an admin's."""
    await counted.look(request.app.state.services)
    return Response(
        generate_latest(counted.registry),
        media_type=CONTENT_TYPE_LATEST,
        headers={"Cache-Control": "no-store"},
    )
