"""OpenRouter's HTTP API behind the `Provider` protocol.

The key goes to one origin only. Files at other addresses are fetched without it, by a fetcher that
checks the address; polling addresses are never followed.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import (
    AbstractContextManager,
    aclosing,
    asynccontextmanager,
    contextmanager,
    nullcontext,
)
from dataclasses import replace
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

import httpx
import structlog

from api.errors import DomainError, ProviderUnavailable
from api.provider import model_lists, pictures, types, wire
from api.provider.bodies import read_body, read_some, understood
from api.provider.breaker import Breaker
from api.provider.busy_models import BusyModels
from api.provider.downloads import Moved, file_of
from api.provider.failures import Paid, garbage, of_network, of_response
from api.provider.http_client import http_client
from api.provider.pictures import Drawn
from api.provider.shared_pauses import Pauses
from api.provider.stream import text_parts
from api.reasons import Making

log = structlog.get_logger("provider")
T = TypeVar("T")

TITLE = "All You Can GET AI"
_ANSWER_MAX = 32 * 1024 * 1024
_SPEECH_MAX = 64 * 1024 * 1024
_PICTURES_MAX = 256 * 1024 * 1024
_PICTURE_MAX = 50_000_000
_VIDEO_MAX = 200_000_000
"""Largest files at other addresses; stored files have the same limits."""
_PLACES_MAX = 3
_CHAT_IMAGES_AT_ONCE = 3
_LISTS_AT_ONCE = 6
_CHAT_SLUGS = ("flux", "gpt-5-image-mini")
_URLS_KEPT = 64
_AGAIN_AFTER = 0.2
_AGAIN_WITHIN = 3.0
"""Seconds that a question waits before its second try, and the longest such wait."""
_CONNECTIONS = 500
"""Answers that are streamed, polls, submits and downloads at the same time."""
UNREACHABLE = (httpx.ConnectError, httpx.ConnectTimeout)
_QUICK = httpx.Timeout(30, connect=10)
_TEXT = httpx.Timeout(120, connect=10)
"""The wait between two bytes; keep-alive comments come much more often."""
_IMAGE = httpx.Timeout(300, connect=10)
_SOUND = httpx.Timeout(90, connect=10)
"""The provider gives its suppliers 60 seconds."""
_SUBMIT = httpx.Timeout(120, connect=10)
_DOWNLOAD = httpx.Timeout(60, connect=10)


class Watch(Protocol):
    """An observer of the calls."""

    def call(self, path: str, model: str) -> AbstractContextManager[object]:
        """Return a context around one call; `model` is empty for questions."""
        ...

    def used(self, model: str, usage: types.Usage) -> None:
        """Hear of the tokens of an answer."""
        ...


class _Unwatched:
    def call(self, _path: str, _model: str) -> AbstractContextManager[object]:
        return nullcontext()

    def used(self, _model: str, _usage: types.Usage) -> None:
        """Forget it."""


class OpenRouter:
    """The client of the provider.

    `base_url` ends in `/api/v1`. `app_url` names this installation in the provider's statistics;
    None sends no address. `fetch` gets files at other addresses; None: they count as not fetched.
    `pauses` are shared with other processes.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        app_url: str | None = None,
        sandbox: bool = False,
        watch: Watch | None = None,
        fetch: types.Fetch | None = None,
        pauses: Pauses | None = None,
    ) -> None:
        headers = {"Authorization": f"Bearer {api_key}", "X-OpenRouter-Title": TITLE}
        if app_url is not None:
            headers["HTTP-Referer"] = app_url
        self._base = base_url.rstrip("/")
        self._client = http_client(
            headers=headers, timeout=_QUICK, connections=_CONNECTIONS, outside=not sandbox
        )
        self._of_questions = self._client.headers.copy()
        # the length of a compressed video would not tell whether it is whole
        self._of_questions["Accept-Encoding"] = "identity"
        self._of_orders = self._client.headers.copy()
        self._of_orders["Content-Type"] = "application/json"
        self._sandbox = sandbox
        self._breaker = Breaker(pauses=pauses)
        self._busy_models = BusyModels(pauses)
        self._watch = watch or _Unwatched()
        self._fetch = fetch

    @property
    def is_sandbox(self) -> bool:
        return self._sandbox

    async def close(self) -> None:
        await self._client.aclose()

    async def text(self, ask: types.TextAsk) -> AsyncIterator[types.TextPart]:
        path, body = "/chat/completions", await _text_content(ask)
        # a busy model stops nothing while another one may answer
        last = ask.fallbacks[-1] if ask.fallbacks else ask.model
        async with (
            self._call(
                "POST", path, Paid.AT_ONCE, model=last, content=body, timeout=_TEXT
            ) as response,
            aclosing(text_parts(response, ask.model)) as parts,
        ):
            async for part in parts:
                if isinstance(part, types.Usage):
                    self._watch.used(ask.model, part)
                yield part

    async def cost_of(self, provider_id: str) -> int | None:
        try:
            path = f"/generation?id={quote(provider_id, safe='')}"
            return await self._get(path, wire.generation_cost)
        except types.ProviderError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    async def image(self, ask: types.ImageAsk) -> types.ImageResult:
        if ask.route != "chat":
            path = "/images" if ask.route == "images" else "/images/generations"
            return await self._image_call(path, ask, pictures.of_images)
        if ask.n == 1:
            return await self._image_call("/chat/completions", ask, pictures.of_chat)
        return await self._several(ask)

    async def _several(self, ask: types.ImageAsk) -> types.ImageResult:
        """Make one call an image. It fails only when all calls fail, with the outcome that may
        cost most."""
        slots = asyncio.Semaphore(_CHAT_IMAGES_AT_ONCE)

        async def one(number: int) -> types.ImageResult:
            seed = None if ask.seed is None else ask.seed + number
            async with slots:
                return await self._image_call(
                    "/chat/completions", replace(ask, n=1, seed=seed), pictures.of_chat
                )

        tasks = [asyncio.create_task(one(number)) for number in range(ask.n)]
        try:
            await asyncio.wait(tasks)
        finally:
            for task in tasks:
                task.cancel()
        errors = [error for task in tasks if (error := task.exception()) is not None]
        results = [task.result() for task in tasks if task.exception() is None]
        refused = [error for error in errors if isinstance(error, types.ProviderError)]
        spent = [error.cost_micro for error in refused if error.cost_micro is not None]
        if not results or len(refused) < len(errors):
            worst = _worst(errors)
            if isinstance(worst, types.ProviderError) and spent:
                worst.cost_micro = sum(spent)
            raise worst
        costs = [result.cost_micro for result in results]
        return types.ImageResult(
            images=tuple(image for result in results for image in result.images),
            cost_micro=None
            if None in costs
            else sum([cost for cost in costs if cost is not None] + spent),
            provider_id=results[0].provider_id,
            text=results[0].text,
        )

    async def _image_call(
        self, path: str, ask: types.ImageAsk, read: Callable[[dict[str, Any]], Drawn]
    ) -> types.ImageResult:
        body = await asyncio.to_thread(_encode, wire.image_body(ask))
        told: str | None = None
        try:
            async with self._call(
                "POST", path, Paid.AT_ONCE, model=ask.model, content=body, timeout=_IMAGE
            ) as response:
                told = response.headers.get("x-generation-id")
                raw = await read_body(response, _PICTURES_MAX, Paid.AT_ONCE)
            # tens of megabytes of base64: not on the event loop
            drawn = await asyncio.to_thread(
                understood, raw, Paid.AT_ONCE, lambda answer: read(wire.mapping(answer))
            )
        except types.ProviderError as error:
            error.provider_id = told
            raise
        images, lost = await self._fetched_pictures(drawn)
        if not images:
            raise drawn.failure(lost)
        if missing := [*drawn.missing, *lost]:
            log.warning("pictures_missing", model=ask.model, missing=missing)
        return types.ImageResult(images, drawn.cost_micro, drawn.provider_id or told, drawn.text)

    async def _fetched_pictures(
        self, drawn: Drawn
    ) -> tuple[tuple[types.ImageData, ...], list[Making]]:
        """Return the pictures in order, and the reasons why others could not be fetched."""
        images: list[types.ImageData] = []
        lost: list[Making] = []
        for found in drawn.found:
            if isinstance(found, types.ImageData):
                images.append(found)
                continue
            try:
                data = b"".join([chunk async for chunk in self._elsewhere(found.url, _PICTURE_MAX)])
            except types.ProviderError as error:
                log.warning("picture_not_fetched", reason=error.reason)
                lost.append("not_fetched")
            else:
                images.append(pictures.fetched(data))
        return tuple(images), lost

    async def _elsewhere(self, url: str, most: int) -> AsyncIterator[bytes]:
        if self._fetch is None:
            raise types.ProviderError("provider_unavailable", "not_fetched", outcome="refused")
        try:
            async for chunk in self._fetch(url, most):
                yield chunk
        except DomainError as error:
            passing = isinstance(error, ProviderUnavailable)
            code = "provider_unavailable" if passing else "invalid_request"
            raise types.ProviderError(code, "not_fetched", outcome="refused") from error

    async def transcribe(self, ask: types.TranscriptionAsk) -> types.Transcript:
        body = await asyncio.to_thread(_encode, wire.transcription_body(ask))
        path = "/audio/transcriptions"
        raw, told, _ = await self._sound_call(path, ask.model, body)
        with _named(told):
            return understood(raw, Paid.AT_ONCE, lambda answer: wire.transcript(answer, told))

    async def speak(self, ask: types.SpeechAsk) -> types.Speech:
        """Ask for samples, which every model has; as MP3 when it refuses those, which is free."""
        try:
            return await self._speak(ask, "pcm")
        except types.ProviderError as error:
            if (error.status, error.reason) != (HTTPStatus.BAD_REQUEST, "request_refused"):
                raise
        return await self._speak(ask, "mp3")

    async def _speak(self, ask: types.SpeechAsk, form: str) -> types.Speech:
        body = _encode(wire.speech_body(ask, form))
        raw, told, kind = await self._sound_call("/audio/speech", ask.model, body)
        with _named(told):
            if "json" in kind:
                return understood(raw, Paid.AT_ONCE, _no_speech)
            try:
                return wire.speech(raw, kind, told)
            except wire.Unreadable:
                raise garbage(Paid.AT_ONCE) from None

    async def _sound_call(
        self, path: str, model: str, body: bytes
    ) -> tuple[bytes, str | None, str]:
        """Return the answer, what the provider calls the work, and the answer's type."""
        told: str | None = None
        try:
            async with self._call(
                "POST", path, Paid.AT_ONCE, model=model, content=body, timeout=_SOUND
            ) as response:
                told = response.headers.get("x-generation-id")
                raw = await read_body(response, _SPEECH_MAX, Paid.AT_ONCE)
                return raw, told, response.headers.get("content-type", "")
        except types.ProviderError as error:
            error.provider_id = told
            raise

    async def start_video(self, ask: types.VideoAsk) -> types.VideoJob:
        body = await asyncio.to_thread(_encode, wire.video_body(ask))
        async with self._call(
            "POST", "/videos", Paid.JOB, model=ask.model, content=body, timeout=_SUBMIT
        ) as response:
            raw = await read_body(response, _ANSWER_MAX, Paid.JOB)
        return understood(raw, Paid.JOB, wire.video_job)

    async def check_video(self, provider_id: str) -> types.VideoJob:
        return await self._get(f"/videos/{_checked(provider_id)}", wire.video_job, gated=True)

    async def fetch_video(self, provider_id: str) -> AsyncIterator[bytes]:
        place = f"{self._base}/videos/{_checked(provider_id)}/content?index=0"
        for _ in range(_PLACES_MAX):
            try:
                if place.startswith(f"{self._base}/"):
                    path = place.removeprefix(self._base)
                    async with self._call(
                        "GET", path, Paid.NO, timeout=_DOWNLOAD, moves=True
                    ) as response:
                        async for chunk in file_of(response):
                            yield chunk
                else:
                    async for chunk in self._elsewhere(place, _VIDEO_MAX):
                        yield chunk
            except Moved as moved:
                place = moved.url
            else:
                return
        raise types.ProviderError("invalid_request", "not_fetched", outcome="refused")

    async def models(self) -> Sequence[types.ModelInfo]:
        listed, images, videos = await asyncio.gather(
            self._get("/models?output_modalities=all", model_lists.entries),
            self._get("/images/models", model_lists.entries),
            self._get("/videos/models", model_lists.entries),
        )
        slots = asyncio.Semaphore(_LISTS_AT_ONCE)

        async def image_model(entry: Mapping[str, Any]) -> types.ModelInfo:
            async with slots:
                return model_lists.image_model(entry, await self._endpoints(entry["id"]))

        image_models = await asyncio.gather(*(image_model(entry) for entry in images))
        chat = model_lists.chat_models(listed, frozenset(entry["id"] for entry in images))
        return [*chat, *image_models, *map(model_lists.video_model, videos)]

    async def _endpoints(self, model: str) -> object:
        """Return the prices of one image model; None when a second try fails, too, so that only
        this model lacks a price."""
        path = f"/images/models/{quote(model, safe='/~:.-_')}/endpoints"
        try:
            return await self._get(path, wire.mapping)
        except types.ProviderError:
            return None

    async def reachable(self) -> None:
        await self._get("/key", wire.mapping)

    async def key(self) -> types.KeyState:
        return wire.key_state(await self._get("/key", wire.mapping))

    def guess_route(self, model: str) -> types.ImageRoute:
        return "chat" if any(slug in model.lower() for slug in _CHAT_SLUGS) else "generations"

    async def _get(self, path: str, read: Callable[[object], T], *, gated: bool = False) -> T:
        """Ask a question, which is free, and once more after a failure that may pass, if the wait
        is short."""
        try:
            return await self._get_once(path, read, gated)
        except types.ProviderError as error:
            wait = _AGAIN_AFTER if error.retry_after is None else error.retry_after
            if not error.retryable or wait > _AGAIN_WITHIN:
                raise
        await asyncio.sleep(wait)
        return await self._get_once(path, read, gated)

    async def _get_once(self, path: str, read: Callable[[object], T], gated: bool) -> T:
        async with self._call("GET", path, Paid.NO, gated=gated) as response:
            raw = await read_body(response, _ANSWER_MAX, Paid.NO)
        return understood(raw, Paid.NO, read)

    @asynccontextmanager
    async def _call(
        self,
        method: str,
        path: str,
        paid: Paid,
        *,
        model: str = "",
        content: bytes | None = None,
        timeout: httpx.Timeout = _QUICK,
        gated: bool = True,
        moves: bool = False,
    ) -> AsyncIterator[httpx.Response]:
        """Give the open 2xx answer; everything else becomes a `ProviderError`, also a failure while
        the answer is read.

        `gated`: fails at once while the provider counts as down. `model`: fails at once while that
        model is too busy. `moves`: a redirect is an answer, too.
        """
        self._busy_models.check(model)
        if gated:
            await self._breaker.admit()
        with self._watch.call(path, model), self._busy_models.learning(model):
            async with self._answered(method, path, paid, content, timeout, moves) as response:
                yield response

    @asynccontextmanager
    async def _answered(
        self,
        method: str,
        path: str,
        paid: Paid,
        content: bytes | None,
        timeout: httpx.Timeout,
        moves: bool,
    ) -> AsyncIterator[httpx.Response]:
        """Make the call that the breaker has let through, and tell the breaker its end."""
        heard = False
        try:
            request = httpx.Request(
                method,
                _url(self._base + path),
                headers=self._of_orders if method == "POST" else self._of_questions,
                content=content,
                extensions={"timeout": timeout.as_dict()},
            )
            response = await self._client.send(request, stream=True)
            heard = True
            async with aclosing(response):
                if not response.is_success and not (moves and response.has_redirect_location):
                    error = of_response(
                        response.status_code, response.headers, await read_some(response), paid
                    )
                    is_down = response.status_code >= 500 and not error.upstream
                    (self._breaker.failed if is_down else self._breaker.succeeded)()
                    raise error
                self._breaker.succeeded()
                yield response
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            if not heard:
                (self._breaker.failed if isinstance(error, UNREACHABLE) else self._breaker.unsure)()
            raise of_network(error, paid) from error
        except asyncio.CancelledError:
            if not heard:
                self._breaker.unsure()
            raise


