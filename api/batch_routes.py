"""`POST /batch`: several questions of one caller with one request."""

import asyncio
from urllib.parse import unquote

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Message, Scope

from api.callers import CALLER_OF_BATCH, Caller, UserCaller
from api.errors import InvalidRequest
from api.problems import problem_response
from api.schemas import AnswerOut, BatchIn, BatchOut

router = APIRouter(tags=["machines"])

_KEPT = ("type", "asgi", "http_version", "scheme", "server", "client", "root_path")
_OF_THE_BODY = {b"content-length", b"content-type", b"transfer-encoding"}


@router.post("/batch")
async def batch(body: BatchIn, request: Request, caller: UserCaller) -> BatchOut:
    """Answer up to 16 questions (GET) at the same time. Each is asked as if it had come alone, with
    the credential of the batch: what its caller may not read stays refused, and one that fails
    spoils no other. Files and streams are left to requests of their own."""
    answers = [_Answer() for _ in body.paths]
    raised = await asyncio.gather(
        *(each.ask(request, path, caller) for each, path in zip(answers, body.paths, strict=True)),
        return_exceptions=True,
    )
    for answer, error in zip(answers, raised, strict=True):
        # the app has answered an unexpected error, too, and the framework raises it once more
        if error is not None and not answer.status:
            raise error
    found = [AnswerOut(status=each.status, body=each.body.decode()) for each in answers]
    return BatchOut(answers=found)


class _Answer:
    """The answer to one question. `status` is 0 until it has begun."""

    def __init__(self) -> None:
        self.status = 0
        self.body = bytearray()
        self._asked = False

    async def ask(self, request: Request, address: str, caller: Caller) -> None:
        scope = {**_scope(request.scope, address), CALLER_OF_BATCH: caller}
        app: ASGIApp = request.app
        if _is_file(request, scope["path"]):
            app = problem_response(InvalidRequest("request_wrong"))
        await app(scope, self._receive, self._send)

    async def _receive(self) -> Message:
        if self._asked:  # whoever asks once more wants to know when the client leaves
            await asyncio.Event().wait()
        self._asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.body += message.get("body", b"")


def _scope(batch: Scope, address: str) -> Scope:
    path, _, query = address.partition("?")
    return {
        **{name: batch[name] for name in _KEPT if name in batch},
        "method": "GET",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [each for each in batch["headers"] if each[0] not in _OF_THE_BODY],
        "state": {},
    }


def _is_file(request: Request, path: str) -> bool:
    """Tell whether the answer is something else than a body of JSON."""
    routes = (route for route in request.app.routes if isinstance(route, APIRoute))
    found = (
        route for route in routes if "GET" in (route.methods or ()) and route.path_regex.match(path)
    )
    route = next(found, None)
    return route is not None and route.response_model is None
