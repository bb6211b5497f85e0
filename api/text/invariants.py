"""Invariants of conversations."""

from api.invariants import Invariant

_MESSAGES = """
    SELECT messages.id, 'message of conversation ' || conversation_id AS facts
    FROM messages LEFT JOIN conversations ON conversations.id = messages.conversation_id
    WHERE conversations.id IS NULL
    UNION ALL
    SELECT text_lookups.id, 'price to look up, of hold ' || hold_id
    FROM text_lookups LEFT JOIN holds ON holds.id = text_lookups.hold_id WHERE holds.id IS NULL"""

INVARIANTS = [Invariant("messages_have_conversations", _MESSAGES)]
