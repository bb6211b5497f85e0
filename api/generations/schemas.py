"""Images and videos: requests, the generation, its light status."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from api.provider.schemas import INPUT_IMAGES_MAX, OPTIONS
from api.schemas import PROMPT_MAX, In, Kind, MediaKind, Out, Reason, Thinking, Time, Usd

Mode = Literal["text_to_image", "image_to_image", "text_to_video", "image_to_video"]
Waiting = Literal["provider"]
GenerationStatus = Literal["queued", "processing", "completed", "failed", "cancelled"]
Prompt = Annotated[str, StringConstraints(min_length=1, max_length=PROMPT_MAX)]
ModelId = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class AddressIn(In):
    """The chat that asked. Only bots may send it, and only for their own platform and the act
    token's chat. `card_message_id`: the message that will be the waiting card, where it is known
    before there is anything to wait for."""

    platform: str = Field(max_length=20)
    chat_id: str = Field(min_length=1, max_length=64)
    thread_id: str | None = Field(default=None, max_length=64)
    message_id: str | None = Field(default=None, max_length=64)
    card_message_id: str | None = Field(default=None, max_length=64)
    user_name: str | None = Field(default=None, max_length=120)
    private: bool = False


def _bounds(name: str) -> Any:
    spec = OPTIONS[name]
    if spec.type == "number":
        return Field(ge=spec.least, le=spec.most)
    return Field(max_length=spec.most)


class GenerationIn(In):
    prompt: Prompt
    model: ModelId | None = None


class ImageOptions(In):
    """`negative_prompt`: what should not be seen, which is said to the model in words. `image_size`
    is the resolution's tier, `quality` how much work the model puts in, both in its own words."""

    n: Annotated[int | None, _bounds("n")] = None
    size: Annotated[str | None, _bounds("size")] = None
    aspect_ratio: Annotated[str | None, _bounds("aspect_ratio")] = None
    image_size: Annotated[str | None, _bounds("image_size")] = None
    quality: Annotated[str | None, _bounds("quality")] = None
    seed: Annotated[int | None, _bounds("seed")] = None
    negative_prompt: Annotated[str | None, _bounds("negative_prompt")] = None


class VideoOptions(In):
    """`duration` in seconds."""

    aspect_ratio: Annotated[str | None, _bounds("aspect_ratio")] = None
    resolution: Annotated[str | None, _bounds("resolution")] = None
    duration: Annotated[int | None, _bounds("duration")] = None
    generate_audio: bool | None = None
    seed: Annotated[int | None, _bounds("seed")] = None


class ImageIn(ImageOptions, GenerationIn):
    """`input_images`: ids of uploads or of earlier images of the caller."""

    input_images: list[str] | None = Field(default=None, max_length=INPUT_IMAGES_MAX)
    address: AddressIn | None = None
    confirm: bool = False
    """The answer to `confirm_cost`."""


class VideoIn(VideoOptions, GenerationIn):
    address: AddressIn | None = None
    confirm: bool = False


class VideoFromImageIn(VideoIn):
    """Exactly one of `image_url` (https) and `image_id` (an upload or an earlier image of the
    caller). `last_image_id`: another such image, with which the video ends, where the model can do
    that."""

    image_url: str | None = Field(default=None, max_length=2048)
    image_id: str | None = Field(default=None, max_length=64)
    last_image_id: str | None = Field(default=None, max_length=64)


class Changes(ImageOptions, VideoOptions):
    """The changes to an earlier request; the rest stays. With another model, old options that it
    does not take are left out."""

    prompt: Prompt | None = None
    model: ModelId | None = None


class AgainIn(In):
    changes: Changes = Field(default_factory=Changes)
    address: AddressIn | None = None
    confirm: bool = False


class EstimateIn(ImageOptions, VideoOptions):
    """The same options as the request that it prices. The prompt's length counts where a model's
    input is paid. `image_id` and `last_image_id` as in `VideoFromImageIn`: the model has to take
    them, whatever they show. `documents`, `scan`, `web` and `effort`
    as in a `TextIn`."""

    kind: Kind
    model: ModelId | None = None
    prompt: str | None = Field(default=None, max_length=PROMPT_MAX)
    input_images: list[str] | None = Field(default=None, max_length=INPUT_IMAGES_MAX)
    image_id: str | None = Field(default=None, max_length=64)
    last_image_id: str | None = Field(default=None, max_length=64)
    documents: list[str] | None = Field(default=None, max_length=8)
    scan: bool = False
    web: bool | None = None
    effort: Thinking | None = None


class EstimateOut(Out):
    """`cost_usd` is null when the price cannot be known in advance."""

    model: str
    cost_usd: Usd | None
    balance_usd: Usd


class ErrorOut(Out):
    """`reason` and `params` as in a problem document; `earlier` is the reason of failures from
    before reasons were kept. `charged_usd`: the amount that was booked all the same; null where
    nobody has counted it yet."""

    code: str
    message: str
    reason: Reason
    params: dict[str, str | int] = Field(default_factory=dict)
    charged_usd: Usd | None = None


