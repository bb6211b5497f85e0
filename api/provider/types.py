"""Requests to the provider and its answers as values, without HTTP and without a domain."""

import base64
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal, Protocol

from api.provider.schemas import Capabilities, PriceItem
from api.reasons import Making
from api.schemas import Kind, Thinking

ImageRoute = Literal["images", "chat", "generations"]
"""`POST /images`, `POST /chat/completions` with image output, `POST /images/generations`."""

Outcome = Literal["not_sent", "refused", "unknown"]
"""The proof of a failed paid call: nothing was sent; the provider answered and did not do it; it
may have done it."""


@dataclass(frozen=True, slots=True)
class ImageInput:
    """A decoded and re-encoded input image of ours."""

    content_type: str
    data: bytes

    def data_url(self) -> str:
        return f"data:{self.content_type};base64,{base64.b64encode(self.data).decode()}"


PdfEngine = Literal["native", "cloudflare-ai", "mistral-ocr"]
"""The reader of PDFs: the model itself; to text, for free; by character recognition, paid by the
page."""


@dataclass(frozen=True, slots=True)
class FileInput:
    """A PDF. `chars`: the most characters of context that it may count as."""

    name: str
    data: bytes
    chars: int

    def data_url(self) -> str:
        return f"data:application/pdf;base64,{base64.b64encode(self.data).decode()}"


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """A PDF as the provider has read it for an earlier answer, in the provider's own JSON; sent
    back with that answer it spares another reading."""

    json: str
    chars: int


@dataclass(frozen=True, slots=True)
class TextMessage:
    role: Literal["system", "user", "assistant"]
    text: str
    images: tuple[ImageInput, ...] = ()
    files: tuple[FileInput, ...] = ()
    parsed: tuple[ParsedFile, ...] = ()


@dataclass(frozen=True, slots=True)
class WebSearch:
    """The provider searches for the model: at most so many `searches`, each with so many `results`
    of so many characters."""

    engine: Literal["exa"]
    searches: int
    results: int
    chars: int


@dataclass(frozen=True, slots=True)
class TextAsk:
    """`user` is a stable opaque id of our end user. `effort`: the amount of thinking, None: the
    model's own. `pdf_engine`: always named where files are sent, because the provider's own choice
    may be the dearest one. `fallbacks` are tried in order when the model fails. `session`: requests
    with the same one go to the same supplier, whose cache makes them cheaper."""

    model: str
    messages: tuple[TextMessage, ...]
    max_tokens: int | None = None
    user: str | None = None
    effort: Thinking | None = None
    pdf_engine: PdfEngine | None = None
    web: WebSearch | None = None
    fallbacks: tuple[str, ...] = ()
    session: str | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """`cost_micro`: the provider's charge in micro-dollars. `thinking_tokens` are among those of
    the completion. None: unknown. `searches` of the web."""

    prompt_tokens: int | None
    completion_tokens: int | None
    cost_micro: int | None
    thinking_tokens: int | None = None
    searches: int = 0


@dataclass(frozen=True, slots=True)
class TextBegun:
    """The answering model, as soon as it is known. By `provider_id` the cost is looked up later."""

    model: str
    provider_id: str | None


@dataclass(frozen=True, slots=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True)
class TextThinking:
    """Thinking of `chars` more characters, which are not part of the answer. `forget`: all text
    before was thinking, too."""

    chars: int
    forget: bool = False


@dataclass(frozen=True, slots=True)
class TextImage:
    image: "ImageData"


@dataclass(frozen=True, slots=True)
class Citation:
    """A source of the answer. `url` is http or https."""

    url: str
    title: str


@dataclass(frozen=True, slots=True)
class FileRead:
    """A PDF as the provider has read it; `name` as it was sent, where that is said."""

    name: str | None
    parsed: ParsedFile


FinishReason = Literal["stop", "length", "content_filter"]
"""The end of an answer: by itself, at a limit of length, by a filter."""


@dataclass(frozen=True, slots=True)
class TextDone:
    """The last part of a complete stream."""

    finish_reason: FinishReason


TextPart = TextBegun | TextDelta | TextThinking | TextImage | Citation | FileRead | Usage | TextDone


@dataclass(frozen=True, slots=True)
class ImageAsk:
    """`modalities` is used by the chat route only: the model's own output modalities. `n` > 1 is
    sent where the route has it; on the chat route the client makes one call per image."""

    model: str
    route: ImageRoute
    prompt: str
    n: int = 1
    size: str | None = None
    aspect_ratio: str | None = None
    image_size: str | None = None
    quality: str | None = None
    avoid: str | None = None
    """Things that should not be seen. No route has a field for them: they go into the prompt."""
    seed: int | None = None
    inputs: tuple[ImageInput, ...] = ()
    modalities: tuple[str, ...] = ("image",)
    user: str | None = None


@dataclass(frozen=True, slots=True)
class ImageData:
    content_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class ImageResult:
    """At least one image; there may be fewer or more than asked for. `text`: a chat model's words
    beside it."""

    images: tuple[ImageData, ...]
    cost_micro: int | None
    provider_id: str | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class VideoAsk:
    """`duration` in seconds. Frames are sent as data URLs."""

    model: str
    prompt: str
    duration: int | None = None
    resolution: str | None = None
    aspect_ratio: str | None = None
    generate_audio: bool | None = None
    seed: int | None = None
    first_frame: ImageInput | None = None
    last_frame: ImageInput | None = None
    callback_url: str | None = None
    user: str | None = None


