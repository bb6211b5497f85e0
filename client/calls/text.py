"""Calls that ask a model for text, and about conversations."""

from client.call import MAKING, STREAM, UPLOADING, Call, FileUpload, new_key, paid, path, query
from client.exchange import TextEvent
from client.schemas import Page
from client.schemas import text as schemas


def text(ask: schemas.TextIn, key: str | None = None) -> Call[schemas.TextOut]:
    return paid("/generate/text", schemas.TextOut, ask, key, MAKING)


def text_stream(ask: schemas.TextIn, key: str | None = None) -> Call[TextEvent]:
    """For `events` of a sender."""
    return Call(
        "POST",
        "/generate/text",
        body=ask.model_copy(update={"stream": True}),
        key=key or new_key(),
        headers={"accept": "text/event-stream"},
        within=STREAM,
    )


def upload_document(
    name: str, data: bytes, content_type: str, key: str | None = None
) -> Call[schemas.DocumentOut]:
    """A file that goes along with a question, by its id."""
    return Call(
        "POST",
        "/documents",
        schemas.DocumentOut,
        file=FileUpload(name, content_type, data),
        key=key or new_key(),
        within=UPLOADING,
    )


def stop_text(answer_id: str) -> Call[schemas.ChargeOut]:
    """End an answer, and learn what was booked for it."""
    return Call("POST", path("/generate/text/{}/stop", answer_id), schemas.ChargeOut)


def stop_in_chat(stop: schemas.StopIn) -> Call[None]:
    """End the newest answer that is being written to the person in this chat."""
    return Call("POST", "/generate/text/stop", body=stop)


def conversations(
    q: str | None = None, cursor: str | None = None, limit: int | None = None
) -> Call[Page[schemas.ConversationOut]]:
    asked = query(q=q, cursor=cursor, limit=limit)
    return Call("GET", "/conversations", Page[schemas.ConversationOut], query=asked)


def conversation(conversation_id: str) -> Call[schemas.ConversationDetailOut]:
    return Call("GET", path("/conversations/{}", conversation_id), schemas.ConversationDetailOut)


def new_conversation(new: schemas.NewConversationIn) -> Call[None]:
    """The next question in this chat begins another conversation."""
    return Call("POST", "/conversations/new", body=new)


def take_up_conversation(
    conversation_id: str, chat: schemas.NewConversationIn
) -> Call[schemas.ConversationOut]:
    """The next question in this chat goes on with that conversation."""
    address = path("/conversations/{}/chat", conversation_id)
    return Call("PUT", address, schemas.ConversationOut, body=chat, harmless=True)


def rename_conversation(conversation_id: str, title: str) -> Call[schemas.ConversationOut]:
    address = path("/conversations/{}", conversation_id)
    return Call("PUT", address, schemas.ConversationOut, body={"title": title})


def delete_conversation(conversation_id: str) -> Call[None]:
    return Call("DELETE", path("/conversations/{}", conversation_id))