class MediaOut(Out):
    """`url` is a signed path on the api, good for some minutes; `thumbnail_url` a small WebP or
    poster frame."""

    id: str
    url: str
    thumbnail_url: str | None = None
    content_type: str
    size: int
    width: int | None = None
    height: int | None = None
    duration: float | None = None


class InputOut(Out):
    """An image that a generation began with. `frame` is `first_frame` or `last_frame` of a video;
    `image` null: deleted since."""

    image: MediaOut | None
    frame: str | None = None


class GenerationOut(Out):
    """`options` are the ones really used, defaults filled in. `cost_usd` is set when it is known.
    `inputs` and `parent_deleted` are told where a single one is read."""

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
    larger_size: str | None = None
    """Of pictures: the next larger `image_size` in which its model can make one again from it."""
    error: ErrorOut | None = None
    cost_usd: Usd | None = None
    estimate_usd: Usd | None = None
    refunded: bool = False
    """True when an operator gave the cost back."""
    favourite: bool = False
    inputs: list[InputOut] = Field(default_factory=list)
    parent_id: str | None = None
    parent_deleted: bool = False
    source: str
    """`web`, `api`, or the chat platform it was asked for in."""
    sandbox: bool = False
    """True when the local sandbox made it, not a real model."""
    needs_review: bool = False
    """True while an operator has to find out what became of it at the provider."""
    queue_position: int | None = None
    """While queued: 1 is next, in the order in which generations are really taken."""
    waiting: Waiting | None = None
    """While queued: what it waits for beside its turn. `provider`: it cannot be reached, has too
    much to do, or its account is empty; nothing was sent or is charged by then, and it is tried
    again for a quarter of an hour."""
    elapsed_seconds: int | None = None
    """Since it left the queue, until now or its end; null while queued."""
    typical_seconds: tuple[int, int] | None = None
    """While unfinished: (low, high), between which the middle half of the model's last generations
    took; null while too few are known."""
    created_at: Time
    started_at: Time | None = None
    finished_at: Time | None = None


class StatusOut(Out):
    """`progress` counts from 0 to 1 and is an estimate from earlier generations; the provider gives
    none. Other fields as of a generation."""

    id: str
    status: GenerationStatus
    needs_review: bool = False
    video_url: str | None = None
    error: ErrorOut | None = None
    queue_position: int | None = None
    waiting: Waiting | None = None
    elapsed_seconds: int | None = None
    typical_seconds: tuple[int, int] | None = None
    progress: float | None = None


class CardIn(In):
    """The chat message that shows a generation while it is made; it is closed when the result
    arrives."""

    message_id: str = Field(min_length=1, max_length=64)


class FavouriteIn(In):
    favourite: bool


class UploadOut(Out):
    id: str
    content_type: str
    width: int
    height: int


class FitIn(In):
    """`POST /media/{id}/fit`, answered with a `MediaOut`."""

    max_bytes: int = Field(ge=1, le=2**40)


class AdminGenerationOut(GenerationOut):
    """The facts for an operator. `phase` is the worker's own state: `submit submitting
    submit_unknown poll fetch needs_review done`. `user_name`: the account's e-mail, or a guest's
    name."""

    user_id: str
    user_name: str = ""
    hidden: bool = False
    """True: the prompt is empty and there are no files, because `show_content` of `/admin/settings`
    is off."""
    phase: str
    attempt: int
    rescues: int
    provider_id: str | None
    submitted_at: Time | None
    platform: str | None


class ResolveIn(In):
    """`failed_free`: not charged. `failed_charged`: the estimate is booked. `provider_id`: followed
    under this id of the provider's."""

    outcome: Literal["failed_free", "failed_charged", "provider_id"]
    provider_id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,128}$")


class RefundIn(In):
    """The cost goes back to the user's budget; this server's own budgets keep it, because the
    provider does. `reason` is for the audit log."""

    reason: str | None = Field(default=None, max_length=500)


class PurgeIn(In):
    """Finished ones only, with their files. `status` None: all of them but favourites."""

    older_than_days: int = Field(ge=1, le=3650)
    status: Literal["completed", "failed", "cancelled"] | None = None


class CountOut(Out):
    count: int


class IdsIn(In):
    ids: list[Annotated[str, StringConstraints(min_length=1, max_length=64)]] = Field(
        min_length=1, max_length=100
    )


class DeletedOut(Out):
    """`kept`: what is still being made, or is not there."""

    deleted: list[str]
    kept: list[str]


class UsedModelOut(Out):
    kind: MediaKind
    model: str


class ShareIn(In):
    hours: int = Field(default=7 * 24, ge=1, le=90 * 24)


class ShareOut(Out):
    """`url` is null when PUBLIC_URL is not set: the web then makes its own, `/shared/TOKEN`."""

    id: str
    token: str
    url: str | None
    created_at: Time
    expires_at: Time


class SharedOut(Out):
    """A generation as anybody with the link sees it; `url`s of files as in `MediaOut`."""

    kind: MediaKind
    model_name: str
    prompt: str
    images: list[MediaOut]
    video: MediaOut | None
    thumbnail_url: str | None
    sandbox: bool
    created_at: Time
    expires_at: Time
