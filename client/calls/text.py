"""Calls that ask a model for text, and about conversations."""

from client.call import MAKING, STREAM, Call, new_key, paid, path, query
from client.exchange import TextEvent
from client.schemas import Page
from client.schemas.text import (
    ChargeOut,
    ConversationDetailOut,
    ConversationOut,
    NewConversationIn,
    TextIn,
    TextOut,
)


def text(ask: TextIn, key: str | None = None) -> Call[TextOut]:
    return paid("/generate/text", TextOut, ask, key, MAKING)


def text_stream(ask: TextIn, key: str | None = None) -> Call[TextEvent]:
    """For `events` of a sender."""
    return Call(
        "POST",
        "/generate/text",
        body=ask.model_copy(update={"stream": True}),
        key=key or new_key(),
        headers={"accept": "text/event-stream"},
        within=STREAM,
    )


def stop_text(answer_id: str) -> Call[ChargeOut]:
    """End an answer, and learn what was booked for it."""
    return Call("POST", path("/generate/text/{}/stop", answer_id), ChargeOut)


def conversations(
    q: str | None = None, cursor: str | None = None, limit: int | None = None
) -> Call[Page[ConversationOut]]:
    asked = query(q=q, cursor=cursor, limit=limit)
    return Call("GET", "/conversations", Page[ConversationOut], query=asked)


def conversation(conversation_id: str) -> Call[ConversationDetailOut]:
    return Call("GET", path("/conversations/{}", conversation_id), ConversationDetailOut)


def new_conversation(new: NewConversationIn) -> Call[None]:
    """The next question in this chat begins another conversation."""
    return Call("POST", "/conversations/new", body=new)


def rename_conversation(conversation_id: str, title: str) -> Call[ConversationOut]:
    return Call(
        "PUT", path("/conversations/{}", conversation_id), ConversationOut, body={"title": title}
    )


def delete_conversation(conversation_id: str) -> Call[None]:
    return Call("DELETE", path("/conversations/{}", conversation_id))
