"""The sandbox provider: a local server that speaks OpenRouter's HTTP API and makes real files,
without a key and without cost.

`python -m sandbox.app` starts it on 127.0.0.1. Everything it knows is in memory. What it does
wrong, and how fast it is, can be set at the start (`SANDBOX_*`) and at run time over `/_sandbox`
(see `sandbox_faults.py`).
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import uvicorn
from pydantic import AliasChoices, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sandbox import models
from sandbox.calls import Handler, Studio, Work, endpoint
from sandbox.chat import chat
from sandbox.faults import CallKind, Control, Fault, Faults, Refusal, Timing
from sandbox.images import generations, image_endpoints, image_models, images
from sandbox.videos import Videos

_MODALITIES = frozenset(
    {
        "text",
        "image",
        "embeddings",
        "audio",
        "video",
        "rerank",
        "decisions",
        "speech",
        "transcription",
    }
)
Seconds = Annotated[float, Field(ge=0, le=3600)]


class SandboxSettings(BaseSettings):
    """`SANDBOX_*` of the environment or `.env`; times in seconds; `SANDBOX_FAULTS` is a JSON list
    of `Fault`."""

    model_config = SettingsConfigDict(
        env_prefix="SANDBOX_",
        env_file=".env",
        extra="ignore",
        env_ignore_empty=True,
        populate_by_name=True,
    )

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8010
    """0: any free port."""
    first_token_seconds: Seconds = 0.35
    token_seconds: Seconds = 0.02
    image_seconds: Seconds = 1.5
    video_seconds: Seconds = 6.0
    faults: list[Fault] = []
    webhook_secret: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices(
            "OPENROUTER_WEBHOOK_SECRET", "openrouter_webhook_secret", "webhook_secret"
        ),
    )

    def timing(self) -> Timing:
        return Timing(
            first_token=self.first_token_seconds,
            token=self.token_seconds,
            image=self.image_seconds,
            video=self.video_seconds,
        )


async def _models(work: Work) -> Response:
    wanted = {
        part.strip()
        for part in work.request.query_params.get("output_modalities", "text").split(",")
    }
    if wanted - _MODALITIES - {"all"}:
        raise Refusal(400, "output_modalities: invalid value", {"error_type": "invalid_request"})
    data = models.list_order(models.CHAT_MODELS, None if "all" in wanted else frozenset(wanted))
    if work.hit_by("empty"):
        data = []
    return JSONResponse({"data": data, "total_count": len(data), "links": {"next": None}})


async def _key(work: Work) -> Response:
    data: dict[str, Any] = {
        "label": "sandbox",
        "limit": None,
        "limit_remaining": None,
        "limit_reset": None,
        **dict.fromkeys(
            ("usage", "usage_daily", "usage_weekly", "usage_monthly"), round(work.studio.spent, 8)
        ),
        "byok_usage": 0,
        "byok_usage_daily": 0,
        "byok_usage_weekly": 0,
        "byok_usage_monthly": 0,
        "include_byok_in_limit": False,
        "is_free_tier": False,
        "is_management_key": False,
        "is_provisioning_key": False,
        "free_model_daily_requests": {"limit": 1000, "used": 0, "remaining": 1000},
        "budgets": [],
        "effective_budget": None,
        "allowed_data_regions": ["global"],
        "workspace_id": None,
        "organization_id": None,
        "creator_user_id": None,
        "rate_limit": {
            "requests": -1,
            "interval": "10s",
            "note": "This field is deprecated and safe to ignore.",
        },
    }
    return JSONResponse({"data": data})


async def _generation(work: Work) -> Response:
    wanted = work.request.query_params.get("id")
    if not wanted:
        raise Refusal(400, "id: Required", {"error_type": "invalid_request"})
    data = work.studio.recall(wanted)
    if data is None:
        raise Refusal(404, f"Generation {wanted} not found", {"error_type": "not_found"})
    return JSONResponse({"data": data})


def _control(faults: Faults, videos: Videos) -> list[Route]:
    async def read(_: Request) -> Response:
        return JSONResponse(faults.state())

    async def write(request: Request) -> Response:
        try:
            faults.set(Control.model_validate_json(await request.body()))
        except ValidationError as error:
            return JSONResponse(
                {"detail": error.errors(include_url=False, include_context=False)}, 422
            )
        return JSONResponse(faults.state())

    async def calls(_: Request) -> Response:
        return JSONResponse(faults.log())

    async def reset(_: Request) -> Response:
        await videos.clear()
        faults.reset()
        return JSONResponse(faults.state())

    return [
        Route("/_sandbox/faults", read, methods=["GET"]),
        Route("/_sandbox/faults", write, methods=["PUT"]),
        Route("/_sandbox/calls", calls, methods=["GET"]),
        Route("/_sandbox/reset", reset, methods=["POST"]),
    ]


def create_app(
    timing: Timing | None = None,
    faults: list[Fault] | None = None,
    webhook_secret: str | None = None,
) -> Starlette:
    state = Faults(timing or Timing(), faults or [])
    studio = Studio(state)
    videos = Videos(studio, webhook_secret)

    def route(method: str, path: str, kind: CallKind, handler: Handler) -> Route:
        return Route(f"/api/v1{path}", endpoint(studio, kind, handler), methods=[method])

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await videos.close()

    async def nothing(request: Request, _: Exception) -> Response:
        return JSONResponse(Refusal(404, f"Not Found: {request.url.path}").body(), 404)

    routes = [
        route("GET", "/models", "models", _models),
        route("POST", "/chat/completions", "chat", chat),
        route("POST", "/images", "images", images),
        route("GET", "/images/models", "images.models", image_models),
        route("GET", "/images/models/{author}/{slug}/endpoints", "images.models", image_endpoints),
        route("POST", "/images/generations", "generations", generations),
        route("GET", "/videos/models", "videos.models", videos.models),
        route("POST", "/videos", "videos.submit", videos.submit),
        route("GET", "/videos/{id}", "videos.status", videos.status),
        route("GET", "/videos/{id}/content", "videos.content", videos.content),
        route("GET", "/key", "key", _key),
        route("GET", "/generation", "generation", _generation),
        *_control(state, videos),
    ]
    return Starlette(
        routes=routes, lifespan=lifespan, exception_handlers={404: nothing, 405: nothing}
    )


class _Breakable(HttpToolsProtocol):
    """Lets the app tear its connection down, which ASGI has no message for."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {"sandbox.abort": {"call": self.transport.abort}}


