"""`/videos` of the sandbox: jobs that go from pending over in_progress to completed, and tell it by
a signed hook."""

import asyncio
import json
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt
from starlette.responses import JSONResponse, Response, StreamingResponse

from sandbox import models
from sandbox.calls import Studio, Work, input_image, new_id, usd
from sandbox.faults import Fault, Refusal, break_connection
from sandbox.media import Movie, film, nearest_ratio
from sandbox.webhooks import sign

TERMINAL = {"completed", "failed", "cancelled", "expired"}
_ERRORS = {
    "failed": "Provider returned error",
    "expired": "Job exceeded maximum time to live",
    "cancelled": "Job was cancelled",
}
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_KEEP_JOBS = 1000
_KEEP_FILES = 60
_HOOK_TRIES = 4


class _Url(BaseModel):
    url: str


class _Frame(BaseModel):
    type: Literal["image_url"]
    image_url: _Url
    frame_type: Literal["first_frame", "last_frame"]


class VideosRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    model: str
    prompt: Annotated[str, Field(min_length=1)]
    duration: Annotated[StrictInt, Field(ge=1)] | None = None
    resolution: Literal["360p", "480p", "720p", "768p", "1080p", "1K", "2K", "4K"] | None = None
    aspect_ratio: (
        Literal["16:9", "9:16", "1:1", "4:3", "3:4", "3:2", "2:3", "21:9", "9:21"] | None
    ) = None
    size: str | None = None
    generate_audio: StrictBool | None = None
    seed: StrictInt | None = None
    frame_images: list[_Frame] = []
    input_references: list[dict[str, Any]] = []
    callback_url: str | None = None
    provider: dict[str, Any] | None = None
    user: str | None = None
    session_id: Annotated[str, Field(max_length=256)] | None = None
    trace: dict[str, Any] | None = None


@dataclass(slots=True)
class Job:
    id: str
    model: str
    movie: Movie
    cost: float
    callback_url: str | None
    base: str
    ends_as: str = "completed"
    error: str | None = None
    billed: float | None = None
    """In dollars, of a job that failed; None: nothing, and nothing is said of it."""
    status: str = "pending"
    generation_id: str = field(default_factory=new_id)
    data: bytes | None = None

    def view(self) -> dict[str, Any]:
        body: dict[str, Any] = {
            "id": self.id,
            "polling_url": f"/api/v1/videos/{self.id}",
            "status": self.status,
        }
        if self.status != "pending":
            body["generation_id"] = self.generation_id
        if self.status == "completed":
            body["unsigned_urls"] = [self.content_url()]
            body["usage"] = {"cost": self.cost, "is_byok": False}
        elif self.billed is not None and self.status in TERMINAL:
            body["usage"] = {"cost": self.billed, "is_byok": False}
        if self.error is not None and self.status in TERMINAL:
            body["error"] = self.error
        return body

    def content_url(self) -> str:
        return f"{self.base}/videos/{self.id}/content?index=0"

    def event(self) -> dict[str, Any]:
        data: dict[str, Any] = {
            "id": self.id,
            "status": self.status,
            "generation_id": self.generation_id,
            "model": self.model,
        }
        if self.status == "completed":
            data |= {
                "unsigned_urls": [self.content_url()],
                "usage": {"cost": self.cost, "is_byok": False},
            }
        else:
            data["error"] = self.error
        moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {"type": f"video.generation.{self.status}", "created_at": moment, "data": data}


