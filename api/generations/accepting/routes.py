"""`/generate`, and acts on a generation that may still be made: again, confirm, cancel, card."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.responses import JSONResponse

from api.callers import BotCaller, Caller, UserCaller
from api.deliveries.schemas import OpenCardOut, OpenCardsIn
from api.deps import FromApp
from api.generations.accepting.cards import OpenCards
from api.generations.accepting.request import Origin
from api.generations.accepting.service import GenerationService, failure_of
from api.generations.schemas import (
    AgainIn,
    CardIn,
    EstimateIn,
    EstimateOut,
    GenerationOut,
    ImageIn,
    VideoFromImageIn,
    VideoIn,
)
from api.generations.store import Generation

router = APIRouter(tags=["generation"])

GenerationsDep = FromApp[GenerationService]
OpenCardsDep = FromApp[OpenCards]

WAIT_SECONDS = 180.0
WEB_AGENT = "allucanget-web"

Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=200)]


def _source(request: Request, caller: Caller) -> str:
    agent = request.headers.get("user-agent", "")
    return caller.platform or ("web" if agent.startswith(WEB_AGENT) else "api")


async def _origin(request: Request, caller: UserCaller, key: Key = None) -> Origin:
    return Origin(_source(request, caller), key)


OriginDep = Annotated[Origin, Depends(_origin)]


async def _accepted(generations: GenerationService, generation: Generation) -> JSONResponse:
    out = (await generations.reader.outs([generation]))[0]
    return JSONResponse(
        out.model_dump(mode="json"), 202, {"Location": f"/generations/{generation.id}"}
    )


@router.post("/generate/estimate")
async def estimate(
    body: EstimateIn, caller: UserCaller, generations: GenerationsDep
) -> EstimateOut:
    return await generations.estimate(caller, body)


@router.post(
    "/generate/image", response_model=GenerationOut, responses={202: {"model": GenerationOut}}
)
async def create_image(
    body: ImageIn,
    caller: UserCaller,
    origin: OriginDep,
    generations: GenerationsDep,
    prefer: Annotated[str, Header()] = "",
) -> Response:
    """Wait for the result and answer 200; 202 with `Prefer: respond-async`, or when it takes longer
    than three minutes."""
    generation = await generations.create(caller, body, origin)
    if "respond-async" in prefer:
        return await _accepted(generations, generation)
    generation = await generations.wait(generation, WAIT_SECONDS)
    if not generation.finished:
        return await _accepted(generations, generation)
    if generation.status == "failed":
        raise failure_of(generation)
    out = await generations.reader.one(caller.user_id, generation.id)
    return JSONResponse(out.model_dump(mode="json"))


@router.post("/generate/video", status_code=202, response_model=GenerationOut)
async def create_video(
    body: VideoIn, caller: UserCaller, origin: OriginDep, generations: GenerationsDep
) -> Response:
    return await _accepted(generations, await generations.create(caller, body, origin))


@router.post("/generate/video/from-image", status_code=202, response_model=GenerationOut)
async def create_video_from_image(
    body: VideoFromImageIn, caller: UserCaller, origin: OriginDep, generations: GenerationsDep
) -> Response:
    return await _accepted(generations, await generations.create(caller, body, origin))


@router.post("/generate/video/{generation_id}/cancel")
@router.post("/generations/{generation_id}/cancel")
async def cancel(
    generation_id: str, caller: UserCaller, generations: GenerationsDep
) -> GenerationOut:
    return await generations.cancel(caller, generation_id)


@router.post("/generations/{generation_id}/again", status_code=202, response_model=GenerationOut)
async def again(
    generation_id: str,
    caller: UserCaller,
    origin: OriginDep,
    generations: GenerationsDep,
    body: AgainIn | None = None,
) -> Response:
    """Make the same request once more, with changes."""
    made = await generations.again(caller, generation_id, body or AgainIn(), origin)
    return await _accepted(generations, made)


@router.post(
    "/generations/drafts/{draft_id}/confirm", status_code=202, response_model=GenerationOut
)
async def confirm(
    request: Request, draft_id: str, caller: UserCaller, generations: GenerationsDep
) -> Response:
    """Make what a chat asked for and was answered with 409 `confirm_cost`, whose problem document
    has `draft_id` and `cost_usd`. Only for the one who asked, within a day, and once: confirmed
    again, it is the same generation."""
    made = await generations.confirm(caller, draft_id, _source(request, caller))
    return await _accepted(generations, made)


@router.post("/bot/cards", tags=["bots"])
async def open_cards(body: OpenCardsIn, bot: BotCaller, cards: OpenCardsDep) -> list[OpenCardOut]:
    """Return the waiting cards of the bot's platform. Of several processes one gets them within
    `seconds`; those that it knows are in every answer, also when they are closed."""
    return await cards.of_platform(bot.platform, body)


@router.put("/generations/{generation_id}/card")
async def card(
    generation_id: str, body: CardIn, caller: UserCaller, generations: GenerationsDep
) -> GenerationOut:
    """Name the chat message that shows that the generation is being made. It is closed when the
    result arrives; a generation that has ended already is closed by nobody except the caller."""
    return await generations.set_card(caller, generation_id, body.message_id)
