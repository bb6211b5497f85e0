"""Text answers, whole or streamed, and the conversations that they make."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.types import Receive, Scope, Send

from api.auth.caller import UserCaller
from api.deps import ServicesDep
from api.schemas import Page
from api.text.schemas import ConversationDetailOut, ConversationOut, DeltaEvent, DoneEvent, StartEvent, TextIn, TextOut
from api.text.service import Answer, Event, TextService

router = APIRouter(tags=["text"])


class _EventStream(StreamingResponse):
    """However the response ends, the answer behind it ends too."""

    def __init__(self, text: TextService, running: Answer) -> None:
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        super().__init__(_encoded(text.events(running)), headers=headers, media_type="text/event-stream")
        self._running = running

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._running.stop()


async def _encoded(events: AsyncIterator[Event | None]) -> AsyncIterator[bytes]:
    async for event in events:
        yield KEEPALIVE_COMMENT if event is None else format_sse_event(event=_name(event), data_str=event.model_dump_json())


def _name(event: Event) -> str:
    match event:
        case StartEvent():
            return "start"
        case DeltaEvent():
            return "delta"
        case DoneEvent():
            return "done"
        case _:
            return "error"


@router.post("/generate/text", response_model=TextOut)
async def generate_text(services: ServicesDep, caller: UserCaller, body: TextIn) -> TextOut | Response:
    """The answer; with `stream`, server-sent events `start`, `delta`, then `done` or `error`. Closing the stream stops the answer."""
    if body.stream:
        return _EventStream(services.text, await services.text.begin(caller, body))
    return await services.text.answer(caller, body)


@router.get("/conversations")
async def list_conversations(
    services: ServicesDep,
    caller: UserCaller,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> Page[ConversationOut]:
    """Last used first."""
    return await services.text.conversations(caller.user_id, cursor, limit)


@router.get("/conversations/{conversation_id}")
async def read_conversation(services: ServicesDep, caller: UserCaller, conversation_id: str) -> ConversationDetailOut:
    return await services.text.conversation(caller.user_id, conversation_id)


@router.delete("/conversations/{conversation_id}", status_code=204)
async def delete_conversation(services: ServicesDep, caller: UserCaller, conversation_id: str) -> None:
    await services.text.delete_conversation(caller.user_id, conversation_id)