class Videos:
    """All jobs, in memory; `secret` signs the hooks, None sends them unsigned."""

    def __init__(self, studio: Studio, secret: str | None) -> None:
        self._studio = studio
        self._client: httpx.AsyncClient | None = None
        self._secret = secret
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._stop = threading.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def clear(self) -> None:
        """Forgets all jobs, and stops the drawing of those that are not finished."""
        self._stop.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._jobs.clear()
        self._stop = threading.Event()

    async def close(self) -> None:
        await self.clear()
        if self._client is not None:
            await self._client.aclose()

    async def models(self, work: Work) -> Response:
        return JSONResponse(
            {
                "data": []
                if work.hit_by("empty")
                else [model.listing() for model in models.VIDEO_MODELS]
            }
        )

    async def submit(self, work: Work) -> Response:
        ask = work.parse(VideosRequest)
        model = models.find_video(ask.model)
        if model is None:
            raise Refusal(400, f"{ask.model} is not a valid model ID")
        job = _job(ask, model, str(work.request.base_url).rstrip("/") + "/api/v1")
        fate = self._studio.faults.take("videos.job", ask.model)
        if fate is not None and fate.kind == "ends_as":
            job.ends_as, job.error = fate.value, fate.message or _ERRORS.get(fate.value)
            job.billed = (fate.metadata or {}).get("cost")
        if work.hit_by("error_in_200"):
            return JSONResponse({})  # what is answered instead says that there is no job
        self._jobs[job.id] = job
        self._forget_old()
        work.call.cost_usd = job.cost if job.ends_as not in _ERRORS else job.billed or 0
        task = asyncio.create_task(self._make(job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return JSONResponse(job.view(), 202)

    async def status(self, work: Work) -> Response:
        return JSONResponse(self._find(work).view())

    async def content(self, work: Work) -> Response:
        job = self._find(work)
        if work.request.query_params.get("index", "0") != "0":
            raise Refusal(404, "No such output")
        if job.status != "completed":
            raise Refusal(409, "Video is not ready")
        if job.data is None:
            raise Refusal(410, "Video is gone")
        data = b"" if work.hit_by("empty") else job.data
        broken = work.fault is not None and work.fault.kind in {"cut", "garbage"}
        if work.hit_by("garbage"):
            return Response(b"<html><body>502 Bad Gateway</body>", media_type="video/mp4")
        headers = {
            "Content-Length": str(len(data)),
            "Content-Disposition": f'inline; filename="{job.id}.mp4"',
        }
        return StreamingResponse(
            _chunks(work, data, broken=broken), media_type="video/mp4", headers=headers
        )

    def _find(self, work: Work) -> Job:
        job = self._jobs.get(work.request.path_params["id"])
        if job is None:
            raise Refusal(404, "Video job not found", {"error_type": "not_found"})
        return job

    def _forget_old(self) -> None:
        while len(self._jobs) > _KEEP_JOBS:
            self._jobs.popitem(last=False)
        with_file = [job for job in self._jobs.values() if job.data is not None]
        for job in with_file[:-_KEEP_FILES]:
            job.data = None

    async def _make(self, job: Job) -> None:
        whole = self._studio.faults.timing.video
        if job.ends_as in _ERRORS:
            await self._pass_states(job, whole)
        else:
            job.data, _ = await asyncio.gather(
                self._studio.draw(film, replace(job.movie, stop=self._stop)),
                self._pass_states(job, whole),
            )
        job.status = job.ends_as if job.ends_as in TERMINAL else "completed"
        cost = job.cost if job.status == "completed" else job.billed or 0.0
        self._studio.remember(
            job.generation_id,
            {
                "model": job.model,
                "api_type": "video",
                "usage": cost,
                "total_cost": cost,
                "tokens_prompt": 0,
            },
        )
        if job.callback_url is not None:
            await self._tell(job, job.callback_url)

    @staticmethod
    async def _pass_states(job: Job, seconds: float) -> None:
        await asyncio.sleep(seconds * 0.25)
        job.status = "in_progress" if job.ends_as in TERMINAL else job.ends_as
        await asyncio.sleep(seconds * 0.75)

    async def _tell(self, job: Job, url: str) -> None:
        fault = self._studio.faults.take("webhooks", job.model)
        kind = fault.kind if fault is not None else None
        if kind == "off":
            return
        if kind == "late" and fault is not None:
            await asyncio.sleep(fault.seconds)
        for _ in range(2 if kind == "duplicate" else 1):
            await self._send(job, url, fault)

    def _sender(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(trust_env=False)
        return self._client

    async def _send(self, job: Job, url: str, fault: Fault | None) -> None:
        """A few tries with growing pauses; 2xx ends them."""
        body = json.dumps(job.event()).encode()
        for turn in range(_HOOK_TRIES):
            headers = {
                "Content-Type": "application/json",
                "X-OpenRouter-Idempotency-Key": f"{job.id}-{job.status}",
            }
            if self._secret is not None:
                wrong = fault is not None and fault.kind == "bad_signature"
                headers["X-OpenRouter-Signature"] = sign(
                    "wrong" if wrong else self._secret, body, int(time.time())
                )
            try:
                response = await self._sender().post(url, content=body, headers=headers)
            except httpx.HTTPError:
                pass
            else:
                if response.is_success:
                    return
            await asyncio.sleep(0.5 * 2**turn)


def _job(ask: VideosRequest, model: models.VideoModel, base: str) -> Job:
    duration = ask.duration if ask.duration is not None else model.durations[0]
    resolution = ask.resolution or model.resolutions[0]
    frames = _frames(ask, model)
    ratio = ask.aspect_ratio or nearest_ratio(frames.get("first_frame"), model.ratios) or "16:9"
    for name, value, known in (
        ("duration", duration, model.durations),
        ("resolution", resolution, model.resolutions),
        ("aspect_ratio", ratio, model.ratios),
    ):
        if value not in known:
            raise Refusal(
                400,
                f"{name}: {value!r} is not supported by {model.id}",
                {"error_type": "invalid_request"},
            )
    if ask.size is not None:
        raise Refusal(
            400,
            f"size: {ask.size!r} is not supported by {model.id}",
            {"error_type": "invalid_request"},
        )
    if ask.generate_audio and not model.audio:
        raise Refusal(
            400, f"generate_audio: not supported by {model.id}", {"error_type": "invalid_request"}
        )
    audio = model.audio if ask.generate_audio is None else ask.generate_audio
    _check_callback(ask.callback_url)
    size = models.video_size(resolution, ratio)
    movie = Movie(
        ask.prompt,
        size,
        duration,
        ask.seed,
        ask.model,
        frames.get("first_frame"),
        frames.get("last_frame"),
    )
    cost = usd(model.cost(duration, resolution, audio, size))
    return Job(new_id("gen-vid"), ask.model, movie, cost, ask.callback_url, base)


def _frames(ask: VideosRequest, model: models.VideoModel) -> dict[str, bytes | None]:
    frames: dict[str, bytes | None] = {}
    for number, frame in enumerate(ask.frame_images):
        if frame.frame_type not in model.frames or frame.frame_type in frames:
            raise Refusal(
                400,
                f"frame_images[{number}].frame_type: {frame.frame_type!r} is not supported",
                {"error_type": "invalid_request"},
            )
        frames[frame.frame_type] = input_image(
            frame.image_url.url, f"frame_images[{number}].image_url.url"
        )
    return frames


def _check_callback(url: str | None) -> None:
    """https only, as the provider; and this machine, because the sandbox lives there."""
    if url is None:
        return
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and parts.hostname in _LOOPBACK:
        return
    raise Refusal(400, "callback_url: must be an HTTPS URL", {"error_type": "invalid_request"})


async def _chunks(work: Work, data: bytes, *, broken: bool) -> AsyncIterator[bytes]:
    end = len(data) // 2 if broken else len(data)
    for start in range(0, end, 65536):
        yield data[start : min(start + 65536, end)]
    if broken:
        await asyncio.sleep(0.05)
        break_connection(work.request)
