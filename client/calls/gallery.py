"""Calls about what was made: the gallery, one generation, its files, and who else sees it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypedDict, Unpack
from urllib.parse import parse_qsl

from client.call import AS_IT_IS, MAKING, Call, paid, path, query
from client.schemas import Page
from client.schemas import generations as schemas
from client.schemas.deliveries import SendIn, SentOut


class GalleryWanted(TypedDict, total=False):
    kind: str | None
    status: str | None
    q: str | None
    favourite: str | bool | None
    model: str | None
    source: str | None
    since: str | datetime | None
    until: str | datetime | None
    cursor: str | None
    limit: int


def generations(**asked: Unpack[GalleryWanted]) -> Call[Page[schemas.GenerationOut]]:
    """Newest first."""
    return Call("GET", "/generations", Page[schemas.GenerationOut], query=query(**asked))


def used_models() -> Call[Page[schemas.UsedModelOut]]:
    return Call("GET", "/generations/models", Page[schemas.UsedModelOut])


def generation(generation_id: str) -> Call[schemas.GenerationOut]:
    """By id or short id."""
    return Call("GET", path("/generations/{}", generation_id), schemas.GenerationOut)


def video_status(generation_id: str) -> Call[schemas.StatusOut]:
    return Call("GET", path("/generate/video/{}/status", generation_id), schemas.StatusOut)


def cancel(generation_id: str) -> Call[schemas.GenerationOut]:
    """By id or short id."""
    return Call("POST", path("/generations/{}/cancel", generation_id), schemas.GenerationOut)


def set_favourite(generation_id: str, favourite: bool) -> Call[schemas.GenerationOut]:
    address, body = path("/generations/{}/favourite", generation_id), {"favourite": favourite}
    return Call("PUT", address, schemas.GenerationOut, body=body)


def card(generation_id: str, card: schemas.CardIn) -> Call[schemas.GenerationOut]:
    """The chat message that shows it while it is made. Whoever finds it ended closes the card."""
    address = path("/generations/{}/card", generation_id)
    return Call("PUT", address, schemas.GenerationOut, body=card, harmless=True)


def delete_generation(generation_id: str) -> Call[None]:
    return Call("DELETE", path("/generations/{}", generation_id))


# --- several at once


def delete_generations(ids: Sequence[str]) -> Call[schemas.DeletedOut]:
    return Call("POST", "/generations/delete", schemas.DeletedOut, body={"ids": ids})


def zip_files(ids: Sequence[str]) -> Call[bytes]:
    return Call("POST", "/generations/zip", bytes, body={"ids": ids}, within=MAKING)


# --- for others to see


def share(generation_id: str, hours: int) -> Call[schemas.ShareOut]:
    address, body = path("/generations/{}/share", generation_id), {"hours": hours}
    return Call("POST", address, schemas.ShareOut, body=body)


def shares(generation_id: str) -> Call[Page[schemas.ShareOut]]:
    return Call("GET", path("/generations/{}/shares", generation_id), Page[schemas.ShareOut])


def unshare(generation_id: str, share_id: str) -> Call[None]:
    return Call("DELETE", path("/generations/{}/shares/{}", generation_id, share_id))


def shared(token: str) -> Call[schemas.SharedOut]:
    return Call("GET", path("/shared/{}", token), schemas.SharedOut)


def send_to_chat(generation_id: str, ask: SendIn, key: str | None = None) -> Call[SentOut]:
    return paid(path("/generations/{}/send", generation_id), SentOut, ask, key)


# --- files


def file(url: str) -> Call[bytes]:
    """The bytes behind a signed address of the API, from the API itself."""
    media_id, signature = _signed(url)
    query = {**signature, "direct": "false"}
    return Call("GET", path("/media/{}", media_id), bytes, query=query, bare=True)


def media(media_id: str, signature: str, headers: Mapping[str, str] | None = None) -> Call[bytes]:
    """A file for passing on: 206, 304, 307 and 416 are answers, not errors. The owner may read it
    also when its link has run out."""
    return Call(
        "GET",
        path("/media/{}", media_id),
        bytes,
        query=_parsed(signature),
        headers={**(headers or {}), **AS_IT_IS},
        also=frozenset({304, 307, 416}),
    )


def fit(url: str, max_bytes: int) -> Call[schemas.MediaOut]:
    """The file behind a signed address, or a smaller copy of it. Refused with `conflict` and
    `retry_after` while the copy is being made, with `too_large` when none can be."""
    media_id, signature = _signed(url)
    body = schemas.FitIn(max_bytes=max_bytes)
    return Call(
        "POST", path("/media/{}/fit", media_id), schemas.MediaOut, query=signature, body=body
    )


def _signed(url: str) -> tuple[str, dict[str, str]]:
    address, _, signature = url.partition("?")
    return address.removeprefix("/media/"), _parsed(signature)


def _parsed(signature: str) -> dict[str, str]:
    return dict(parse_qsl(signature, keep_blank_values=True))
