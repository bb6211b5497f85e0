"""`/videos`: jobs that go from pending over in_progress to completed and end with a signed hook."""

import asyncio
import json
import threading
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt
from starlette.responses import JSONResponse, Response, StreamingResponse

from sandbox.calls import ImageUrl, IncomingCall, half, input_image
from sandbox.faults import ErrorAnswer, Fault, invalid
from sandbox.kept_videos import KeptVideos
from sandbox.media import Movie, film, nearest_ratio
from sandbox.models import MODELS, VideoModel
from sandbox.prices import video_cost
from sandbox.simulation import Simulation, new_id, usd
from sandbox.sizes import video_size
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
_KEPT = ("id", "generation_id", "base", "ends_as", "error", "billed")


class FrameImage(BaseModel):
    type: Literal["image_url"]
    image_url: ImageUrl
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
    frame_images: list[FrameImage] = []
    input_references: list[dict[str, Any]] = []
    callback_url: str | None = None
    provider: dict[str, Any] | None = None
    user: str | None = None
    session_id: Annotated[str, Field(max_length=256)] | None = None
    trace: dict[str, Any] | None = None


@dataclass(slots=True)
class SimulatedVideo:
    id: str
    model: str
    movie: Movie
    cost: float
    callback_url: str | None
    base: str
    ends_as: str = "completed"
    error: str | None = None
    billed: float | None = None
    """Dollars for a job that failed; None: its answers hold no cost."""
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
    """All jobs, in memory, and until they are fetched in `kept`; `secret` signs the hooks, None
    sends them unsigned."""

    def __init__(self, simulation: Simulation, secret: str | None, kept: KeptVideos) -> None:
        self._simulation = simulation
        self._kept = kept
        self._client: httpx.AsyncClient | None = None
        self._secret = secret
        self._jobs: OrderedDict[str, SimulatedVideo] = OrderedDict()
        self._stop = threading.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def clear(self) -> None:
        """Forget all jobs, and stop the drawing of unfinished ones."""
        self._stop.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._jobs.clear()
        self._simulation.prompts.clear()
        self._stop = threading.Event()

    async def close(self) -> None:
        await self.clear()
        if self._client is not None:
            await self._client.aclose()

    async def models(self, call: IncomingCall) -> Response:
        rows = [] if call.hit_by("empty") else MODELS.video_models
        return JSONResponse({"data": [row.listing() for row in rows]})

    async def submit(self, call: IncomingCall) -> Response:
        ask = call.parse(VideosRequest)
        model = MODELS.video(ask.model)
        if model is None:
            raise ErrorAnswer(400, f"{ask.model} is not a valid model ID")
        job = _job(ask, model, str(call.request.base_url).rstrip("/") + "/api/v1")
        fate = self._simulation.behaviour.take("videos.job", ask.model, lambda: ask.prompt)
        if fate is not None and fate.kind == "ends_as":
            job.ends_as, job.error = fate.value, fate.message or _ERRORS.get(fate.value)
            job.billed = (fate.metadata or {}).get("cost")
        if call.hit_by("error_in_200"):
            return JSONResponse({})  # the answer in its place names no job
        about = {name: getattr(job, name) for name in _KEPT} | {"ask": ask.model_dump()}
        await asyncio.to_thread(self._kept.keep, job.id, about)
        self._begin(job)
        call.record.cost_usd = job.cost if job.ends_as not in _ERRORS else job.billed or 0
        return JSONResponse(job.view(), 202)

    def go_on(self) -> None:
        """Begin anew what an earlier process has not handed out."""
        for about in self._kept.of_last_day():
            ask = VideosRequest.model_validate(about.pop("ask"))
            if (model := MODELS.video(ask.model)) is not None:
                self._begin(replace(_job(ask, model, about["base"]), **about))

    def _begin(self, job: SimulatedVideo) -> None:
        self._jobs[job.id] = job
        self._simulation.prompts[job.id] = job.movie.prompt
        self._forget_old()
        task = asyncio.create_task(self._make(job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def status(self, call: IncomingCall) -> Response:
        return JSONResponse(self._find(call).view())

    async def content(self, call: IncomingCall) -> Response:
        job = self._find(call)
        if call.request.query_params.get("index", "0") != "0":
            raise ErrorAnswer(404, "No such output")
        if job.status != "completed":
            raise ErrorAnswer(409, "Video is not ready")
        if job.data is None:
            raise ErrorAnswer(410, "Video is gone")
        self._kept.forget(job.id)
        if call.hit_by("garbage"):
            return Response(b"<html><body>502 Bad Gateway</body>", media_type="video/mp4")
        data = b"" if call.hit_by("empty") else job.data
        headers = {
            "Content-Length": str(len(data)),
            "Content-Disposition": f'inline; filename="{job.id}.mp4"',
        }
        if call.hit_by("cut"):
            return StreamingResponse(half(call.request, data), 200, headers, "video/mp4")
        return Response(data, 200, headers, "video/mp4")

    def _find(self, call: IncomingCall) -> SimulatedVideo:
        job = self._jobs.get(call.request.path_params["id"])
        if job is None:
            raise ErrorAnswer(404, "Video job not found", {"error_type": "not_found"})
        return job

    def _forget_old(self) -> None:
        while len(self._jobs) > _KEEP_JOBS:
            self._simulation.prompts.pop(self._jobs.popitem(last=False)[0])
        with_file = [job for job in self._jobs.values() if job.data is not None]
        for job in with_file[:-_KEEP_FILES]:
            job.data = None

    async def _make(self, job: SimulatedVideo) -> None:
        whole = self._simulation.behaviour.timing.video
        await asyncio.sleep(whole * 0.25)
        job.status = "in_progress" if job.ends_as in TERMINAL else job.ends_as
        rest = asyncio.sleep(whole * 0.75)
        if job.ends_as in _ERRORS:
            await rest
        else:
            movie = replace(job.movie, stop=self._stop)
            job.data, _ = await asyncio.gather(self._simulation.draw(film, movie), rest)
        job.status = job.ends_as if job.ends_as in TERMINAL else "completed"
        if job.status != "completed":
            self._kept.forget(job.id)
        cost = job.cost if job.status == "completed" else job.billed or 0.0
        record = {"model": job.model, "api_type": "video", "usage": cost, "total_cost": cost}
        self._simulation.remember(job.generation_id, {**record, "tokens_prompt": 0})
        if job.callback_url is not None:
            await self._tell(job, job.callback_url)

    async def _tell(self, job: SimulatedVideo, url: str) -> None:
        fault = self._simulation.behaviour.take("webhooks", job.model, lambda: job.movie.prompt)
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

    async def _send(self, job: SimulatedVideo, url: str, fault: Fault | None) -> None:
        """Try a few times with growing pauses; 2xx ends them."""
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
            with suppress(httpx.HTTPError):
                if (await self._sender().post(url, content=body, headers=headers)).is_success:
                    return
            await asyncio.sleep(0.5 * 2**turn)


def _job(ask: VideosRequest, model: VideoModel, base: str) -> SimulatedVideo:
    duration = ask.duration if ask.duration is not None else model.supported_durations[0]
    resolution = ask.resolution or model.supported_resolutions[0]
    frames = _frames(ask, model)
    first = frames.get("first_frame")
    ratio = ask.aspect_ratio or nearest_ratio(first, model.supported_aspect_ratios) or "16:9"
    audio = model.generate_audio if ask.generate_audio is None else ask.generate_audio
    for name, value, supported in (
        ("duration", duration, duration in model.supported_durations),
        ("resolution", resolution, resolution in model.supported_resolutions),
        ("aspect_ratio", ratio, ratio in model.supported_aspect_ratios),
        ("size", ask.size, ask.size is None),
        ("generate_audio", audio, model.generate_audio or not audio),
    ):
        if not supported:
            raise invalid(f"{name}: {value!r} is not supported by {model.id}")
    _check_callback(ask.callback_url)
    size = video_size(resolution, ratio)
    movie = Movie(ask.prompt, size, duration, ask.seed, ask.model, first, frames.get("last_frame"))
    cost = usd(video_cost(model, duration, resolution, audio, size))
    return SimulatedVideo(new_id("gen-vid"), ask.model, movie, cost, ask.callback_url, base)


def _frames(ask: VideosRequest, model: VideoModel) -> dict[str, bytes | None]:
    frames: dict[str, bytes | None] = {}
    for number, frame in enumerate(ask.frame_images):
        place, kind = f"frame_images[{number}]", frame.frame_type
        if kind not in model.supported_frame_images or kind in frames:
            raise invalid(f"{place}.frame_type: {kind!r} is not supported")
        frames[kind] = input_image(frame.image_url.url, f"{place}.image_url.url")
    return frames


def _check_callback(url: str | None) -> None:
    """Take https only, as the provider does, and this machine, because the sandbox is there."""
    if url is None:
        return
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and parts.hostname in _LOOPBACK:
        return
    raise invalid("callback_url: must be an HTTPS URL")
