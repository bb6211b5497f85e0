"""`/generations`: one and many of them, and links that are shared."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime

from api.callers import UserCaller
from api.deps import FromApp
from api.generations.gallery.service import Gallery
from api.generations.lists import GenerationFilter
from api.generations.reader import GenerationReader
from api.generations.schemas import (
    DeletedOut,
    FavouriteIn,
    GenerationOut,
    GenerationStatus,
    IdsIn,
    SharedOut,
    ShareIn,
    ShareOut,
    StatusOut,
    UsedModelOut,
)
from api.schemas import MediaKind, Page

router = APIRouter(tags=["generation"])

GalleryDep = FromApp[Gallery]
ReaderDep = FromApp[GenerationReader]

Word = Annotated[str | None, Query(max_length=200)]


@router.get("/generations")
async def page(
    caller: UserCaller,
    gallery: GalleryDep,
    kind: MediaKind | None = None,
    status: GenerationStatus | None = None,
    model: Word = None,
    source: Annotated[str | None, Query(max_length=20)] = None,
    favourite: bool | None = None,
    q: Word = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(max_length=64)] = None,
) -> Page[GenerationOut]:
    """Return a page, the newest first. `q`: words of the prompt, or a short id. `source`: `web`,
    `api` or a chat platform. `since` up to before `until`."""
    wanted = GenerationFilter(
        caller.user_id, kind, status, model, source, None, favourite, q, since, until, cursor
    )
    return await gallery.page(wanted, limit)


@router.get("/generations/models")
async def used_models(caller: UserCaller, gallery: GalleryDep) -> Page[UsedModelOut]:
    """Return the models of the caller's gallery, to filter by."""
    return await gallery.used_models(caller.user_id)


@router.post("/generations/delete")
async def delete(body: IdsIn, caller: UserCaller, gallery: GalleryDep) -> DeletedOut:
    """Delete them for good, with their files. Those still being made are kept and named."""
    return await gallery.delete(caller.user_id, body.ids)


@router.post("/generations/zip", response_class=StreamingResponse)
async def zip_files(body: IdsIn, caller: UserCaller, gallery: GalleryDep) -> StreamingResponse:
    """Return a zip of the files of the finished ones, as they were made."""
    rows = await gallery.chosen(caller.user_id, body.ids)
    headers = {
        "Content-Disposition": 'attachment; filename="allucanget.zip"',
        "Cache-Control": "no-store",
    }
    return StreamingResponse(gallery.archive(rows), headers=headers, media_type="application/zip")


@router.get("/generate/video/{generation_id}/status")
async def status(generation_id: str, caller: UserCaller, reader: ReaderDep) -> StatusOut:
    return await reader.status(caller.user_id, generation_id)


@router.get("/generations/{generation_id}")
async def one(generation_id: str, caller: UserCaller, reader: ReaderDep) -> GenerationOut:
    return await reader.one(caller.user_id, generation_id)


@router.delete("/generations/{generation_id}", status_code=204)
async def delete_one(generation_id: str, caller: UserCaller, gallery: GalleryDep) -> None:
    await gallery.delete_one(caller.user_id, generation_id)


@router.put("/generations/{generation_id}/favourite")
async def favourite(
    generation_id: str, body: FavouriteIn, caller: UserCaller, gallery: GalleryDep
) -> GenerationOut:
    return await gallery.set_favourite(caller.user_id, generation_id, body.favourite)


@router.post("/generations/{generation_id}/share", status_code=201)
async def share(
    generation_id: str, body: ShareIn, caller: UserCaller, gallery: GalleryDep
) -> ShareOut:
    """Make a link with which anybody sees the result and its prompt, until it ends or is taken
    back."""
    return await gallery.share(caller.user_id, generation_id, body.hours)


@router.get("/generations/{generation_id}/shares")
async def shares(generation_id: str, caller: UserCaller, gallery: GalleryDep) -> Page[ShareOut]:
    """Return the links that still work, the newest first."""
    return Page(items=await gallery.shares(caller.user_id, generation_id))


@router.delete("/generations/{generation_id}/shares/{share_id}", status_code=204)
async def unshare(
    generation_id: str, share_id: str, caller: UserCaller, gallery: GalleryDep
) -> None:
    await gallery.unshare(caller.user_id, generation_id, share_id)


@router.get("/shared/{token}")
async def shared(token: str, gallery: GalleryDep) -> SharedOut:
    """Return the view of a shared link, for anybody. 404 once it has ended."""
    return await gallery.shared(token)
