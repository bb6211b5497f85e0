"""Text answers, whole or streamed, and the conversations that they make."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT
from starlette.types import Receive, Scope, Send

from api.callers import UserCaller
from api.deps import FromApp
from api.schemas import Page
from api.text import schemas
from api.text.answer import Answer
from api.text.conversations import Conversations
from api.text.service import TextService

router = APIRouter(tags=["text"])

ConversationsDep = FromApp[Conversations]
TextDep = FromApp[TextService]

STREAM_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=200)]


class _EventStream(StreamingResponse):
    """End the answer with its response, in whatever way that ends."""

    def __init__(self, text: TextService, running: Answer) -> None:
        super().__init__(
            _encoded(text.events(running)), headers=STREAM_HEADERS, media_type="text/event-stream"
        )
        self._running = running

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        # Starlette would watch the client from inside a task group, which costs a tenth of an
        # answer
        watch = asyncio.create_task(self.listen_for_disconnect(receive))
        watch.add_done_callback(lambda _: self._running.stop())
        try:
            await self.stream_response(send)
        finally:
            watch.cancel()
            self._running.stop()


async def _encoded(batches: AsyncIterator[list[schemas.Event]]) -> AsyncIterator[bytes]:
    """Yield each batch of events as one piece, and a comment for an empty one."""
    async for events in batches:
        yield b"".join(map(_line, events)) or KEEPALIVE_COMMENT


def _line(event: schemas.Event) -> bytes:
    return f"event: {_NAMES[type(event)]}\ndata: {event.model_dump_json()}\n\n".encode()


_NAMES: dict[type[schemas.Event], str] = {
    schemas.StartEvent: "start",
    schemas.ThinkingEvent: "thinking",
    schemas.DeltaEvent: "delta",
    schemas.DoneEvent: "done",
    schemas.ErrorEvent: "error",
}


STREAMED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The answer; with `stream`, its events",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


@router.post("/generate/text", response_model=schemas.TextOut, responses=STREAMED)
async def generate_text(
    text: TextDep, caller: UserCaller, body: schemas.TextIn, key: Key = None
) -> Response:
    """Return the answer; with `stream`, server-sent events `start`, `thinking`, `delta`, then
    `done` or `error`. Closing the stream stops the answer.

    With an Idempotency-Key that was used before: the same answer once more, as `start` and `done`
    when streamed.
    """
    if not body.stream:
        answered = await text.answer(caller, body, key)
        # ready as it is: FastAPI would check once more what has just been made
        return Response(answered.model_dump_json(), media_type="application/json")
    if (earlier := await text.earlier(caller, body, key)) is not None:
        return StreamingResponse(
            _encoded(_again(earlier)), headers=STREAM_HEADERS, media_type="text/event-stream"
        )
    return _EventStream(text, await text.begin(caller, body, key))


async def _again(earlier: schemas.TextOut) -> AsyncIterator[list[schemas.Event]]:
    yield [
        schemas.StartEvent(
            id=earlier.id, conversation_id=earlier.conversation_id, model=earlier.model
        ),
        schemas.DoneEvent(answer=earlier),
    ]


@router.post("/generate/text/{answer_id}/stop")
async def stop_text(text: TextDep, caller: UserCaller, answer_id: str) -> schemas.ChargeOut:
    """Stop an answer, and return the amount booked for it; also of one that is over, or whose
    stream was lost. Its stream ends with `done`, and the part written by then."""
    return await text.stops.by_id(caller.user_id, answer_id)


@router.post("/generate/text/stop", status_code=204)
async def stop_text_in_chat(text: TextDep, caller: UserCaller, body: schemas.StopIn) -> None:
    """Stop the newest answer that is being written to the caller in this chat. For bots."""
    await text.stops.in_chat(caller, body)


@router.get("/conversations")
async def list_conversations(
    conversations: ConversationsDep,
    caller: UserCaller,
    q: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> Page[schemas.ConversationOut]:
    """Return a page, the last used first; `q`: words in the title or in a message."""
    return await conversations.page(caller.user_id, q or None, cursor, limit)


@router.post("/conversations/new", status_code=204)
async def new_conversation(
    conversations: ConversationsDep, caller: UserCaller, body: schemas.NewConversationIn
) -> None:
    """Let the next question in this chat and thread begin a new conversation. For bots."""
    await conversations.leave(caller, body.thread)


@router.get("/conversations/{conversation_id}")
async def read_conversation(
    conversations: ConversationsDep, caller: UserCaller, conversation_id: str
) -> schemas.ConversationDetailOut:
    return await conversations.detail(caller.user_id, conversation_id)


@router.put("/conversations/{conversation_id}/chat")
async def take_up_conversation(
    conversations: ConversationsDep,
    caller: UserCaller,
    conversation_id: str,
    body: schemas.NewConversationIn,
) -> schemas.ConversationOut:
    """Let the next question in this chat and thread go on with the conversation. For bots."""
    return await conversations.take_up(caller, conversation_id, body.thread)


@router.put("/conversations/{conversation_id}")
async def rename_conversation(
    conversations: ConversationsDep,
    caller: UserCaller,
    conversation_id: str,
    body: schemas.RenameIn,
) -> schemas.ConversationOut:
    return await conversations.rename(caller.user_id, conversation_id, body.title)


@router.delete("/conversations/{conversation_id}", status_code=204)
async def delete_conversation(
    conversations: ConversationsDep, caller: UserCaller, conversation_id: str
) -> None:
    await conversations.delete(caller.user_id, conversation_id)
