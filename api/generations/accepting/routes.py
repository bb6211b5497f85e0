"""`/generate/image`, `/generate/video`, `/generations`: images and videos."""

from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import JSONResponse

from api.callers import Caller, UserCaller
from api.deps import Services, ServicesDep
from api.generations.accepting.request import Origin
from api.generations.accepting.service import failure_of
from api.generations.schemas import (
    AgainIn,
    CardIn,
    EstimateIn,
    EstimateOut,
    FavouriteIn,
    GenerationOut,
    ImageIn,
    StatusOut,
    VideoFromImageIn,
    VideoIn,
)
from api.generations.store import Generation

router = APIRouter(tags=["generation"])

WAIT_SECONDS = 180.0
WEB_AGENT = "allucanget-web"

Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=200)]


def _origin(request: Request, caller: Caller, key: str | None) -> Origin:
    agent = request.headers.get("user-agent", "")
    return Origin(caller.platform or ("web" if agent.startswith(WEB_AGENT) else "api"), key)


async def _accepted(services: Services, generation: Generation) -> JSONResponse:
    out = (await services.generations.reader.outs([generation]))[0]
    return JSONResponse(
        out.model_dump(mode="json"), 202, {"Location": f"/generations/{generation.id}"}
    )


@router.post("/generate/estimate")
async def estimate(body: EstimateIn, caller: UserCaller, services: ServicesDep) -> EstimateOut:
    return await services.generations.estimate(caller, body)


@router.post(
    "/generate/image", response_model=GenerationOut, responses={202: {"model": GenerationOut}}
)
async def create_image(
    request: Request,
    body: ImageIn,
    caller: UserCaller,
    services: ServicesDep,
    key: Key = None,
    prefer: Annotated[str, Header()] = "",
) -> Response:
    """Waits for the result and answers 200; 202 with `Prefer: respond-async`, or when it takes
    longer than three minutes."""
    generation = await services.generations.create_image(
        caller, body, _origin(request, caller, key)
    )
    if "respond-async" in prefer:
        return await _accepted(services, generation)
    generation = await services.generations.wait(generation, WAIT_SECONDS)
    if not generation.finished:
        return await _accepted(services, generation)
    if generation.status == "failed":
        raise failure_of(generation)
    out = await services.generations.reader.one(caller.user_id, generation.id)
    return JSONResponse(out.model_dump(mode="json"))


@router.post("/generate/video", status_code=202, response_model=GenerationOut)
async def create_video(
    request: Request, body: VideoIn, caller: UserCaller, services: ServicesDep, key: Key = None
) -> Response:
    generation = await services.generations.create_video(
        caller, body, _origin(request, caller, key)
    )
    return await _accepted(services, generation)


@router.post("/generate/video/from-image", status_code=202, response_model=GenerationOut)
async def create_video_from_image(
    request: Request,
    body: VideoFromImageIn,
    caller: UserCaller,
    services: ServicesDep,
    key: Key = None,
) -> Response:
    generation = await services.generations.create_video(
        caller, body, _origin(request, caller, key)
    )
    return await _accepted(services, generation)


@router.get("/generate/video/{generation_id}/status")
async def status(generation_id: str, caller: UserCaller, services: ServicesDep) -> StatusOut:
    return await services.generations.reader.status(caller.user_id, generation_id)


@router.post("/generate/video/{generation_id}/cancel")
@router.post("/generations/{generation_id}/cancel")
async def cancel(generation_id: str, caller: UserCaller, services: ServicesDep) -> GenerationOut:
    return await services.generations.cancel(caller, generation_id)


@router.post("/generations/{generation_id}/again", status_code=202, response_model=GenerationOut)
async def again(
    request: Request,
    generation_id: str,
    caller: UserCaller,
    services: ServicesDep,
    body: AgainIn | None = None,
    key: Key = None,
) -> Response:
    """The same request as a new generation, with changes."""
    made = await services.generations.again(
        caller, generation_id, body or AgainIn(), _origin(request, caller, key)
    )
    return await _accepted(services, made)


@router.post(
    "/generations/drafts/{draft_id}/confirm", status_code=202, response_model=GenerationOut
)
async def confirm(
    request: Request, draft_id: str, caller: UserCaller, services: ServicesDep
) -> Response:
    """Make what a chat asked for and was answered with 409 `confirm_cost`, whose problem document
    has `draft_id` and `cost_usd`. Only for the one who asked, within a day, and once: confirmed
    again, it is the same generation."""
    made = await services.generations.confirm(
        caller, draft_id, _origin(request, caller, None).source
    )
    return await _accepted(services, made)


@router.get("/generations/{generation_id}")
async def one(generation_id: str, caller: UserCaller, services: ServicesDep) -> GenerationOut:
    return await services.generations.reader.one(caller.user_id, generation_id)


@router.delete("/generations/{generation_id}", status_code=204)
async def delete(generation_id: str, caller: UserCaller, services: ServicesDep) -> Response:
    await services.generations.delete(caller, generation_id)
    return Response(status_code=204)


@router.put("/generations/{generation_id}/favourite")
async def favourite(
    generation_id: str, body: FavouriteIn, caller: UserCaller, services: ServicesDep
) -> GenerationOut:
    return await services.generations.set_favourite(caller, generation_id, body.favourite)


@router.put("/generations/{generation_id}/card", status_code=204)
async def card(
    generation_id: str, body: CardIn, caller: UserCaller, services: ServicesDep
) -> Response:
    """Which chat message shows that the generation is being made; it is closed when the result
    arrives."""
    await services.generations.set_card(caller, generation_id, body.message_id)
    return Response(status_code=204)
