"""The fake's HTTP edge: tokens, forms and files in, Telegram's answer shape out, broken connections
where a fault says so."""

import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.web_request import FileField

from tests.fakes.control_base import (
    AFTER_THE_EFFECT,
    ConnectionReset,
    cut,
    json_answer,
    spoilt,
    struck,
)
from tests.fakes.telegram_checks import UPLOAD_BYTES, Params
from tests.fakes.telegram_faults import Fault, Faults
from tests.fakes.telegram_methods import Methods
from tests.fakes.telegram_world import Refused, Upload, World

WELL_FORMED = re.compile(r"\d+:[A-Za-z0-9_-]+")


@dataclass
class Call:
    """One call as it arrived; `status` is 0 while it runs and when the connection was cut."""

    method: str
    params: dict[str, Any]
    at: float
    status: int = 0
    uploads: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class BotApiServer:
    """Everything under `/bot<token>/` and `/file/bot<token>/`."""

    def __init__(self, token: str, world: World, faults: Faults) -> None:
        self.token = token
        self.world = world
        self.faults = faults
        self.methods = Methods(world)
        self.calls: list[Call] = []
        self.go_away: Callable[[float], None] = lambda _seconds: None
        """Close the port for so long, a moment after this."""

    def routes(self) -> list[web.RouteDef]:
        return [
            web.route("*", "/bot{token}/{method}", self.call),
            web.get("/file/bot{token}/{path:.+}", self.download),
        ]

    async def call(self, request: web.Request) -> web.StreamResponse:
        call = Call(request.match_info["method"], {}, time.monotonic())
        try:
            self._know(request.match_info["token"])
            params = await _params(request, self.world.files)
            call.uploads = list(params.files)
            call.params = {
                name: value for name, value in params.values.items() if len(str(value)) < 20_000
            }
            self.calls.append(call)
            del self.calls[:-2000]
            self.world.touch()
            fault, result = await self._run(call.method, params)
        except Refused as refused:
            call.status = refused.status
            return json_answer(refused.body(), refused.status)
        except ConnectionReset:
            return cut(request)
        finally:
            self.world.touch()
        call.status = 200
        answer = json_answer({"ok": True, "result": result})
        if fault is None:
            return answer
        if fault.kind == "gone_after":
            self.go_away(fault.seconds)
        return await spoilt(fault.kind, request, answer)

    def _know(self, token: str) -> None:
        if not WELL_FORMED.fullmatch(token):
            raise Refused(404, "Not Found")
        if token != self.token:
            raise Refused(401, "Unauthorized")

    async def _run(self, method: str, params: Params) -> tuple[Fault | None, Any]:
        """Return the fault that its answer meets, and the result."""
        found = self.methods.find(method)
        chat_id = params.number("chat_id") if "chat_id" in params.values else None
        fault = self.faults.take(method, chat_id)
        if fault is None or fault.kind in AFTER_THE_EFFECT:
            self.faults.flooded(chat_id)
            self.faults.count(method, chat_id, params.values)
            return fault, await found(params)
        self.faults.refuse(fault, chat_id)
        return None, await struck(fault.kind, fault.seconds, lambda: found(params))

    async def download(self, request: web.Request) -> web.StreamResponse:
        try:
            self._know(request.match_info["token"])
            fault = self.faults.take("download")
            if fault is not None:
                self.faults.refuse(fault, None)
                await struck(fault.kind, fault.seconds, _nothing)
        except Refused as refused:
            return json_answer(refused.body(), refused.status)
        except ConnectionReset:
            return cut(request)
        upload = next(
            (one for one in self.world.files.values() if one.path == request.match_info["path"]),
            None,
        )
        if upload is None:
            return json_answer(Refused(404, "Not Found").body(), 404)
        return web.Response(body=upload.data, content_type="application/octet-stream")


async def _params(request: web.Request, known: dict[str, Upload]) -> Params:
    values: dict[str, Any] = dict(request.query)
    files: dict[str, Upload] = {}
    if request.content_type == "application/json":
        values |= await request.json()
        return Params(values, files, known)
    try:
        form = await request.post()
    except web.HTTPRequestEntityTooLarge:
        raise Refused(413, "Request Entity Too Large") from None
    for name, value in form.items():
        if isinstance(value, FileField):
            with value.file as file:  # left open, it would be found by the next garbage search
                data = file.read()
            files[name] = Upload(value.filename, value.content_type, data)
        else:
            values[name] = value
    return Params(values, files, known)


async def _nothing() -> None:
    """The effect of a download."""


def make_app(server: BotApiServer | None, control: list[web.RouteDef]) -> web.Application:
    app = web.Application(client_max_size=2 * UPLOAD_BYTES)
    app.add_routes([*(server.routes() if server is not None else []), *control])
    return app
