"""The part of S3's REST API that the media store uses, in memory: objects, ranges, multipart
uploads."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


def _set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass
class FakeS3:
    url: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    parts: dict[str, dict[int, bytes]] = field(default_factory=dict)
    answers: asyncio.Event = field(default_factory=_set)
    gone: bool = False
    """The bucket is missing, and the answers do not say so."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        await self.answers.wait()
        if self.gone:
            return web.Response(status=404)
        name = request.path
        upload = request.query.get("uploadId")
        match request.method:
            case "POST" if "uploads" in request.query:
                self.parts["one"] = {}
                return web.Response(
                    text="<InitiateMultipartUploadResult><UploadId>one</UploadId></InitiateMultipartUploadResult>"
                )
            case "POST" if "delete" in request.query:
                keys = re.findall(r"<Key>.*?</Key>", await request.text())
                for key in keys:
                    self.objects.pop(f"{name}/{key[5:-6]}", None)
                gone = "".join(f"<Deleted>{key}</Deleted>" for key in keys)
                return web.Response(text=f"<DeleteResult>{gone}</DeleteResult>")
            case "POST" if upload:
                self.objects[name] = b"".join(
                    part for _, part in sorted(self.parts.pop(upload).items())
                )
                return web.Response(
                    text="<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>"
                )
            case "PUT" if upload:
                self.parts[upload][int(request.query["partNumber"])] = await request.read()
                return web.Response(headers={"ETag": "e"})
            case "PUT":
                self.objects[name] = await request.read()
                return web.Response(headers={"ETag": "e"})
            case _:
                return self._read(request, name)

    def _read(self, request: web.Request, name: str) -> web.Response:
        if name not in self.objects:
            return web.Response(status=404, text="<Error><Code>NoSuchKey</Code></Error>")
        body = self.objects[name]
        headers = {"ETag": "e", "Last-Modified": "Fri, 01 Jan 2027 00:00:00 GMT"}
        wanted = request.http_range
        if wanted.start is None:
            return web.Response(body=body, headers=headers)
        headers["Content-Range"] = f"bytes {wanted.start}-{wanted.stop - 1}/{len(body)}"
        return web.Response(status=206, body=body[wanted], headers=headers)


@asynccontextmanager
async def running_s3() -> AsyncIterator[FakeS3]:
    fake = FakeS3()
    app = web.Application(client_max_size=100_000_000)
    app.router.add_route("*", "/{name:.*}", fake.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield fake
    finally:
        await runner.cleanup()
