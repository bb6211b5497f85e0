"""Keeping, recording, linking and erasing media."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import time_machine

from api import ids
from api.db import Db
from api.errors import NotFound, TooLarge, UnsupportedMedia
from api.media import service
from api.media.decoders import LIMITS, DecoderLimits, Decoders
from api.media.fetcher import ImageFetcher
from api.media.service import KeptFile, MediaService
from api.media.signed_links import SignedLinks
from tests.api.media.samples import case, clip, in_chunks, media_in, picture
from tests.api.media.test_storage import files_in


@pytest.fixture
def media(db: Db, tmp_path: Path) -> MediaService:
    return media_in(db, tmp_path)


async def recorded(db: Db, media: MediaService, kept: KeptFile) -> str:
    async with db.transaction() as sql:
        return await media.record(sql, kept)


async def test_images_of_a_generation_come_in_order_with_links(
    db: Db, media: MediaService, tmp_path: Path
) -> None:
    second = await media.keep_image("u", "g", 1, picture(size=(30, 20)))
    first = await media.keep_image("u", "g", 0, picture("WEBP", (600, 300)))
    assert len(files_in(tmp_path / "media")) == 4
    assert await media.of_generations(["g"]) == {}
    for kept in (second, first):
        await recorded(db, media, kept)
    outs = (await media.of_generations(["g", "other"]))["g"]
    found = [(out.width, out.height, out.content_type) for out in outs]
    assert found == [(600, 300, "image/webp"), (30, 20, "image/png")]
    assert outs[0].url.startswith(f"/media/{first.file.id}?exp=")
    assert outs[0].thumbnail_url is not None
    assert outs[0].thumbnail_url.startswith(f"/media/{first.file.thumbnail_id}?")
    assert await media.of_generations([]) == {}


async def test_a_video_is_kept_with_its_length_and_poster(
    db: Db, media: MediaService, tmp_path: Path
) -> None:
    data = clip(tmp_path / "clip.mp4")
    await recorded(db, media, await media.keep_video("u", "g", in_chunks(data)))
    out = (await media.of_generations(["g"]))["g"][0]
    seen = (out.content_type, out.size, out.width, out.height, out.duration)
    assert seen == ("video/mp4", len(data), 128, 72, 1.0)


@pytest.mark.parametrize(
    "name", ["video-fetch/vp9.webm", "video-fetch/ok.mkv", "other-formats/anim.gif"]
)
async def test_a_video_that_is_no_mp4_is_kept_as_one(
    db: Db, media: MediaService, tmp_path: Path, name: str
) -> None:
    await recorded(db, media, await media.keep_video("u", "g", in_chunks(case(name))))
    out = (await media.of_generations(["g"]))["g"][0]
    size = (160, 120) if name.endswith(".gif") else (320, 180)
    seen = (out.content_type, out.width, out.height, out.thumbnail_url is not None)
    assert seen == ("video/mp4", *size, True)
    assert len(files_in(tmp_path / "media")) == 2, "the file it was made of is gone"


@pytest.mark.parametrize(
    ("name", "content_type", "limits"),
    [
        ("video-fetch/vp9.webm", "video/webm", replace(LIMITS, memory=60_000_000)),
        ("video-fetch/ok.mkv", "video/x-matroska", replace(LIMITS, convert=0.01)),
    ],
)
async def test_a_paid_video_that_is_too_much_to_convert_stays_what_it_is(
    db: Db, tmp_path: Path, name: str, content_type: str, limits: DecoderLimits
) -> None:
    with closing(Decoders(limits=limits)) as small:
        media = media_in(db, tmp_path, own=small)
        await recorded(db, media, await media.keep_video("u", "g", in_chunks(case(name))))
    out = (await media.of_generations(["g"]))["g"][0]
    seen = (out.content_type, out.size, out.width, out.thumbnail_url)
    assert seen == (content_type, len(case(name)), None, None)
    (kept,) = files_in(tmp_path / "media")
    assert (tmp_path / "media" / kept).read_bytes() == case(name)


async def test_a_file_that_nobody_can_look_into_is_kept_without_a_thumbnail(
    db: Db, media: MediaService, tmp_path: Path
) -> None:
    broken = bytearray(picture(size=(300, 200)))
    broken[60:70] = bytes(10)
    image = await media.keep_image("u", "g", 0, bytes(broken))
    video = await media.keep_video("u", "h", in_chunks(case("video-fetch/freefirst.mp4")))
    for kept, size in ((image, (300, 200)), (video, (320, 180))):
        await recorded(db, media, kept)
        out = (await media.of_generations([kept.file.generation_id or ""]))[
            kept.file.generation_id or ""
        ][0]
        assert (out.width, out.height, out.thumbnail_url) == (*size, None)
        await media.discard([kept])
    assert files_in(tmp_path / "media") == []


async def test_a_refused_video_leaves_no_file(
    media: MediaService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for data in (b"", picture(), b"\0\0\0\x18ftypmp42" + b"\0" * 50):
        with pytest.raises(UnsupportedMedia):
            await media.keep_video("u", "g", in_chunks(data))
    monkeypatch.setattr(service, "VIDEO_MAX", 10)
    with pytest.raises(TooLarge):
        await media.keep_video("u", "g", in_chunks(clip(tmp_path / "clip.mp4")))
    assert files_in(tmp_path / "media") == []


async def test_the_same_work_done_twice_writes_the_same_files(
    media: MediaService, tmp_path: Path
) -> None:
    await media.keep_image("u", "g", 0, picture())
    kept = await media.keep_image("u", "g", 0, picture())
    assert len(files_in(tmp_path / "media")) == 2
    await media.discard([kept])
    assert files_in(tmp_path / "media") == []


async def test_an_upload_and_own_images_can_be_sent_others_cannot(
    db: Db, media: MediaService
) -> None:
    upload = await media.upload("ana", picture("JPEG", (100, 50)))
    assert (upload.content_type, upload.width, upload.height) == ("image/jpeg", 100, 50)
    image = await media.input_image("ana", upload.id)
    assert image.content_type == "image/jpeg"
    assert image.data[:2] == b"\xff\xd8"
    made = await media.keep_image("ana", "g", 0, picture())
    await recorded(db, media, made)
    assert (await media.input_image("ana", made.file.id)).data == picture()
    for user, media_id in (
        ("eve", upload.id),
        ("eve", made.file.id),
        ("ana", made.file.thumbnail_id or ""),
        ("ana", ids.new_id()),
    ):
        with pytest.raises(NotFound):
            await media.check_input(user, media_id)
        with pytest.raises(NotFound):
            await media.input_image(user, media_id)


async def test_an_upload_that_is_no_image_or_too_large(
    media: MediaService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UnsupportedMedia, match="HEIC, AVIF, BMP and TIFF are taken"):
        await media.upload("u", b"hello")
    monkeypatch.setattr(service, "UPLOAD_MAX", 10)
    with pytest.raises(TooLarge):
        await media.upload("u", picture())
    assert files_in(tmp_path / "media") == []


async def test_an_image_by_address_becomes_an_upload(db: Db, tmp_path: Path) -> None:
    class Site(ImageFetcher):
        async def fetch(self, url: str) -> bytes:
            return picture("WEBP")

    media = media_in(db, tmp_path, Site())
    upload = await media.upload_from_url("u", "https://example.org/a.webp")
    assert (await media.input_image("u", upload.id)).content_type == "image/webp"


async def test_erasing_takes_rows_and_files_of_one_owner_only(
    db: Db, media: MediaService, tmp_path: Path
) -> None:
    for user, generation in (("ana", "g1"), ("ana", "g2"), ("bob", "g3")):
        await recorded(db, media, await media.keep_image(user, generation, 0, picture()))
    await media.upload("ana", picture())
    assert len(files_in(tmp_path / "media")) == 8
    await media.delete_files(await media.drop_generation(db, "g1"))
    assert set(await media.of_generations(["g1", "g2"])) == {"g2"}
    assert len(files_in(tmp_path / "media")) == 6
    for _ in range(2):
        await media.erase_user("ana")
    assert set(await media.of_generations(["g2", "g3"])) == {"g3"}
    assert len(files_in(tmp_path / "media")) == 2
    assert await db.fetch("SELECT id FROM media WHERE user_id = 'ana'") == []


async def test_erasing_goes_on_after_a_crash_between_files_and_rows(
    db: Db, media: MediaService
) -> None:
    kept = await media.keep_image("u", "g", 0, picture())
    await recorded(db, media, kept)
    await media.discard([kept])
    with pytest.raises(NotFound):
        await media.input_image("u", kept.file.id)
    await media.erase_user("u")
    assert await db.fetch("SELECT id FROM media") == []


def parts(path: str) -> tuple[str, int, str]:
    media_id, _, query = path.removeprefix("/media/").partition("?exp=")
    expires, _, signature = query.partition("&sig=")
    return media_id, int(expires), signature


def test_a_link_holds_for_its_file_and_its_time_only() -> None:
    links = SignedLinks(["k" * 32])
    with time_machine.travel("2027-01-01T00:00:01Z", tick=False) as clock:
        media_id, expires, signature = parts(links.path("one"))
        assert links.path("one") == links.path("one")
        assert links.is_valid(media_id, expires, signature)
        assert not links.is_valid("two", expires, signature)
        assert not links.is_valid(media_id, expires + 1, signature)
        assert not links.is_valid(media_id, expires, signature[:-1])
        assert not links.is_valid(media_id, expires, "ü")
        assert not SignedLinks(["l" * 32]).is_valid(media_id, expires, signature)
        clock.shift(359)
        assert links.is_valid(media_id, expires, signature)
        clock.shift(241)
        assert not links.is_valid(media_id, expires, signature)
