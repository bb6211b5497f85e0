"""Conversations and their messages."""

import json
from collections.abc import Collection, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Literal

from api.db import Row, Sql, rows
from api.text.schemas import CitationOut, Finish


@dataclass(frozen=True, slots=True)
class ConversationChat:
    """`thread_id` is empty where there are no threads."""

    platform: str
    chat_id: str
    thread_id: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """`chat` goes on with it, until it begins a new one."""

    id: str
    user_id: str
    title: str
    created_at: datetime
    updated_at: datetime
    chat: ConversationChat | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """`images` are media ids of what was sent along with a question, or made beside an answer;
    `documents` those of a question."""

    id: str
    role: Literal["user", "assistant"]
    content: str
    model: str | None
    cost_micro: int | None
    images: tuple[str, ...]
    created_at: datetime
    finish_reason: Finish | None = None
    citations: tuple[CitationOut, ...] = ()
    documents: tuple[str, ...] = ()
    thought_ms: int | None = None


LOOKED_IN_FIRST = 400
MESSAGE_COLUMNS = (
    "id, role, content, model, cost_micro, images_json, documents_json, created_at, "
    "finish_reason, citations_json, thought_ms"
)
COLUMNS = "id, user_id, title, created_at, updated_at, platform, chat_id, thread_id"


def _conversation(row: Row) -> Conversation:
    place = row["platform"], row["chat_id"], row["thread_id"]
    chat = None if row["platform"] is None else ConversationChat(*place)
    return Conversation(
        row["id"], row["user_id"], row["title"], row["created_at"], row["updated_at"], chat
    )


def _message(row: Row) -> Message:
    return Message(
        id=row["id"],
        role=row["role"],
        content=row["content"],
        model=row["model"],
        cost_micro=row["cost_micro"],
        images=tuple(json.loads(row["images_json"] or "[]")),
        documents=tuple(json.loads(row["documents_json"] or "[]")),
        thought_ms=row["thought_ms"],
        created_at=row["created_at"],
        finish_reason=row["finish_reason"],
        citations=tuple(map(CitationOut.model_validate, json.loads(row["citations_json"] or "[]"))),
    )


async def conversation(sql: Sql, conversation_id: str) -> Conversation | None:
    row = await sql.fetch_one(f"SELECT {COLUMNS} FROM conversations WHERE id = $1", conversation_id)
    return None if row is None else _conversation(row)


async def newest_of_chat(sql: Sql, user_id: str, chat: ConversationChat) -> Conversation | None:
    query = f"""
        WITH mine AS MATERIALIZED (SELECT {COLUMNS} FROM conversations WHERE user_id = $1)
        SELECT * FROM mine WHERE platform = $2 AND chat_id = $3 AND thread_id = $4
            ORDER BY updated_at DESC, id DESC LIMIT 1"""
    row = await sql.fetch_one(query, user_id, chat.platform, chat.chat_id, chat.thread_id)
    return None if row is None else _conversation(row)


async def leave_chat(sql: Sql, user_id: str, chat: ConversationChat, now: datetime) -> None:
    query = """
        UPDATE conversations SET platform = NULL, chat_id = NULL, thread_id = NULL
        WHERE user_id = $1 AND platform = $2 AND chat_id = $3 AND thread_id = $4"""
    await sql.execute(query, user_id, chat.platform, chat.chat_id, chat.thread_id)
    query = """
        INSERT INTO chats_left (user_id, platform, chat_id, thread_id, left_at)
            VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (user_id, platform, chat_id,
        thread_id) DO UPDATE SET left_at = excluded.left_at"""
    await sql.execute(query, user_id, chat.platform, chat.chat_id, chat.thread_id, now)


async def move_to_chat(
    sql: Sql, conversation_id: str, chat: ConversationChat, now: datetime
) -> None:
    query = """
        UPDATE conversations SET platform = $2, chat_id = $3, thread_id = $4, updated_at = $5
        WHERE id = $1"""
    await sql.execute(query, conversation_id, chat.platform, chat.chat_id, chat.thread_id, now)


