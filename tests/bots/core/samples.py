"""Generations and deliveries as the api tells them."""

from datetime import UTC, datetime
from typing import Any

from api.deliveries.schemas import AddressOut, DeliveryOut, Event
from api.generations.schemas import GenerationOut, MediaOut
from bots.core import texts
from client.schemas import Problem, Reason

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def generation(**changes: Any) -> GenerationOut:
    made: dict[str, Any] = {
        "id": "0197a1b2-0000-7000-8000-000000000001",
        "short_id": "k7m2pqx",
        "kind": "image",
        "mode": "text_to_image",
        "status": "completed",
        "model": "bfl/flux-2-klein",
        "model_name": "FLUX.2 Klein",
        "prompt": "a fox in snow",
        "options": {},
        "source": "terminal",
        "created_at": AT,
    }
    return GenerationOut(**{**made, **changes})


def media(**changes: Any) -> MediaOut:
    made: dict[str, Any] = {
        "id": "m1",
        "url": "/media/m1?exp=1&sig=x",
        "content_type": "image/png",
        "size": 3,
    }
    return MediaOut(**{**made, **changes})


def delivery(event: Event, **changes: Any) -> DeliveryOut:
    address = AddressOut(
        platform="terminal", chat_id="c", message_id="1", card_message_id="2", private=True
    )
    made: dict[str, Any] = {
        "id": "0197a1b2-1111-7000-8000-0123456789ab",
        "lease": "l",
        "attempt": 1,
        "address": address,
        "event": event,
    }
    return DeliveryOut(**{**made, **changes})


def told(code: str, reason: Reason, **params: str | int) -> str:
    """The sentence that a chat shows for an error of the api."""
    problem = Problem(title="", status=400, detail="", code=code, reason=reason, params=params)
    return texts.error(code, problem)
