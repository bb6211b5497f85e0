"""Images and videos: requests, the generation, its light status."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from api.schemas import In, Kind, MediaKind, Out, Time, Usd

PROMPT_MAX = 10_000

Mode = Literal["text_to_image", "image_to_image", "text_to_video", "image_to_video"]
GenerationStatus = Literal["queued", "processing", "completed", "failed", "cancelled"]
Prompt = Annotated[str, StringConstraints(min_length=1, max_length=PROMPT_MAX)]
ModelId = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]


class AddressIn(In):
    """The chat that asked. Only bots may send it, and only for their own platform and the act token's chat."""

    platform: str = Field(max_length=20)
    chat_id: str = Field(min_length=1, max_length=64)
    thread_id: str | None = Field(default=None, max_length=64)
    message_id: str | None = Field(default=None, max_length=64)
    user_name: str | None = Field(default=None, max_length=120)
    private: bool = False


class ImageIn(In):
    """`input_images`: ids of uploads or of earlier images of the caller."""

    prompt: Prompt
    model: ModelId | None = None
    n: int | None = Field(default=None, ge=1, le=10)
    size: str | None = Field(default=None, max_length=20)
    aspect_ratio: str | None = Field(default=None, max_length=10)
    image_size: str | None = Field(default=None, max_length=10)
    seed: Seed | None = None
    negative_prompt: str | None = Field(default=None, max_length=PROMPT_MAX)
    input_images: list[str] | None = Field(default=None, max_length=16)
    address: AddressIn | None = None


class VideoIn(In):
    """`duration` in seconds."""

    prompt: Prompt
    model: ModelId | None = None
    aspect_ratio: str | None = Field(default=None, max_length=10)
    resolution: str | None = Field(default=None, max_length=10)
    duration: int | None = Field(default=None, ge=1, le=600)
    generate_audio: bool | None = None
    seed: Seed | None = None
    address: AddressIn | None = None


class VideoFromImageIn(VideoIn):
    """Exactly one of `image_url` (https) and `image_id` (an upload or an earlier image of the caller)."""

    image_url: str | None = Field(default=None, max_length=2048)
    image_id: str | None = Field(default=None, max_length=64)


class EstimateIn(In):
    """The same options as the request that it prices; `prompt` only counts for text."""

    kind: Kind
    model: ModelId | None = None
    prompt: str | None = Field(default=None, max_length=PROMPT_MAX)
    n: int | None = Field(default=None, ge=1, le=10)
    size: str | None = Field(default=None, max_length=20)
    aspect_ratio: str | None = Field(default=None, max_length=10)
    image_size: str | None = Field(default=None, max_length=10)
    resolution: str | None = Field(default=None, max_length=10)
    duration: int | None = Field(default=None, ge=1, le=600)
    generate_audio: bool | None = None
    input_images: list[str] | None = Field(default=None, max_length=16)


class EstimateOut(Out):
    """`cost_usd` is null when the price cannot be known in advance."""

    model: str
    cost_usd: Usd | None
    balance_usd: Usd


class ErrorOut(Out):
    code: str
    message: str


class MediaOut(Out):
    """`url` is a signed path on the api, good for some minutes; `thumbnail_url` a small WebP or poster frame."""

    id: str
    url: str
    thumbnail_url: str | None = None
    content_type: str
    size: int
    width: int | None = None
    height: int | None = None
    duration: float | None = None


class GenerationOut(Out):
    """`options` are the ones really used, defaults filled in. `cost_usd` is set when it is known."""

    id: str
    short_id: str
    kind: MediaKind
    mode: Mode
    status: GenerationStatus
    model: str
    model_name: str
    prompt: str
    options: dict[str, str | int | bool]
    images: list[MediaOut] = Field(default_factory=list)
    video: MediaOut | None = None
    video_url: str | None = None
    thumbnail_url: str | None = None
    error: ErrorOut | None = None
    cost_usd: Usd | None = None
    estimate_usd: Usd | None = None
    favourite: bool = False
    parent_id: str | None = None
    source: str
    """`web`, `api`, or the chat platform it was asked for in."""
    sandbox: bool = False
    """True when the local sandbox made it, not a real model."""
    queue_position: int | None = None
    typical_seconds: tuple[int, int] | None = None
    created_at: Time
    started_at: Time | None = None
    finished_at: Time | None = None


class StatusOut(Out):
    """`progress` counts from 0 to 1 and is an estimate from earlier jobs; the provider gives none."""

    id: str
    status: GenerationStatus
    video_url: str | None = None
    error: ErrorOut | None = None
    progress: float | None = None


class CardIn(In):
    """The chat message that shows a generation while it is made; it is closed when the result arrives."""

    message_id: str = Field(min_length=1, max_length=64)


class FavouriteIn(In):
    favourite: bool


class UploadOut(Out):
    id: str
    content_type: str
    width: int
    height: int