@dataclass(frozen=True, slots=True)
class TranscriptionAsk:
    """A recording of ours, whole or a piece. `form`: its format in the provider's words. `language`
    by ISO 639-1, None: the model finds out."""

    model: str
    data: bytes
    form: str
    language: str | None = None
    user: str | None = None


@dataclass(frozen=True, slots=True)
class Transcript:
    """`cost_micro` None: not said. By `provider_id` the cost is looked up later."""

    text: str
    cost_micro: int | None
    provider_id: str | None


@dataclass(frozen=True, slots=True)
class SpeechAsk:
    model: str
    text: str
    voice: str
    user: str | None = None


@dataclass(frozen=True, slots=True)
class Speech:
    """Spoken words: an MP3 when `rate` is None, else headerless samples (signed, 16 bits, little
    endian). The cost is never said with it: it is looked up by `provider_id`."""

    data: bytes
    rate: int | None
    channels: int
    provider_id: str | None


VideoState = Literal["running", "completed", "failed", "cancelled", "expired"]


@dataclass(frozen=True, slots=True)
class VideoJob:
    """`raw_status` is the provider's own word; an unknown word counts as `running`."""

    provider_id: str
    state: VideoState
    raw_status: str
    error: str | None = None
    cost_micro: int | None = None
    refused: bool = False
    """True when `error` is about the content, so that another try does not help."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """One model of the live lists. A model that makes text and images is listed once per kind.

    `route` and `modalities` are set for images only. `price` None: unknown.
    """

    id: str
    name: str
    kind: Kind
    capabilities: Capabilities
    price: tuple[PriceItem, ...] | None
    route: ImageRoute | None = None
    modalities: tuple[str, ...] = ()
    price_read: bool = True
    """False: the page with the price could not be read this time, so an earlier price still
    holds."""


@dataclass(frozen=True, slots=True)
class KeyState:
    """Our key at the provider. `left_micro`: rest of its limit, None: no limit of its own.
    `used_micro`: all that it ever spent."""

    left_micro: int | None
    expires_at: datetime | None
    used_micro: int | None = None


MADE: frozenset[Making] = frozenset({"unusable_image", "not_fetched"})
"""Reasons of failures after the work, so that another try would be paid a second time."""

Fetch = Callable[[str, int], AsyncIterator[bytes]]
"""Reads a foreign address without a credential, up to so many bytes. Raises `DomainError`,
`ProviderUnavailable` for a failure that may pass."""


class ProviderError(Exception):
    """A failed call. `said` quotes the provider and holds no secret; `outcome` says what it
    proves.

    `code` is one of our stable error codes: `provider_unavailable provider_out_of_credit
    content_refused invalid_request model_unavailable rate_limited`. `upstream`: it was the supplier
    of one model that failed, not the provider. `cost_micro`: what it was charged all the same, so
    that a repetition would be paid a second time; None when that is not said. `provider_id`: what
    the provider calls the work, where it said so before its answer broke off.
    """

    RETRYABLE: ClassVar[frozenset[str]] = frozenset({"provider_unavailable", "rate_limited"})

    def __init__(
        self,
        code: str,
        reason: Making,
        *,
        outcome: Outcome,
        status: int | None = None,
        retry_after: float | None = None,
        upstream: bool = False,
        cost_micro: int | None = None,
        said: str = "",
    ) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.said = said
        self.outcome = outcome
        self.status = status
        self.retry_after = retry_after
        self.upstream = upstream
        self.cost_micro = cost_micro
        self.provider_id: str | None = None

    def __str__(self) -> str:
        return f"{self.reason}: {self.said}" if self.said else self.reason

    @property
    def passing(self) -> bool:
        """True when waiting may help."""
        return self.code in self.RETRYABLE and self.reason != "key_refused"

    @property
    def retryable(self) -> bool:
        """True when waiting may help and another try is not paid a second time."""
        return self.passing and not self.cost_micro and not self.made

    @property
    def made(self) -> bool:
        """True when the provider did the work, with or without telling its cost."""
        return self.reason in MADE


class Provider(Protocol):
    """Every call raises `ProviderError`, and nothing else, for failures of provider or network."""

    @property
    def is_sandbox(self) -> bool: ...

    def text(self, ask: TextAsk) -> AsyncIterator[TextPart]:
        """Stream an answer. Closing the iterator closes the provider's stream."""
        ...

    async def cost_of(self, provider_id: str) -> int | None:
        """Return the cost of a call in micro-dollars; None while the provider does not know it."""
        ...

    async def image(self, ask: ImageAsk) -> ImageResult: ...

    async def transcribe(self, ask: TranscriptionAsk) -> Transcript: ...

    async def speak(self, ask: SpeechAsk) -> Speech: ...

    async def start_video(self, ask: VideoAsk) -> VideoJob: ...

    async def check_video(self, provider_id: str) -> VideoJob: ...

    def fetch_video(self, provider_id: str) -> AsyncIterator[bytes]:
        """Yield the finished file in chunks."""
        ...

    async def models(self) -> Sequence[ModelInfo]:
        """Return all models of the live lists that make something that we offer."""
        ...

    async def reachable(self) -> None:
        """Make a cheap call that proves key and network."""
        ...

    async def key(self) -> KeyState: ...

    def guess_route(self, model: str) -> ImageRoute:
        """Guess the image route of a model when the lists cannot be read."""
        ...

    async def close(self) -> None: ...
