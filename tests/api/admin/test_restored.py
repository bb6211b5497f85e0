"""A restored database sends and answers nothing by itself that may have been sent since."""

from api.admin.restored import start_anew
from api.db.open import open_db
from tests.sample_rows import add_samples

CASES = [
    ("pending", "member", None, False, None, "inbox"),
    ("pending", "guest", None, False, None, "dead"),
    ("pending", None, None, False, None, "dead"),
    ("pending", "member", None, True, None, "done"),
    ("pending", "member", "cancelled", False, None, "done"),
    ("done", "member", None, False, "b", "done"),
    ("pending", "member", None, False, "b", "gone"),
]
"""State, owner, generation, shown, broadcast of a delivery, and its state afterwards."""


async def test_what_was_on_its_way_then_is_not_sent(database: str) -> None:
    db = await open_db(database)
    await add_samples(db, len(CASES))
    names = dict[str, str]()
    for name, table, change in (
        ("member", "users", "guest = false"),
        ("guest", "users", "guest = true"),
        ("cancelled", "generations", "status = 'cancelled', phase = 'done'"),
        ("b", "broadcasts", "stopped_at = NULL"),
        ("waits", "broadcasts", "stopped_at = NULL"),
        ("over", "broadcasts", "stopped_at = NULL"),
    ):
        rows = await db.fetch(f"SELECT id FROM {table} ORDER BY id")
        names[name] = next(row["id"] for row in rows if row["id"] not in names.values())
        await db.execute(f"UPDATE {table} SET {change} WHERE id = $1", names[name])
    deliveries = [row["id"] for row in await db.fetch("SELECT id FROM deliveries ORDER BY id")]
    for each, (state, owner, made, shown, broadcast, _) in zip(deliveries, CASES, strict=True):
        await db.execute(
            "UPDATE deliveries SET state = $2, user_id = $3, generation_id = $4, shown = $5, "
            "broadcast_id = $6, doubts = 0, reason = 'earlier', lease = 'l' WHERE id = $1",
            *(each, state, names.get(owner or ""), names.get(made or ""), shown),
            names.get(broadcast or ""),
        )
    await db.execute("UPDATE broadcast_chats SET broadcast_id = $1", names["waits"])

    async with db.transaction() as sql:
        await start_anew(sql, source="shell")
    found = {row["id"]: row for row in await db.fetch("SELECT * FROM deliveries")}
    states = [found[each]["state"] if each in found else "gone" for each in deliveries]
    assert states == [case[-1] for case in CASES]
    kept = found[deliveries[0]]
    assert (kept["reason"], kept["said"], kept["lease"], kept["doubts"]) == (
        "restored", None, None, 1
    )  # fmt: skip
    assert kept["done_at"] is not None
    assert found[deliveries[5]]["reason"] == "earlier"
    running = "SELECT id FROM broadcasts WHERE stopped_at IS NULL"
    open_ones = {row["id"] for row in await db.fetch(running)}
    assert open_ones.isdisjoint({names["b"], names["waits"]})
    assert names["over"] in open_ones, "it was sent to the end"
    for table in ("broadcast_chats", "bot_updates"):
        assert await db.fetch(f"SELECT * FROM {table}") == [], table
    await db.close()
