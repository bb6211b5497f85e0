"""A checked request, and the row that it becomes."""

import hashlib
from dataclasses import dataclass
from typing import Any

from api.callers import Caller
from api.catalog.model import Model
from api.catalog.pricing import image_micro
from api.catalog.video_pricing import video_micro
from api.errors import NotAllowed
from api.generations.accepting.repeat import Request
from api.generations.schemas import AddressIn, Mode
from api.generations.store import Generation, Input, Options
from api.ids import new_id, now, short_id, token
from api.places.rules import PlaceRules
from telemetry.requests import request_id


@dataclass(frozen=True, slots=True)
class CheckedRequest:
    """A checked request, before money."""

    model: Model
    mode: Mode
    options: Options
    inputs: tuple[Input, ...]
    request: Request
    body_hash: str
    parent_id: str | None = None
    asked_in: PlaceRules | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of a request. `key` is its Idempotency-Key."""

    source: str
    key: str | None = None


def new_row(
    caller: Caller, asked: CheckedRequest, origin: Origin, estimate: int, *, sandbox: bool
) -> Generation:
    """Return the queued row, still without its hold."""
    at, address = now(), asked.request.address
    chat: dict[str, Any] = address.model_dump() if address else {}
    chat["chat_private"] = chat.pop("private", None)
    return Generation(
        id=new_id(),
        short_id=short_id(),
        user_id=caller.user_id,
        kind="video" if asked.model.kind == "video" else "image",
        mode=asked.mode,
        model=asked.model.id,
        model_name=asked.model.name,
        prompt=asked.request.prompt,
        options=asked.options,
        inputs=asked.inputs,
        run_at=at,
        callback_token=token(128),
        estimate_micro=estimate,
        source=origin.source,
        sandbox=sandbox,
        **chat,
        parent_id=asked.parent_id,
        created_at=at,
        request_id=request_id(),
    )


def estimate_of(model: Model, options: Options, *, inputs: int, chars: int) -> int | None:
    if model.kind == "video":
        return video_micro(model, options, images=inputs)
    return image_micro(model, options, input_images=inputs, prompt_chars=chars)


def check_address(caller: Caller, address: AddressIn | None) -> None:
    """Raise `NotAllowed` for another chat than that of the act token."""
    here = (caller.platform, caller.chat_id)
    if address is not None and here != (address.platform, address.chat_id):
        raise NotAllowed("result_to_other_chat")


def body_hash(body: Request, parent_id: str | None) -> str:
    """Return the hash of a request. A confirmation is the same request."""
    asked = body.model_dump_json(exclude={"confirm"})
    return hashlib.sha256(f"{type(body).__name__}:{parent_id or ''}:{asked}".encode()).hexdigest()
