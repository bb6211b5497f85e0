"""The audit log, for admins: who did what to whom."""

from uuid import UUID

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from admin_web.audit_words import ACTIONS, action_words, changes, facts
from admin_web.caller import api
from admin_web.render import page
from api.admin.schemas import AuditOut
from api.schemas import Page

pages = Blueprint("admin_audit", __name__, url_prefix="/admin/audit")


@pages.get("")
def show() -> ResponseReturnValue:
    typed = {name: request.args.get(name, "").strip()[:100] for name in ("actor", "subject")}
    action = request.args.get("action", "").strip()[:64]
    cursor = request.args.get("cursor") or None
    ids = {name: _account_id(text) for name, text in typed.items()}
    unknown = [typed[name] for name, found in ids.items() if found is None]
    empty: Page[AuditOut] = Page(items=[])
    found = empty if unknown else api().audit(actor_id=ids["actor"], action=action, subject=ids["subject"], cursor=cursor)
    return page(
        "admin/audit.html",
        found=found,
        typed=typed,
        action=action,
        unknown=unknown,
        cursor=cursor,
        actions=ACTIONS,
        action_words=action_words,
        changes=changes,
        facts=facts,
    )


def _account_id(text: str) -> str | None:
    """The id of what was typed: an id itself, an e-mail address or a name; empty for nothing, None when no account is called so."""
    if not text:
        return ""
    try:
        return str(UUID(text))
    except ValueError:
        found = api().users(q=text, role=None, limit=100).items
    exact = [person for person in found if text.casefold() in {(person.email or "").casefold(), person.display_name.casefold()}]
    hits = exact or found
    return hits[0].id if len(hits) == 1 else None
