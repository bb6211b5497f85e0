"""Files over HTTP: permissions, ranges, headers and uploads."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.api.harness import Api, running_api
from tests.api.media.samples import case, clip, in_chunks, picture
from tests.api.media.test_storage import files_in
from tests.sandbox_server import Sandbox


@dataclass
class Place:
    api: Api
    ana: httpx.AsyncClient
    video: bytes
    url: str
    media_id: str


@pytest.fixture
async def place(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Place]:
    """Run an api in which ana has one video."""
    async with running_api(tmp_path, sandbox, refresh=False) as api, await api.user("ana") as ana:
        user_id = (await ana.get("/users/me")).json()["id"]
        video = clip(tmp_path / "clip.mp4")
        kept = await api.services.media.keep_video(user_id, "g", in_chunks(video))
        async with api.services.db.transaction() as sql:
            await api.services.media.record(sql, kept)
        out = (await api.services.media.of_generations(["g"]))["g"][0]
        yield Place(api, ana, video, out.url, out.id)


async def test_a_signed_link_needs_no_other_proof(place: Place) -> None:
    answer = await place.api.client.get(place.url)
    assert (answer.status_code, answer.content) == (200, place.video)
    expected = {
        "content-type": "video/mp4",
        "content-length": str(len(place.video)),
        "accept-ranges": "bytes",
        "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'; sandbox",
        "cross-origin-resource-policy": "same-origin",
        "content-disposition": f'inline; filename="allucanget-{place.media_id[-8:]}.mp4"',
    }
    assert expected.items() <= dict(answer.headers).items()
    download = await place.api.client.get(place.url + "&download=1")
    assert download.headers["content-disposition"].startswith("attachment;")


async def test_a_file_of_an_unknown_type_is_never_shown(place: Place) -> None:
    await place.api.services.db.execute("UPDATE media SET content_type = 'text/html'")
    answer = await place.api.client.get(place.url)
    assert answer.headers["content-disposition"].startswith("attachment;")


async def test_without_a_good_link_only_the_owner_reads(place: Place) -> None:
    path = f"/media/{place.media_id}"
    assert (await place.ana.get(path)).content == place.video
    async with await place.api.user("eve") as eve:
        refused = await eve.get(path)
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
        nothing = (await eve.get("/media/nothing")).json()
        assert nothing | {"request_id": None} == refused.json() | {"request_id": None}
    for url in (path, place.url[:-1] + "~", path + "?exp=9999999999&sig=abc"):
        answer = await place.api.client.get(url)
        assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")


async def test_ranges(place: Place) -> None:
    cases = [
        ("bytes=0-", 0, None),
        ("bytes=10-19", 10, 20),
        ("bytes=5-999999999", 5, None),
        ("bytes=-7", -7, None),
        ("bytes=-999999999", 0, None),
        ("bytes=-" + "9" * 4_301, 0, None),
        ("bytes=5-" + "9" * 4_301, 5, None),
    ]
    for wanted, start, end in cases:
        answer = await place.api.client.get(place.url, headers={"Range": wanted})
        body = place.video[start:end]
        first = start % len(place.video)
        assert (answer.status_code, answer.content) == (206, body)
        found = answer.headers["content-range"]
        assert found == f"bytes {first}-{first + len(body) - 1}/{len(place.video)}"


async def test_a_range_that_is_not_understood_sends_all_and_one_behind_the_end_nothing(
    place: Place,
) -> None:
    for wanted in ("bytes=-", "bytes=9-5", "bytes=0-1,5-6", "items=0-1", "bytes=a-b"):
        answer = await place.api.client.get(place.url, headers={"Range": wanted})
        assert (answer.status_code, answer.content) == (200, place.video)
    for wanted in (
        "bytes=999999999-",
        "bytes=-0",
        f"bytes={'9' * 4_301}-",
        f"bytes={'9' * 4_301}-{'9' * 5_000}",
    ):
        answer = await place.api.client.get(place.url, headers={"Range": wanted})
        seen = (answer.status_code, answer.headers["content-range"])
        assert seen == (416, f"bytes */{len(place.video)}")
        assert answer.json()["code"] == "range_not_satisfiable"


async def test_a_file_that_the_client_has_is_not_sent_again(place: Place) -> None:
    client = place.api.client
    etag = (await client.head(place.url)).headers["etag"]
    assert (await client.get(place.url, headers={"If-None-Match": etag})).status_code == 304
    answer = await client.get(place.url, headers={"Range": "bytes=0-1", "If-Range": etag})
    assert answer.status_code == 206
    answer = await client.get(place.url, headers={"Range": "bytes=0-1", "If-Range": '"old"'})
    assert answer.status_code == 200


async def test_a_file_that_is_gone_is_not_found(place: Place) -> None:
    services = place.api.services
    await services.media.delete_files(await services.media.drop_generation(services.db, "g"))
    answer = await place.api.client.get(place.url)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_an_upload(place: Place) -> None:
    answer = await place.ana.post(
        "/uploads", files={"file": ("../../x.php", picture("WEBP", (20, 10)), "text/html")}
    )
    assert answer.status_code == 201
    body = answer.json()
    assert (body["content_type"], body["width"], body["height"]) == ("image/webp", 20, 10)
    read = await place.ana.get(f"/media/{body['id']}")
    assert (read.headers["content-type"], read.content[8:12]) == ("image/webp", b"WEBP")


@pytest.mark.parametrize(
    ("name", "declared", "kept"),
    [
        ("jpeg-mpf/mpo.jpg", "image/jpeg", "image/jpeg"),
        ("telegram-octet-stream-image/ok.png", "application/octet-stream", "image/png"),
        ("telegram-octet-stream-image/ok.png", "text/plain", "image/png"),
        ("other-formats/ok.heic", "IMAGE/HEIC", "image/jpeg"),
        ("other-formats/ok.gif", "image/png", "image/png"),
    ],
)
async def test_uploads_are_what_their_bytes_are(
    place: Place, name: str, declared: str, kept: str
) -> None:
    answer = await place.ana.post("/uploads", files={"file": ("a.bin", case(name), declared)})
    assert (answer.status_code, answer.json()["content_type"]) == (201, kept)


async def test_uploads_that_are_refused(place: Place) -> None:
    no_image = await place.ana.post("/uploads", files={"file": ("a.png", b"hello", "image/png")})
    assert (no_image.status_code, no_image.json()["code"]) == (415, "unsupported_media")
    too_large = await place.ana.post(
        "/uploads", files={"file": ("a.png", b"x" * 40_200_000, "image/png")}
    )
    assert (too_large.status_code, too_large.json()["code"]) == (413, "too_large")
    assert too_large.json()["reason"] == "request_too_large", "it is not even read"
    assert (await place.ana.post("/uploads", json={})).status_code == 422
    nobody = await place.api.client.post(
        "/uploads", files={"file": ("a.png", picture(), "image/png")}
    )
    assert nobody.status_code == 401


async def test_an_upload_with_the_same_key_is_the_same_upload(place: Place) -> None:
    async def send(data: bytes, key: str) -> httpx.Response:
        return await place.ana.post(
            "/uploads",
            files={"file": ("p.png", data, "image/png")},
            headers={"Idempotency-Key": key},
        )

    both = await asyncio.gather(send(picture(), "one"), send(picture(), "one"))
    assert [answer.status_code for answer in both] == [201, 201]
    assert both[0].json() == both[1].json() == (await send(picture(), "one")).json()
    assert (await send(picture(size=(9, 9)), "one")).json()["code"] == "conflict"
    assert (await send(picture(), "two")).json()["id"] != both[0].json()["id"]
    rows = await place.api.services.db.fetch("SELECT key FROM media WHERE generation_id IS NULL")
    assert len(rows) == 4, "two uploads with their thumbnails"
    assert {row["key"] for row in rows} <= set(files_in(place.api.data_dir / "media"))
