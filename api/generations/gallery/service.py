"""The member's gallery: pages, favourites, deletion, zip files, and links for others."""

import zipfile
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta

from structlog import get_logger

from api import ids
from api.db import Db
from api.errors import Conflict, NotFound
from api.generations import lists, store
from api.generations.erasure import GenerationEraser
from api.generations.gallery import shares
from api.generations.gallery.shares import Share
from api.generations.lists import GenerationFilter
from api.generations.reader import GenerationReader
from api.generations.schemas import DeletedOut, GenerationOut, SharedOut, ShareOut, UsedModelOut
from api.generations.store import Generation
from api.media.file_types import EXTENSIONS
from api.media.service import MediaService
from api.media.zip_stream import Sink, add_file
from api.schemas import Page

log = get_logger("gallery")

USED_KEPT, USED_MOST = timedelta(minutes=1), 1_000


class Gallery:
    """`signing_keys` are the server's secrets, the one in use first, `public_url` the web's
    address, for links that are shared."""

    def __init__(
        self,
        db: Db,
        reader: GenerationReader,
        eraser: GenerationEraser,
        media: MediaService,
        *,
        signing_keys: Sequence[str],
        public_url: str | None,
    ) -> None:
        self._db = db
        self._reader = reader
        self._eraser = eraser
        self._media = media
        self._signer = shares.Signer(signing_keys)
        self._public_url = public_url
        self._used: dict[str, tuple[datetime, Page[UsedModelOut]]] = {}
        """The user who asked longest ago comes first."""

    async def page(self, wanted: GenerationFilter, limit: int) -> Page[GenerationOut]:
        rows, cursor = await lists.page(self._db, wanted, limit)
        return Page(items=await self._reader.outs(rows), next_cursor=cursor)

    async def used_models(self, user_id: str) -> Page[UsedModelOut]:
        """Return the models used in the gallery. They are kept for a minute: every page asks for
        them, and the query reads all that the user has."""
        kept = self._used.pop(user_id, None)
        if kept is None or kept[0] < ids.now() - USED_KEPT:
            found = await lists.used_models(self._db, user_id)
            kept = (
                ids.now(),
                Page(items=[UsedModelOut(kind=kind, model=model) for kind, model in found]),
            )
        self._used[user_id] = kept
        if len(self._used) > USED_MOST:
            del self._used[next(iter(self._used))]
        return kept[1]

    async def set_favourite(
        self, user_id: str, generation_id: str, favourite: bool
    ) -> GenerationOut:
        row = await self._reader.owned(user_id, generation_id)
        await store.set_favourite(self._db, row.id, favourite)
        return await self._reader.one(user_id, row.id)

    async def delete_one(self, user_id: str, generation_id: str) -> None:
        row = await self._reader.owned(user_id, generation_id)
        if row.phase != "done":
            raise Conflict("still_being_made")
        await self._eraser.erase(row.id)

    async def delete(self, user_id: str, generation_ids: Sequence[str]) -> DeletedOut:
        """Delete those of the user that are not being made any more. Raises `NotFound` when there
        is none."""
        owned = await self._owned(user_id, generation_ids)
        if not owned:
            raise NotFound("generations_unknown")
        rows = [row for row in owned if row.phase == "done"]
        for row in rows:
            await self._eraser.erase(row.id)
        gone = {row.id for row in rows}
        return DeletedOut(
            deleted=sorted(gone),
            kept=[each for each in dict.fromkeys(generation_ids) if each not in gone],
        )

    async def chosen(self, user_id: str, generation_ids: Sequence[str]) -> list[Generation]:
        """Return those with files, in the order asked for. Raises `NotFound` when there is none."""
        found = {
            row.id: row
            for row in await self._owned(user_id, generation_ids)
            if row.status == "completed"
        }
        rows = [found[each] for each in dict.fromkeys(generation_ids) if each in found]
        if not rows:
            raise NotFound("generations_not_finished")
        return rows

    async def archive(self, rows: Sequence[Generation]) -> AsyncIterator[bytes]:
        """Yield a zip of their files, written while it is sent. A file that is missing in the media
        store is left out."""
        sink = Sink()
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
            for row in rows:
                files = (await self._reader.files([row])).get(row.id, [])
                for number, file in enumerate(files, 1):
                    try:
                        chunks = await self._media.whole(file.id)
                    except NotFound:
                        log.warning("file_left_out", media=file.id)
                        continue
                    place = f"-{number}" if len(files) > 1 else ""
                    name = f"{row.short_id}{place}.{EXTENSIONS.get(file.content_type, 'bin')}"
                    async for part in add_file(archive, sink, name, chunks):
                        yield part
        yield sink.take()

    async def share(self, user_id: str, generation_id: str, hours: int) -> ShareOut:
        """Make a link. Raises `NotFound`, also for one that has no result (yet)."""
        row = await self._finished(user_id, generation_id)
        at = ids.now()
        made = Share(ids.new_id(), row.id, at, at + timedelta(hours=hours))
        await shares.purge(self._db)
        await shares.add(self._db, made)
        return self._out(made)

    async def link(self, user_id: str, generation_id: str, hours: int) -> ShareOut:
        """Return an open link that lasts at least half of that, or a new one. Raises as `share`."""
        lasting = ids.now() + timedelta(hours=hours) / 2
        known = [
            one for one in await self.shares(user_id, generation_id) if one.expires_at > lasting
        ]
        return known[0] if known else await self.share(user_id, generation_id, hours)

    async def shares(self, user_id: str, generation_id: str) -> list[ShareOut]:
        row = await self._reader.owned(user_id, generation_id)
        return [self._out(each) for each in await shares.of_generation(self._db, row.id)]

    async def unshare(self, user_id: str, generation_id: str, share_id: str) -> None:
        """Take a link back: it opens nothing from now on. Raises `NotFound`."""
        row = await self._reader.owned(user_id, generation_id)
        if not await shares.delete(self._db, share_id, row.id):
            raise NotFound("share_unknown")

    async def shared(self, token: str) -> SharedOut:
        """Return the view for anybody with the link, without a word about the owner. Raises
        `NotFound`, with one text for every reason."""
        share_id = self._signer.share_id(token)
        share = await shares.get(self._db, share_id) if share_id else None
        row = await store.get(self._db, share.generation_id) if share else None
        if share is None or row is None:
            raise NotFound("share_gone")
        (out,) = await self._reader.outs([row])
        return SharedOut(
            **out.model_dump(include=set(SharedOut.model_fields)), expires_at=share.expires_at
        )

    async def _finished(self, user_id: str, generation_id: str) -> Generation:
        row = await self._reader.owned(user_id, generation_id)
        if row.status != "completed":
            raise NotFound("nothing_shown_yet")
        return row

    async def _owned(self, user_id: str, generation_ids: Sequence[str]) -> list[Generation]:
        return [
            row for row in await store.by_ids(self._db, generation_ids) if row.user_id == user_id
        ]

    def _out(self, share: Share) -> ShareOut:
        token = self._signer.token(share.id)
        url = f"{self._public_url}/shared/{token}" if self._public_url else None
        return ShareOut(
            id=share.id,
            token=token,
            url=url,
            created_at=share.created_at,
            expires_at=share.expires_at,
        )
