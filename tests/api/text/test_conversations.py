"""Conversations in the database, on both engines."""

import asyncio
from datetime import UTC, datetime, timedelta

from api import ids
from api.db import Db
from api.db.open import open_db
from api.text import store
from api.text.store import Conversation, Message

START = datetime(2027, 1, 1, tzinfo=UTC)


def conversation(user_id: str, minute: int) -> Conversation:
    moment = START + timedelta(minutes=minute)
    return Conversation(ids.new_id(), user_id, f"About {minute}", moment, moment)


async def test_pages_are_last_used_first_and_hold_everything_once(db: Db) -> None:
    mine = [conversation("ana", minute) for minute in (1, 2, 2, 2, 3)]
    for each in [*mine, conversation("eve", 9)]:
        await store.add_conversations(db, [each])
    expected = sorted(mine, key=lambda each: (each.updated_at, each.id), reverse=True)
    seen: list[Conversation] = []
    place = None
    while page := await store.page(db, "ana", None, place, 2):
        seen += page
        place = (page[-1].updated_at, page[-1].id)
    assert seen == expected
    assert await store.touch(db, [mine[0].id], START + timedelta(hours=1))
    assert (await store.page(db, "ana", None, None, 1))[0].id == mine[0].id
    assert not await store.touch(db, ["nothing"], START)


async def test_words_are_found_however_long_ago_they_were_said(db: Db) -> None:
    mine = [conversation("ana", minute) for minute in range(store.LOOKED_IN_FIRST + 3)]
    await asyncio.gather(
        *(store.add_conversations(db, [each]) for each in [*mine, conversation("eve", 1)])
    )

    async def say(talk: Conversation, content: str) -> None:
        message = Message(ids.new_id(), "user", content, None, None, (), START)
        await store.add_messages(db, [(talk, message)])

    oldest, old, newest = mine[0], mine[1], mine[-1]
    for talk, content in ((oldest, "a Harbour"), (old, "a ship"), (newest, "the harbour of Kiel")):
        await say(talk, content)
    await say(conversation("eve", 2), "my harbour")
    assert await store.page(db, "ana", "hARBOUR", None, 3) == [newest, oldest]
    assert await store.page(db, "ana", "harbour", None, 1) == [newest]
    assert await store.page(db, "ana", "harbour", (newest.updated_at, newest.id), 1) == [oldest]
    assert await store.page(db, "ana", "harbour", (oldest.updated_at, oldest.id), 1) == []
    found = await store.page(db, "ana", "about 1", None, 200)
    assert found == [each for each in reversed(mine) if "About 1" in each.title]


async def test_the_newest_messages_come_oldest_first(db: Db) -> None:
    talk = conversation("ana", 1)
    await store.add_conversations(db, [talk])
    sent = [
        Message(ids.new_id(), "user", f"{n}", None, None, ("i", "j") if n else (), START)
        for n in range(5)
    ]
    for message in sent:
        await store.add_messages(db, [(talk, message)])
    assert await store.messages(db, talk.id, 3) == sent[2:]
    assert await store.messages(db, talk.id, 9) == sent


async def test_erasing_a_user_leaves_the_others(db: Db) -> None:
    talks = [conversation(user, 1) for user in ("ana", "eve")]
    for talk in talks:
        await store.add_conversations(db, [talk])
        message = Message(ids.new_id(), "user", "x", None, None, (), START)
        await store.add_messages(db, [(talk, message)])
    async with db.transaction() as sql:
        await store.delete_of_user(sql, "ana")
    assert await store.conversation(db, talks[0].id) is None
    assert await store.messages(db, talks[0].id, 9) == []
    assert await store.conversation(db, talks[1].id) == talks[1]
    assert len(await store.messages(db, talks[1].id, 9)) == 1


async def test_a_deleted_conversation_takes_along_what_is_being_written(postgres_url: str) -> None:
    """DuckDB runs one transaction after the other."""
    db = await open_db(postgres_url)
    talk = conversation("ana", 1)
    await store.add_conversations(db, [talk])

    async def delete() -> None:
        async with db.transaction() as sql:
            await store.delete(sql, talk.id)

    async with db.transaction() as sql:
        assert await store.touch(sql, [talk.id], START)
        message = Message(ids.new_id(), "user", "x", None, None, (), START)
        await store.add_messages(sql, [(talk, message)])
        deleting = asyncio.create_task(delete())
        while (
            await db.fetch_one(
                "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() "
                "AND wait_event_type = 'Lock'"
            )
            is None
        ):
            assert not deleting.done()
    await deleting
    assert await db.fetch("SELECT id FROM messages") == []
    await db.close()
