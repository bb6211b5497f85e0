"""`/bot/deliveries`: the outbox for the bots."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from api.bots.schemas import ProcessId
from api.callers import BotCaller
from api.deliveries.schemas import AckIn, BeginIn, DeliveryOut, FailIn, LinkIn
from api.deliveries.service import DeliveryService
from api.deps import FromApp
from api.generations.gallery.service import Gallery
from api.generations.schemas import ShareOut

router = APIRouter(prefix="/bot/deliveries", tags=["bots"])

DeliveriesDep = FromApp[DeliveryService]
GalleryDep = FromApp[Gallery]

LINK_HOURS = 72


@router.post("/claim")
async def claim(
    request: Request,
    bot: BotCaller,
    deliveries: DeliveriesDep,
    wait: Annotated[float, Query(ge=0, le=25)] = 25,
    limit: Annotated[int, Query(ge=1, le=50)] = 10,
    process: Annotated[ProcessId | None, Query()] = None,
) -> list[DeliveryOut]:
    """Wait up to `wait` seconds for something to show, and lease it for 60 seconds, or until the
    bot's `process` is known to be dead."""
    return await deliveries.claim(bot.platform, wait, limit, request.is_disconnected, process)


@router.post("/{delivery_id}/begin", status_code=204)
async def begin(delivery_id: str, body: BeginIn, bot: BotCaller, deliveries: DeliveriesDep) -> None:
    """Renew the lease, before the first message goes out and every 20 seconds while it does. A 409
    means: do not send it."""
    await deliveries.begin(bot.platform, delivery_id, body)


@router.post("/{delivery_id}/link")
async def link(
    delivery_id: str, body: LinkIn, bot: BotCaller, gallery: GalleryDep, deliveries: DeliveriesDep
) -> ShareOut:
    """Make a public link to the delivered result, for a chat that does not take its files. It ends
    after three days."""
    user_id, generation_id = await deliveries.subject(bot.platform, delivery_id, body.lease)
    return await gallery.link(user_id, generation_id, LINK_HOURS)


@router.post("/{delivery_id}/ack", status_code=204)
async def ack(delivery_id: str, body: AckIn, bot: BotCaller, deliveries: DeliveriesDep) -> None:
    await deliveries.ack(bot.platform, delivery_id, body)


@router.post("/{delivery_id}/fail", status_code=204)
async def fail(delivery_id: str, body: FailIn, bot: BotCaller, deliveries: DeliveriesDep) -> None:
    await deliveries.fail(bot.platform, delivery_id, body)