async def was_left(sql: Sql, user_id: str, chat: ConversationChat, since: datetime) -> bool:
    """Tell whether the chat began a new conversation after that moment."""
    query = """
        SELECT left_at FROM chats_left
        WHERE user_id = $1 AND platform = $2 AND chat_id = $3 AND thread_id = $4
        AND left_at >= $5"""
    return (
        await sql.fetch_one(query, user_id, chat.platform, chat.chat_id, chat.thread_id, since)
        is not None
    )


async def rename(sql: Sql, conversation_id: str, title: str) -> None:
    await sql.execute("UPDATE conversations SET title = $2 WHERE id = $1", conversation_id, title)


async def page(
    sql: Sql, user_id: str, words: str | None, before: tuple[datetime, str] | None, limit: int
) -> list[Conversation]:
    """Return a page, the last used first. `words`: in the title or in a message, in any case. The
    last conversations are searched first: most hits are there, and all messages of an account take
    a hundred times as long."""
    texts, values = ["user_id = $1"], list[object]([user_id])
    if before is not None:
        texts.append("updated_at <= $2 AND (updated_at < $2 OR id < $3)")
        values += before
    if words is None:
        return [_conversation(row) for row in await _rows(sql, COLUMNS, texts, values, limit)]
    newest = await _rows(sql, "id, updated_at", texts, values, LOOKED_IN_FIRST)
    if len(newest) == LOOKED_IN_FIRST:
        # ids sort by time, and a conversation is older than what is said in it
        number = len(values) + 1
        late = [*values, newest[-1]["updated_at"], min(row["id"] for row in newest)]
        said = f"user_id = $1 AND id >= ${number + 1}"
        found = await _with_words(
            sql, words, [*texts, f"updated_at >= ${number}"], late, said, limit
        )
        if len(found) == limit:
            return found
    return await _with_words(sql, words, texts, values, "user_id = $1", limit)


async def _with_words(
    sql: Sql, words: str, texts: Sequence[str], values: Sequence[object], looked_in: str, limit: int
) -> list[Conversation]:
    """`looked_in`: the condition for messages. They are taken out first: one engine would look in
    those of everybody."""
    word = f"lower(${len(values) + 1}::text)"
    query = f"""
        WITH said AS MATERIALIZED (SELECT conversation_id, content FROM messages WHERE {looked_in})
        SELECT {COLUMNS} FROM conversations WHERE {" AND ".join(texts)}
          AND (strpos(lower(title), {word}) > 0 OR id IN (SELECT conversation_id FROM said
          WHERE strpos(lower(content), {word}) > 0))
        ORDER BY updated_at DESC, id DESC LIMIT ${len(values) + 2}"""
    return [_conversation(row) for row in await sql.fetch(query, *values, words, limit)]


async def _rows(
    sql: Sql, columns: str, texts: Sequence[str], values: Sequence[object], limit: int
) -> Sequence[Row]:
    query = (
        f"SELECT {columns} FROM conversations WHERE {' AND '.join(texts)} "
        f"ORDER BY updated_at DESC, id DESC LIMIT ${len(values) + 1}"
    )
    return await sql.fetch(query, *values, limit)


async def messages(
    sql: Sql, conversation_id: str, last: int, until: str | None = None
) -> list[Message]:
    """Return the newest `last` messages, the oldest first; `until`: of those up to this one."""
    query = f"""
        WITH these AS MATERIALIZED (SELECT {MESSAGE_COLUMNS} FROM messages
            WHERE conversation_id = $1)
        SELECT * FROM these WHERE $3::text IS NULL OR id <= $3::text ORDER BY id DESC LIMIT $2"""
    return [_message(row) for row in reversed(await sql.fetch(query, conversation_id, last, until))]


async def conversation_of(sql: Sql, answer_id: str) -> str | None:
    """Return the conversation of an answer."""
    row = await sql.fetch_one(
        "SELECT conversation_id FROM messages WHERE id = $1 AND role = 'assistant'", answer_id
    )
    return None if row is None else str(row["conversation_id"])


async def model_of(sql: Sql, answer_id: str) -> str | None:
    row = await sql.fetch_one("SELECT model FROM messages WHERE id = $1", answer_id)
    return None if row is None else row["model"]


