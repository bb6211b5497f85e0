"""SQL of `devices`: places from which an account's owner has signed in. A stranger's guesses do not
hold them up."""

from datetime import datetime

from api.db import Sql


async def add(
    sql: Sql, token_hash: str, user_id: str, *, at: datetime, expires_at: datetime
) -> None:
    query = (
        "INSERT INTO devices (token_hash, user_id, created_at, expires_at) VALUES ($1, $2, $3, $4)"
    )
    await sql.execute(query, token_hash, user_id, at, expires_at)


async def is_known(sql: Sql, token_hash: str, user_id: str, at: datetime) -> bool:
    row = await sql.fetch_one(
        "SELECT user_id, expires_at FROM devices WHERE token_hash = $1", token_hash
    )
    return row is not None and row["user_id"] == user_id and row["expires_at"] > at


async def delete_of_user(sql: Sql, user_id: str) -> None:
    await sql.execute("DELETE FROM devices WHERE user_id = $1", user_id)


async def purge(sql: Sql, at: datetime) -> int:
    return len(await sql.fetch("DELETE FROM devices WHERE expires_at <= $1 RETURNING user_id", at))
