"""Calls about deliveries: the bots' outbox, the inbox of what no chat took, the operator's view."""

from typing import Unpack

from client.call import Call, Paging, path, query
from client.schemas import Page, Platform
from client.schemas import deliveries as schemas
from client.schemas.generations import ShareOut

CLAIM_MARGIN = 15.0

# --- of bots


def claim(wait: float, limit: int, process: str | None = None) -> Call[list[schemas.DeliveryOut]]:
    """Waits up to `wait` seconds for the first delivery; empty when none came. `process`: the bot's
    process, as it names itself in its beats."""
    return Call(
        "POST",
        "/bot/deliveries/claim",
        list[schemas.DeliveryOut],
        query=query(wait=wait, limit=limit, process=process),
        within=wait + CLAIM_MARGIN,
    )


def open_cards(asked: schemas.OpenCardsIn) -> Call[list[schemas.OpenCardOut]]:
    """The waiting cards of the bot's platform; none while another process has the turn."""
    return Call("POST", "/bot/cards", list[schemas.OpenCardOut], body=asked, harmless=True)


def begin(delivery_id: str, begin: schemas.BeginIn) -> Call[None]:
    """Refused with `conflict` when the lease is over."""
    return Call("POST", path("/bot/deliveries/{}/begin", delivery_id), body=begin)


def link(delivery_id: str, link: schemas.LinkIn) -> Call[ShareOut]:
    """A public link to the delivery's result, for three days."""
    return Call("POST", path("/bot/deliveries/{}/link", delivery_id), ShareOut, body=link)


def ack(delivery_id: str, ack: schemas.AckIn) -> Call[None]:
    return Call("POST", path("/bot/deliveries/{}/ack", delivery_id), body=ack)


def fail(delivery_id: str, fail: schemas.FailIn) -> Call[None]:
    return Call("POST", path("/bot/deliveries/{}/fail", delivery_id), body=fail)


# --- of their owners


def inbox(cursor: str | None = None, limit: int = 20) -> Call[schemas.InboxOut]:
    return Call("GET", "/inbox", schemas.InboxOut, query=query(cursor=cursor, limit=limit))


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


def deliveries(**asked: Unpack[Deliveries]) -> Call[Page[schemas.DeliveryRowOut]]:
    return Call("GET", "/admin/deliveries", Page[schemas.DeliveryRowOut], query=query(**asked))


def delivery(delivery_id: str) -> Call[schemas.DeliveryRowOut]:
    return Call("GET", path("/admin/deliveries/{}", delivery_id), schemas.DeliveryRowOut)


def retry_delivery(delivery_id: str) -> Call[schemas.DeliveryRowOut]:
    return Call("POST", path("/admin/deliveries/{}/retry", delivery_id), schemas.DeliveryRowOut)


def deliver_to_dm(
    delivery_id: str, platform: Platform | None = None
) -> Call[schemas.DeliveryRowOut]:
    """To the owner's private chat; without a platform to that of the one it was meant for."""
    body = {"platform": platform} if platform is not None else None
    return Call(
        "POST", path("/admin/deliveries/{}/to-dm", delivery_id), schemas.DeliveryRowOut, body=body
    )