def _calm(app: ASGIApp) -> ASGIApp:
    """Ends the calls that a stop interrupts by closing their connections, without a traceback for
    each."""

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except asyncio.CancelledError:
            if scope["type"] != "http":
                raise
            scope["extensions"]["sandbox.abort"]["call"]()
            await asyncio.sleep(0)

    return run


def server(app: Starlette, port: int, host: str = "127.0.0.1") -> uvicorn.Server:
    """A uvicorn server for `create_app`'s app, whose connections can break."""
    return uvicorn.Server(
        uvicorn.Config(
            _calm(app),
            host=host,
            port=port,
            http=_Breakable,
            ws="none",
            log_level="info",
            access_log=False,
            timeout_graceful_shutdown=1,
            timeout_keep_alive=30,
        )
    )


def main(settings: SandboxSettings) -> None:
    secret = (
        settings.webhook_secret.get_secret_value() if settings.webhook_secret is not None else None
    )
    server(
        create_app(settings.timing(), settings.faults, secret), settings.port, settings.host
    ).run()


def _start() -> None:
    try:
        settings = SandboxSettings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        sys.exit(f"{name if name.startswith('OPENROUTER') else f'SANDBOX_{name}'}: {first['msg']}")
    main(settings)


if __name__ == "__main__":
    _start()
