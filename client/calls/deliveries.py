"""Calls about deliveries: the bots' outbox, the inbox of what no chat took, the operator's view."""

from typing import Unpack

from client.call import Call, Paging, path, query
from client.schemas import Page, Platform
from client.schemas.deliveries import (
    AckIn,
    BeginIn,
    DeliveryOut,
    DeliveryRowOut,
    FailIn,
    InboxOut,
    LinkIn,
)
from client.schemas.generations import ShareOut

CLAIM_MARGIN = 15.0

# --- of bots


def claim(wait: float, limit: int) -> Call[list[DeliveryOut]]:
    """Waits up to `wait` seconds for the first delivery; empty when none came."""
    return Call(
        "POST",
        "/bot/deliveries/claim",
        list[DeliveryOut],
        query=query(wait=wait, limit=limit),
        within=wait + CLAIM_MARGIN,
    )


def begin(delivery_id: str, begin: BeginIn) -> Call[None]:
    """Refused with `conflict` when the lease is over."""
    return Call("POST", path("/bot/deliveries/{}/begin", delivery_id), body=begin)


def link(delivery_id: str, link: LinkIn) -> Call[ShareOut]:
    """A public link to the delivery's result, for three days."""
    return Call("POST", path("/bot/deliveries/{}/link", delivery_id), ShareOut, body=link)


def ack(delivery_id: str, ack: AckIn) -> Call[None]:
    return Call("POST", path("/bot/deliveries/{}/ack", delivery_id), body=ack)


def fail(delivery_id: str, fail: FailIn) -> Call[None]:
    return Call("POST", path("/bot/deliveries/{}/fail", delivery_id), body=fail)


# --- of their owners


def inbox(cursor: str | None = None, limit: int = 20) -> Call[InboxOut]:
    return Call("GET", "/inbox", InboxOut, query=query(cursor=cursor, limit=limit))


def read_inbox() -> Call[None]:
    return Call("POST", "/inbox/read")


def read_one(delivery_id: str) -> Call[None]:
    return Call("POST", path("/inbox/{}/read", delivery_id))


def put_aside(delivery_id: str) -> Call[None]:
    return Call("DELETE", path("/inbox/{}", delivery_id))


# --- of operators


class Deliveries(Paging, total=False):
    state: str | None
    troubled: bool
    platform: str | None
    user_id: str | None
    generation_id: str | None


def deliveries(**asked: Unpack[Deliveries]) -> Call[Page[DeliveryRowOut]]:
    return Call("GET", "/admin/deliveries", Page[DeliveryRowOut], query=query(**asked))


def delivery(delivery_id: str) -> Call[DeliveryRowOut]:
    return Call("GET", path("/admin/deliveries/{}", delivery_id), DeliveryRowOut)


def retry_delivery(delivery_id: str) -> Call[DeliveryRowOut]:
    return Call("POST", path("/admin/deliveries/{}/retry", delivery_id), DeliveryRowOut)


def deliver_to_dm(delivery_id: str, platform: Platform | None = None) -> Call[DeliveryRowOut]:
    """To the owner's private chat; without a platform to that of the one it was meant for."""
    body = {"platform": platform} if platform is not None else None
    return Call("POST", path("/admin/deliveries/{}/to-dm", delivery_id), DeliveryRowOut, body=body)
