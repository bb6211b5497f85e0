"""Calls that make images and videos."""

from client.call import FETCHING, MAKING, UPLOADING, Call, FileUpload, new_key, paid, path
from client.schemas.generations import (
    AgainIn,
    EstimateIn,
    EstimateOut,
    GenerationOut,
    ImageIn,
    UploadOut,
    VideoFromImageIn,
    VideoIn,
)


def estimate(ask: EstimateIn) -> Call[EstimateOut]:
    return Call("POST", "/generate/estimate", EstimateOut, body=ask)


def image(ask: ImageIn, key: str | None = None, *, wait: bool = False) -> Call[GenerationOut]:
    """`wait`: answered when it is made, or after three minutes as it stands then."""
    return Call(
        "POST",
        "/generate/image",
        GenerationOut,
        body=ask,
        key=key or new_key(),
        headers={} if wait else {"prefer": "respond-async"},
        within=MAKING if wait else None,
    )


def video(ask: VideoIn, key: str | None = None) -> Call[GenerationOut]:
    return paid("/generate/video", GenerationOut, ask, key)


def video_from_image(ask: VideoFromImageIn, key: str | None = None) -> Call[GenerationOut]:
    return paid("/generate/video/from-image", GenerationOut, ask, key, FETCHING)


def again(generation_id: str, ask: AgainIn, key: str | None = None) -> Call[GenerationOut]:
    """The same request once more, with changes."""
    return paid(path("/generations/{}/again", generation_id), GenerationOut, ask, key)


def confirm(draft_id: str) -> Call[GenerationOut]:
    """Make a draft, which was answered with `confirm_cost`."""
    return Call("POST", path("/generations/drafts/{}/confirm", draft_id), GenerationOut)


def upload(name: str, data: bytes, content_type: str, key: str | None = None) -> Call[UploadOut]:
    return Call(
        "POST",
        "/uploads",
        UploadOut,
        file=FileUpload(name, content_type, data),
        key=key or new_key(),
        within=UPLOADING,
    )
