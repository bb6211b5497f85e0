"""Entries of the audit log in words. The templates know this module as `told`."""

from collections.abc import Collection, Mapping
from decimal import Decimal

from admin_web.words import admin_states as states
from admin_web.words.formats import money
from admin_web.words.language import _
from client.words.language import N_

ACTIONS = {
    "setup": N_("Set the studio up"),
    "user_invite": N_("Invited"),
    "user_accept": N_("Took the invitation up"),
    "user_role": N_("Changed the role"),
    "user_status": N_("Disabled or enabled"),
    "user_budget": N_("Changed the budget"),
    "user_credentials": N_("Changed e-mail or password"),
    "user_session_end": N_("Ended a session"),
    "user_sessions_end": N_("Ended all sessions"),
    "password_reset_link": N_("Made a reset link"),
    "password_reset": N_("Used a reset link"),
    "password_forgot": N_("Asked for a new password by mail"),
    "user_delete": N_("Deleted the account"),
    "user_emptied": N_("Deleted what a guest made"),
    "refresh_reuse": N_("Session ended: token used twice"),
    "link": N_("Linked a chat"),
    "unlink": N_("Unlinked a chat"),
    "link_refused": N_("Refused to link a chat"),
    "bot_key_rotate": N_("Made a new bot key"),
    "bot_key_revoke": N_("Revoked a bot key"),
    "budget_limit_set": N_("Changed a shared budget"),
    "model_added": N_("Added a model"),
    "model_changed": N_("Changed a model"),
    "report": N_("Reported a fault"),
    "broadcast": N_("Wrote to all linked chats"),
    "broadcast_stop": N_("Stopped a broadcast"),
    "join_approved": N_("Let somebody in"),
    "join_declined": N_("Declined a request to join"),
    "place_set": N_("Changed a place"),
    "place_moved": N_("A group became a supergroup"),
    "place_forget": N_("Forgot a place"),
    "retention": N_("Deleted what was old"),
    "retention_settings": N_("Changed how long things are kept"),
    "studio_settings": N_("Changed what admins see"),
    "backup_made": N_("Made a backup"),
    "backup_download": N_("Downloaded a backup"),
    "backup_restore": N_("Restored a backup"),
    "models_refreshed": N_("Asked for the models anew"),
    "generation_cancel": N_("Cancelled a job"),
    "generation_retry": N_("Had a job made again"),
    "generation_resolve": N_("Decided a job"),
    "generation_timed_out": N_("Ended a job past its time"),
    "generation_delete": N_("Deleted a job"),
    "generation_purge": N_("Deleted old jobs"),
    "media_forget": N_("Gave up missing files"),
    "delivery_retry": N_("Tried a delivery again"),
    "delivery_to_dm": N_("Sent a delivery to a private chat"),
    "generation_refund": N_("Gave a job's cost back"),
}
FACTS = {
    "role": N_("role"),
    "roles": N_("who may use it"),
    "status": N_("status"),
    "phase": N_("where it stands"),
    "monthly": N_("a month"),
    "limit": N_("limit"),
    "kind": N_("kind"),
    "enabled": N_("offered"),
    "default": N_("default"),
    "price_override": N_("price of our own"),
    "cost": N_("cost"),
    "reason": N_("reason"),
    "count": N_("number"),
    "client": N_("program"),
    "platform": N_("chat"),
    "outcome": N_("decision"),
    "email": N_("e-mail"),
    "ip": N_("address"),
    "account": N_("has an account"),
    "platform_user_id": N_("id in the chat"),
    "chats": N_("chats"),
    "text": N_("text"),
    "waiting": N_("waited"),
    "user_id": N_("account"),
    "state": N_("status"),
    "size": N_("size"),
    "guest": N_("guest"),
    "session": N_("session"),
    "older_than_days": N_("older than, in days"),
    "new": N_("new job"),
    "provider_id": N_("id at the provider"),
    "media_days": N_("images and videos, in days"),
    "conversations_days": N_("conversations, in days"),
    "audit_days": N_("audit log, in days"),
    "trash_days": N_("trash, in days"),
    "show_content": N_("prompts and results are shown"),
    "from": N_("from"),
    "short_id": N_("job"),
}
ROLES = {"user": N_("User"), "admin": N_("Admin")}
VALUES: dict[str, dict[str, str]] = {
    "role": ROLES,
    "roles": ROLES,
    "status": {**states.STATUSES, "active": N_("Active"), "disabled": N_("Disabled")},
    "state": states.DELIVERY_STATES,
    "phase": states.PHASES,
    "kind": states.KINDS,
    "platform": states.SOURCES,
    "outcome": {
        "failed_free": N_("It was never started"),
        "failed_charged": N_("It was charged, but there is no result"),
        "provider_id": N_("It is there: follow it"),
    },
    "from": {"shell": N_("the shell")},
}
"""Words for the values in the log, by the name of the fact."""
SUBJECTS = {
    **states.SCOPES,
    "models": N_("All models"),
    "generations": N_("Jobs"),
    "show_content": N_("Privacy"),
    "retention": N_("Retention"),
    "media": N_("Images and videos"),
    "uploads": N_("Pictures sent along that nothing uses"),
    "conversations": N_("Conversations"),
    "audit": N_("Audit log"),
    "trash": N_("Trash"),
}
"""Subjects that are no account and no single thing."""
_MICRO = Decimal(1_000_000)


def action_words(action: str, after: Mapping[str, object] | None = None) -> str:
    """An action that came later than these words is shown by its name."""
    if action == "user_status" and after is not None:
        return _("Enabled") if after.get("status") == "active" else _("Disabled")
    return _(ACTIONS[action]) if action in ACTIONS else action.replace("_", " ").capitalize()


def changes(
    before: Mapping[str, object] | None, after: Mapping[str, object] | None
) -> list[tuple[str, str, str]]:
    """Return (name, before, after) of each fact that is on both sides and differs."""
    old, new = before or {}, after or {}
    return [
        (_name(key), _value(key, old[key]), _value(key, new[key]))
        for key in old
        if key in new and old[key] != new[key]
    ]


def facts(
    before: Mapping[str, object] | None,
    after: Mapping[str, object] | None,
    without: Collection[str] = (),
) -> list[tuple[str, str]]:
    """Return (name, value) of each fact that did not change, or that is on one side only."""
    old, new = before or {}, after or {}
    return [
        (_name(key), _value(key, value))
        for key, value in {**old, **new}.items()
        if key not in without and (key not in old or key not in new or old[key] == new[key])
    ]


def _name(key: str) -> str:
    bare = key.removesuffix("_micro").removesuffix("_usd")
    return _(FACTS[bare]) if bare in FACTS else bare.replace("_", " ")


def _value(key: str, value: object) -> str:
    if value is None:
        return _("none")
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if key.endswith("_micro") and isinstance(value, int):
        return money(value / _MICRO)
    if key.endswith("_usd"):
        return money(Decimal(str(value)))
    if key == "size" and isinstance(value, int):
        return states.size_words(value)
    if key in VALUES:
        return ", ".join(states.in_list(VALUES[key], one) for one in str(value).split(","))
    return str(value)
