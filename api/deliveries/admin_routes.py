"""`/admin/deliveries`: the deliveries of all members, with their tries."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.callers import AdminCaller
from api.deliveries.admin import DeliveryAdmin
from api.deliveries.lists import AdminFilter
from api.deliveries.schemas import DeliveryRowOut, DeliverySort, State, ToDmIn
from api.deps import FromApp
from api.schemas import Page, Platform

router = APIRouter(prefix="/admin/deliveries", tags=["admin"])

DeliveriesDep = FromApp[DeliveryAdmin]

Id = Annotated[str | None, Query(max_length=64)]


@router.get("")
async def page(
    caller: AdminCaller,
    deliveries: DeliveriesDep,
    state: State | None = None,
    platform: Platform | None = None,
    user_id: Id = None,
    generation_id: Id = None,
    troubled: bool | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    sort: DeliverySort = "newest",
    cursor: Id = None,
) -> Page[DeliveryRowOut]:
    """`troubled`: failed at least once and not shown yet, whatever its state. `sort` tries (the
    most first) shows what is not done, due (the next first) what is pending."""
    return await deliveries.page(
        AdminFilter(state, platform, user_id, generation_id, troubled, cursor), limit, sort
    )


@router.get("/{delivery_id}")
async def one(delivery_id: str, caller: AdminCaller, deliveries: DeliveriesDep) -> DeliveryRowOut:
    return await deliveries.one(delivery_id)


@router.post("/{delivery_id}/retry")
async def retry(delivery_id: str, caller: AdminCaller, deliveries: DeliveriesDep) -> DeliveryRowOut:
    """Try it again now, at the first address. 409 when it was shown, or is being shown."""
    return await deliveries.retry(caller, delivery_id)


@router.post("/{delivery_id}/to-dm")
async def to_dm(
    delivery_id: str, caller: AdminCaller, deliveries: DeliveriesDep, body: ToDmIn | None = None
) -> DeliveryRowOut:
    """Send it to the owner's linked private chat. 409 when there is none."""
    return await deliveries.to_dm(caller, delivery_id, body or ToDmIn())