@lru_cache(_URLS_KEPT)
def _url(text: str) -> httpx.URL:
    """To take an address apart takes as long as the rest of a request's preparation."""
    return httpx.URL(text)


async def _text_content(ask: types.TextAsk) -> bytes:
    if any(message.files for message in ask.messages):
        # tens of megabytes of base64: not on the event loop
        return await asyncio.to_thread(lambda: _encode(wire.text_body(ask)))
    return _encode(wire.text_body(ask))


def _encode(body: dict[str, Any]) -> bytes:
    return json.dumps(body).encode()


@contextmanager
def _named(provider_id: str | None) -> Iterator[None]:
    """Note in an error what the provider calls the work."""
    try:
        yield
    except types.ProviderError as error:
        error.provider_id = provider_id
        raise


def _no_speech(_answer: object) -> types.Speech:
    raise wire.Unreadable


def _checked(provider_id: str) -> str:
    if not wire.JOB_ID.fullmatch(provider_id):
        raise types.ProviderError(
            "invalid_request", "request_refused", outcome="not_sent", said="no job id"
        )
    return provider_id


def _worst(errors: list[BaseException]) -> BaseException:
    """Return the error of calls that all failed: one whose work may have been done before one that
    was refused."""
    order = {"unknown": 0, "refused": 1, "not_sent": 2}
    return min(
        errors,
        key=lambda error: order[error.outcome] if isinstance(error, types.ProviderError) else -1,
    )