async def content_of(sql: Sql, answer_id: str) -> str:
    row = await sql.fetch_one("SELECT content FROM messages WHERE id = $1", answer_id)
    return "" if row is None else str(row["content"])


async def set_cost(sql: Sql, answer_id: str, cost_micro: int) -> None:
    await sql.execute("UPDATE messages SET cost_micro = $2 WHERE id = $1", answer_id, cost_micro)


async def add_conversations(sql: Sql, new: Sequence[Conversation]) -> None:
    columns = {
        **dict.fromkeys(("id", "user_id", "title"), "text"),
        **dict.fromkeys(("created_at", "updated_at"), "timestamptz"),
        **dict.fromkeys(("platform", "chat_id", "thread_id"), "text"),
    }
    added = [
        (each.id, each.user_id, each.title, each.created_at, each.updated_at)
        + (astuple(each.chat) if each.chat else (None, None, None))
        for each in new
    ]
    await rows.insert(sql, "conversations", columns, added)


async def touch(sql: Sql, conversation_ids: Collection[str], now: datetime) -> set[str]:
    """Mark conversations as used. Returns them, without those that were deleted meanwhile."""
    if not conversation_ids:
        return set()
    query = "UPDATE conversations SET updated_at = $2 WHERE id = ANY($1::text[]) RETURNING id"
    return {row["id"] for row in await sql.fetch(query, sorted(conversation_ids), now)}


async def add_messages(sql: Sql, new: Sequence[tuple[Conversation, Message]]) -> None:
    columns = {
        **dict.fromkeys(("id", "role", "content", "model"), "text"),
        "cost_micro": "bigint",
        **dict.fromkeys(("images_json", "documents_json"), "text"),
        "created_at": "timestamptz",
        **dict.fromkeys(("finish_reason", "citations_json"), "text"),
        "thought_ms": "bigint",
        **dict.fromkeys(("conversation_id", "user_id"), "text"),
    }
    added = [
        (
            each.id,
            each.role,
            each.content,
            each.model,
            each.cost_micro,
            json.dumps(each.images) if each.images else None,
            json.dumps(each.documents) if each.documents else None,
            each.created_at,
            each.finish_reason,
            json.dumps([one.model_dump() for one in each.citations]) if each.citations else None,
            each.thought_ms,
            conversation.id,
            conversation.user_id,
        )
        for conversation, each in new
    ]
    await rows.insert(sql, "messages", columns, added)


async def delete(
    sql: Sql, conversation_id: str, *, unused_since: datetime | None = None
) -> list[str] | None:
    """Return its pictures and documents; None when it is gone, or was used since then.

    The conversation first: who writes into it has its row, so their messages are there to be
    deleted when that is done."""
    query = """
        DELETE FROM conversations
        WHERE id = $1 AND ($2::timestamptz IS NULL OR updated_at < $2::timestamptz) RETURNING id"""
    if await sql.fetch_one(query, conversation_id, unused_since) is None:
        return None
    query = """
        DELETE FROM messages WHERE conversation_id = $1 RETURNING images_json, documents_json"""
    gone = await sql.fetch(query, conversation_id)
    listed = [row[name] for row in gone for name in ("images_json", "documents_json")]
    return sorted({each for some in listed for each in json.loads(some or "[]")})


async def delete_of_user(sql: Sql, user_id: str) -> None:
    """In the same order, for the same reason. Whoever books a late price has its lookup before he
    changes the message, so lookups go first. Those of answers that end meanwhile go last."""
    await sql.execute("DELETE FROM text_lookups WHERE user_id = $1", user_id)
    await sql.execute("DELETE FROM conversations WHERE user_id = $1", user_id)
    await sql.execute("DELETE FROM messages WHERE user_id = $1", user_id)
    await sql.execute("DELETE FROM chats_left WHERE user_id = $1", user_id)
    await sql.execute("DELETE FROM text_lookups WHERE user_id = $1", user_id)


def cursor_of(shown: Sequence[Conversation]) -> str:
    return f"{shown[-1].updated_at.isoformat()}~{shown[-1].id}"
