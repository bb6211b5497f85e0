"""The routes of the sandbox: OpenRouter's HTTP API, and `/_sandbox`, which sets faults and timing
(see `faults.py`)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.audio import Sounds
from sandbox.calls import Handler, IncomingCall, endpoint
from sandbox.chat import chat
from sandbox.faults import Behaviour, CallKind, ErrorAnswer, Fault, FaultsIn, Timing, invalid
from sandbox.images import generations, image_endpoints, image_models, images
from sandbox.kept_videos import KeptVideos
from sandbox.models import MODELS
from sandbox.simulation import Simulation
from sandbox.videos import Videos

_MODALITIES = {
    "text", "image", "embeddings", "audio", "video", "rerank", "decisions", "speech",
    "transcription",
}  # fmt: skip


async def _models(call: IncomingCall) -> Response:
    listed = call.request.query_params.get("output_modalities", "text")
    wanted = {part.strip() for part in listed.split(",")}
    if wanted - _MODALITIES - {"all"}:
        raise invalid("output_modalities: invalid value")
    data = [
        row.listing()
        for row in MODELS.chat_models
        if not call.hit_by("empty")
        and ("all" in wanted or wanted & set(row.architecture.output_modalities))
    ]
    return JSONResponse({"data": data, "total_count": len(data), "links": {"next": None}})


async def _key(call: IncomingCall) -> Response:
    return JSONResponse({"data": call.simulation.key()})


async def _generation(call: IncomingCall) -> Response:
    wanted = call.request.query_params.get("id")
    if not wanted:
        raise invalid("id: Required")
    data = call.simulation.recall(wanted)
    if data is None:
        raise ErrorAnswer(404, f"Generation {wanted} not found", {"error_type": "not_found"})
    return JSONResponse({"data": data})


def _control(behaviour: Behaviour, videos: Videos) -> list[Route]:
    async def read(_: Request) -> Response:
        return JSONResponse(behaviour.state())

    async def write(request: Request) -> Response:
        try:
            behaviour.set(FaultsIn.model_validate_json(await request.body()))
        except ValidationError as error:
            return JSONResponse(
                {"detail": error.errors(include_url=False, include_context=False)}, 422
            )
        return JSONResponse(behaviour.state())

    async def calls(_: Request) -> Response:
        return JSONResponse(behaviour.log())

    async def reset(_: Request) -> Response:
        await videos.clear()
        behaviour.reset()
        return JSONResponse(behaviour.state())

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
    folder: Path | None = None,
) -> Starlette:
    """`folder`: videos that are not fetched yet are kept there for the next start."""
    behaviour = Behaviour(timing or Timing(), faults or [])
    simulation = Simulation(behaviour)
    videos = Videos(simulation, webhook_secret, KeptVideos(folder))
    sounds = Sounds()

    def route(method: str, path: str, kind: CallKind, handler: Handler) -> Route:
        return Route(f"/api/v1{path}", endpoint(simulation, kind, handler), methods=[method])

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        videos.go_on()
        yield
        await videos.close()

    async def nothing(request: Request, _: Exception) -> Response:
        return JSONResponse(ErrorAnswer(404, f"Not Found: {request.url.path}").body(), 404)

    routes = [
        route("GET", "/models", "models", _models),
        route("POST", "/chat/completions", "chat", chat),
        route("POST", "/images", "images", images),
        route("GET", "/images/models", "images.models", image_models),
        route("GET", "/images/models/{author}/{slug}/endpoints", "images.models", image_endpoints),
        route("POST", "/images/generations", "generations", generations),
        route("POST", "/audio/speech", "audio.speech", sounds.speech),
        route("POST", "/audio/transcriptions", "audio.transcriptions", sounds.transcriptions),
        route("GET", "/videos/models", "videos.models", videos.models),
        route("POST", "/videos", "videos.submit", videos.submit),
        route("GET", "/videos/{id}", "videos.status", videos.status),
        route("GET", "/videos/{id}/content", "videos.content", videos.content),
        route("GET", "/key", "key", _key),
        route("GET", "/generation", "generation", _generation),
        *_control(behaviour, videos),
    ]
    return Starlette(
        routes=routes, lifespan=lifespan, exception_handlers={404: nothing, 405: nothing}
    )
