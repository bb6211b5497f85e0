"""Deliveries to chats, for admins: why one is stuck, and sending it again or to a private chat."""

from flask import Blueprint, url_for
from flask.typing import ResponseReturnValue

from admin_web.forms.acts import act
from admin_web.forms.filters import account_id, cursor, filters
from admin_web.render import fragment
from admin_web.security.admins import admin_page
from admin_web.sessions.caller import api
from admin_web.words.errors import PLATFORMS
from admin_web.words.language import _
from client import calls
from client.schemas import Page
from client.schemas.deliveries import DeliveryRowOut

pages = Blueprint("admin_deliveries", __name__, url_prefix="/admin/deliveries")

STATES = {"troubled", "dead", "pending", "inbox", "done"}
SORTS = {"": {"oldest"}, "done": {"oldest"}, "pending": {"oldest", "tries", "due"}}
"""The ways to sort, by state; any other state is sorted by age and by tries."""


@pages.get("")
def show() -> ResponseReturnValue:
    return admin_page("admin/deliveries.html", **_table())


@pages.get("/table")
def table() -> ResponseReturnValue:
    return fragment("admin/_deliveries.html", **_table())


@pages.get("/<delivery_id>")
def one(delivery_id: str) -> ResponseReturnValue:
    delivery = api().send(calls.delivery(delivery_id))
    trail = api().send(calls.audit(subject=delivery.id, limit=20)).items
    return admin_page("admin/delivery.html", delivery=delivery, trail=trail)


@pages.post("/<delivery_id>/retry")
def retry(delivery_id: str) -> ResponseReturnValue:
    def words(row: DeliveryRowOut) -> str:
        platform = PLATFORMS.get(row.platform, row.platform)
        return _("It is sent to %(platform)s again, now.", platform=platform)

    return act(calls.retry_delivery(delivery_id), words, _page(delivery_id))


@pages.post("/<delivery_id>/to-dm")
def to_dm(delivery_id: str) -> ResponseReturnValue:
    def words(row: DeliveryRowOut) -> str:
        facts = {"name": row.user or _("its owner")}
        facts["platform"] = PLATFORMS.get(row.platform, row.platform)
        return _("It goes to the private chat of %(name)s on %(platform)s.", **facts)

    return act(calls.deliver_to_dm(delivery_id), words, _page(delivery_id))


def _page(delivery_id: str) -> str:
    return url_for("admin_deliveries.one", delivery_id=delivery_id)


def _table() -> dict[str, object]:
    kept = filters("user", "job", state=STATES, platform=PLATFORMS)
    sorts = SORTS.get(kept["state"], {"oldest", "tries"})
    kept |= filters(sort=sorts)
    user_id = account_id(kept["user"])
    found: Page[DeliveryRowOut] = Page(items=[])
    if user_id is not None:
        troubled = kept["state"] == "troubled"
        found = api().send(
            calls.deliveries(
                limit=25,
                state="" if troubled else kept["state"],
                troubled=troubled,
                platform=kept["platform"],
                user_id=user_id,
                generation_id=kept["job"][:64],
                sort=kept["sort"],
                cursor=cursor(),
            )
        )
    return {
        "found": found,
        "cursor": cursor(),
        "kept": kept,
        "sorts": sorts,
        "unknown_user": user_id is None,
    }
