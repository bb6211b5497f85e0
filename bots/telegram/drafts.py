"""Ids of drafts. One answer has one draft, and the draft's id names the message that asked, so that
any process of the bot knows which answer a stop sign means."""

DRAFT_IDS = 2**31 - 1


def draft_of(message_id: int | None) -> int:
    return (message_id or 0) % DRAFT_IDS + 1


def asked_by(draft_id: int) -> str:
    """The id of the message that asked."""
    return str(draft_id - 1)
