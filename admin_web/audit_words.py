"""What is written in the audit log, in words."""

from collections.abc import Mapping
from decimal import Decimal

from admin_web.language import money

ACTIONS = {
    "setup": "Set the studio up",
    "user_invite": "Invited",
    "user_accept": "Took the invitation up",
    "user_role": "Changed the role",
    "user_status": "Disabled or enabled",
    "user_budget": "Changed the budget",
    "user_credentials": "Changed e-mail or password",
    "user_sessions_end": "Ended all sessions",
    "password_reset_link": "Made a reset link",
    "password_reset": "Used a reset link",
    "user_delete": "Deleted the account",
    "refresh_reuse": "Session ended: token used twice",
    "link": "Linked a chat",
    "unlink": "Unlinked a chat",
    "link_refused": "Refused to link a chat",
    "bot_key_rotate": "Made a new bot key",
    "bot_key_revoke": "Revoked a bot key",
    "budget_limit_set": "Changed a shared budget",
    "model_added": "Added a model",
    "model_changed": "Changed a model",
    "models_refreshed": "Asked for the models anew",
    "generation_purge": "Deleted old generations",
    "delivery_retry": "Tried a delivery again",
    "delivery_to_dm": "Sent a delivery to a private chat",
    "generation_refund": "Refunded a generation",
}
_MICRO = Decimal(1_000_000)


def action_words(action: str, after: Mapping[str, object] | None = None) -> str:
    """An action that came later than these words is shown by its name."""
    if action == "user_status" and after is not None:
        return "Enabled" if after.get("status") == "active" else "Disabled"
    return ACTIONS.get(action, action.replace("_", " ").capitalize())


def changes(before: Mapping[str, object] | None, after: Mapping[str, object] | None) -> list[tuple[str, str, str]]:
    """(what, before, after) for each fact that is on both sides and differs."""
    old, new = before or {}, after or {}
    return [(_name(key), _value(key, old[key]), _value(key, new[key])) for key in old if key in new and old[key] != new[key]]


def facts(before: Mapping[str, object] | None, after: Mapping[str, object] | None) -> list[tuple[str, str]]:
    """(what, value) for each fact that did not change, or that is on one side only."""
    old, new = before or {}, after or {}
    return [
        (_name(key), _value(key, value))
        for key, value in {**old, **new}.items()
        if key not in old or key not in new or old[key] == new[key]
    ]


def _name(key: str) -> str:
    return key.removesuffix("_micro").removesuffix("_usd").replace("_", " ")


def _value(key: str, value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if key.endswith("_micro") and isinstance(value, int):
        return money(value / _MICRO)
    if key.endswith("_usd"):
        return money(Decimal(str(value)))
    return str(value)
