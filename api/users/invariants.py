"""Invariants of accounts: nothing is left of those that are gone."""

from datetime import timedelta

from api.invariants import Invariant
from api.users.erasure import SWEPT

OWNED = (
    "chats_left",
    "conversations",
    "deliveries",
    "devices",
    "generation_drafts",
    "generations",
    "guest_moves",
    "link_codes",
    "links",
    "media",
    "messages",
    "one_time_tokens",
    "refresh_tokens",
    "sessions",
    "text_lookups",
)
"""Tables with rows of an account. Holds, ledger and sums of days keep the amounts of those that are
gone under no name."""
_ROWS = " UNION ALL ".join(
    f"SELECT DISTINCT user_id, '{table}' AS tbl FROM {table} WHERE user_id IS NOT NULL"
    for table in OWNED
)

# What is written while an account is deleted is deleted by the sweep of the next day.
_ACCOUNTS = f"""
    SELECT owned.user_id AS id, 'rows in ' || tbl AS facts
    FROM ({_ROWS}) AS owned LEFT JOIN users ON users.id = owned.user_id
    WHERE users.id IS NULL AND owned.user_id NOT IN (
        SELECT subject FROM audit WHERE action = 'user_delete' AND created_at >= $1)"""

INVARIANTS = [
    Invariant("rows_have_accounts", _ACCOUNTS, lambda now: (now - SWEPT - timedelta(hours=2),))
]
