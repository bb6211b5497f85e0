"""Routes of files, with ranges, and of uploads."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, HTTPException, Query, Request, Response, UploadFile
from fastapi.responses import RedirectResponse, StreamingResponse

from api.callers import CallersDep, UserCaller
from api.deps import FromApp
from api.errors import NotAuthenticated, NotFound
from api.generations.schemas import FitIn, MediaOut, UploadOut
from api.media.file_types import DOCUMENT_EXTENSIONS, EXTENSIONS
from api.media.service import UPLOAD_MAX, MediaService
from api.media.store import MediaRow

router = APIRouter(tags=["media"])

MediaDep = FromApp[MediaService]

MULTIPART_MARGIN = 100_000
"""Bytes that the form around an upload may take."""

FILE_RESPONSES: dict[int | str, dict[str, Any]] = {
    206: {"description": "The part that `Range` asks for"},
    304: {"description": "What `If-None-Match` names"},
    307: {"description": "The file is at its store, for some minutes at this address"},
    416: {"description": "`range_not_satisfiable`: the part lies behind the end"},
}
_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)
BEYOND = 10**18
"""Behind the end of every file."""

Expires = Annotated[int | None, Query(ge=0, le=2**53)]
Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=200)]
Signature = Annotated[str | None, Query(max_length=100)]


async def _readable(
    request: Request,
    callers: CallersDep,
    media: MediaDep,
    media_id: str,
    exp: Expires = None,
    sig: Signature = None,
) -> MediaRow:
    """A link that has run out falls back to the bearer, if there is one."""
    row = await media.find(media_id)
    signed = exp is not None and sig is not None and media.links.is_valid(media_id, exp, sig)
    if not signed:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise NotAuthenticated("media_link_expired")
        caller = await callers.caller(token)
        if row is None or row.user_id != caller.user_id:
            raise NotFound("file_unknown")
    if row is None:
        raise NotFound("file_gone")
    return row


ReadableFile = Annotated[MediaRow, Depends(_readable)]


@router.head("/media/{media_id}", include_in_schema=False)
@router.get("/media/{media_id}", response_class=StreamingResponse, responses=FILE_RESPONSES)
async def read_media(
    request: Request,
    row: ReadableFile,
    media: MediaDep,
    download: bool = False,
    direct: bool = True,
) -> Response:
    """The file. Either the link is signed, or the bearer owns it. 307 to the store where browsers
    may reach it, for files that are no thumbnails; with `direct=false` never."""
    etag = f'"{row.sha256}"'
    disposition = _disposition(row, download=download)
    if direct and request.method == "GET":
        link = await media.direct_link(row, disposition)
        if link is not None:
            return RedirectResponse(link, 307, {"Cache-Control": "private, max-age=240"})
    headers = {
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, max-age=300",
        "Content-Disposition": disposition,
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "same-origin",
        "ETag": etag,
        "X-Content-Type-Options": "nosniff",
    }
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    wanted = request.headers.get("range") if request.headers.get("if-range", etag) == etag else None
    found = _range(wanted, row.size)
    start, end = found or (0, row.size)
    if start >= end:
        raise HTTPException(416, headers={"Content-Range": f"bytes */{row.size}"})
    headers["Content-Length"] = str(end - start)
    if found:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{row.size}"
    status = 206 if found else 200
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=row.content_type)
    body = await media.stream(row, start, end)
    return StreamingResponse(body, status, headers, media_type=row.content_type)


@router.post("/media/{media_id}/fit")
async def fit(row: ReadableFile, body: FitIn, media: MediaDep) -> MediaOut:
    """The file as it is when it has at most `max_bytes`, else a smaller copy, made once and kept.
    Who may read the file may ask: with the `exp` and `sig` of its link, or as its owner. 409
    `conflict` with `retry_after` while it is being made; 413 when it cannot be."""
    return await media.fit(row, body.max_bytes)


def _disposition(row: MediaRow, *, download: bool) -> str:
    """A name of our own: nothing that a user wrote gets into a header."""
    extension = EXTENSIONS.get(row.content_type)
    kind = "inline" if extension and not download else "attachment"
    extension = extension or DOCUMENT_EXTENSIONS.get(row.content_type, "bin")
    return f'{kind}; filename="allucanget-{row.id[-8:]}.{extension}"'


def _range(header: str | None, size: int) -> tuple[int, int] | None:
    """(start, before end), an empty range when nothing is there; None: send all, as for several
    ranges and for what cannot be read."""
    found = _RANGE.fullmatch(header.strip()) if header else None
    if found is None or found[0] == "bytes=-":
        return None
    # Python reads no number of more than 4,300 digits
    first, last = (
        None if not digits else int(digits) if len(digits) < 19 else BEYOND
        for digits in found.groups()
    )
    if first is None:
        return max(0, size - (last or 0)), size
    if last is not None and last < first:
        return None
    return first, size if last is None else min(size, last + 1)


@router.post("/uploads", status_code=201, max_body_size=UPLOAD_MAX + MULTIPART_MARGIN)
async def upload(
    media: MediaDep, caller: UserCaller, file: UploadFile, key: Key = None
) -> UploadOut:
    """An input image of up to 40 MB: PNG, JPEG, WebP, GIF, HEIC, AVIF, BMP or TIFF, whatever its
    declared type says. It is kept as PNG, JPEG or WebP, its longer side at most 4096 pixels."""
    return await media.upload(caller.user_id, await file.read(), key)
