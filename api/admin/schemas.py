"""Answers of `/admin`: the audit log, the purge, the bots' credentials."""

from typing import Any

from api.schemas import Out, Platform, Time


class AuditOut(Out):
    """Who did what to whom. `actor` and `about` are what the accounts are called now; null for nobody, for an account that was deleted,
    and for a subject that is no account."""

    id: str
    created_at: Time
    action: str
    actor_id: str | None
    actor: str | None
    subject: str
    about: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class PurgeOut(Out):
    """How many of each were over for good and are gone."""

    sessions: int
    refresh_tokens: int
    one_time_tokens: int
    devices: int
    link_codes: int
    throttles: int


class BotCredentialOut(Out):
    """`newest` is the one that a rotation made last; an older one that is not revoked works, too, until the next rotation."""

    id: str
    platform: Platform
    created_at: Time
    last_seen_at: Time | None
    revoked_at: Time | None
    newest: bool


class RotatedOut(Out):
    """`key` is shown now and never again. Bots of this machine take it at their next start; to others give it as BOT_KEY."""

    id: str
    platform: Platform
    key: str
    created_at: Time
