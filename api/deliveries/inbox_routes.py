"""`/inbox`: results that no chat took. `/generations/{id}/send`: a result for one's own chat."""

from typing import Annotated

from fastapi import APIRouter, Header, Query

from api.callers import SessionCaller
from api.deliveries.inbox import Inbox
from api.deliveries.schemas import InboxOut, SendIn, SentOut
from api.deps import FromApp

router = APIRouter(tags=["inbox"])

InboxDep = FromApp[Inbox]


@router.get("/inbox")
async def page(
    caller: SessionCaller,
    inbox: InboxDep,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(max_length=64)] = None,
) -> InboxOut:
    return await inbox.page(caller, cursor, limit)


@router.post("/inbox/read", status_code=204)
async def read_all(caller: SessionCaller, inbox: InboxDep) -> None:
    await inbox.read(caller, None)


@router.post("/inbox/{delivery_id}/read", status_code=204)
async def read(delivery_id: str, caller: SessionCaller, inbox: InboxDep) -> None:
    await inbox.read(caller, delivery_id)


@router.delete("/inbox/{delivery_id}", status_code=204)
async def put_aside(delivery_id: str, caller: SessionCaller, inbox: InboxDep) -> None:
    """Take it out of the inbox; what was made stays in the gallery."""
    await inbox.put_aside(caller, delivery_id)


@router.post("/generations/{generation_id}/send", status_code=202)
async def send(
    generation_id: str,
    body: SendIn,
    caller: SessionCaller,
    inbox: InboxDep,
    key: Annotated[
        str | None, Header(alias="Idempotency-Key", min_length=1, max_length=200)
    ] = None,
) -> SentOut:
    """Send a result to a linked private chat of the caller's. 404 `not_linked` when there is none,
    409 when it is not finished."""
    return await inbox.send(caller, generation_id, body, key)
