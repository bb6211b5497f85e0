"""The store on a real S3 server: the objects it keeps, its errors when it may not write, and the
safety of paid results meanwhile."""

import hashlib
from datetime import timedelta
from pathlib import Path

import pytest

from api.errors import StorageUnavailable
from api.ids import now
from api.media.bucket import Bucket
from api.media.files import key_of
from api.start_errors import CannotStart
from tests.api.generations.test_jobs import SEEDREAM, finished
from tests.api.harness import running_api
from tests.api.media.conftest import Choose
from tests.api.media.samples import in_chunks, store_in
from tests.api.media.test_storage import files_in
from tests.sandbox_server import Sandbox

VIDEO = "kwaivgi/kling-v3.0-std"


async def listed(bucket: Bucket, folder: str) -> set[str]:
    return {key async for batch in bucket.listed(folder) for key in batch}


def key(number: int) -> str:
    return key_of(hashlib.sha256(str(number).encode()).hexdigest(), "owner", "png")


async def test_a_bucket_keeps_files_too(with_key: Choose, tmp_path: Path) -> None:
    with_key("owner")
    files = store_in(tmp_path, "s3://media/of this server")
    await files.look()
    assert files.state.trouble is None
    data = bytes(range(256)) * 30_000
    async with files.receive(in_chunks(data, 100_000), 10_000_000) as received:
        await files.put(received.path, "ab/cd/video.mp4")
    await files.put(b"small", "ab/cd/image.png")
    assert files_in(tmp_path) == []
    seen = await listed(Bucket("s3://media"), "of this server/ab")
    assert seen == {f"of this server/ab/cd/{name}" for name in ("video.mp4", "image.png")}
    assert await files.read("ab/cd/video.mp4") == data
    found = b"".join(
        [bytes(chunk) async for chunk in await files.stream("ab/cd/video.mp4", 1000, 400_000)]
    )
    assert found == data[1000:400_000]
    await files.delete(["ab/cd/video.mp4", "ab/cd/image.png", "nothing"])
    assert await listed(Bucket("s3://media"), "of this server/ab") == set()
    with pytest.raises(FileNotFoundError):
        await files.read("ab/cd/video.mp4")
    with pytest.raises(FileNotFoundError):
        await files.stream("ab/cd/video.mp4", 0, 1)


@pytest.mark.parametrize(
    ("name", "bucket", "said"),
    [
        ("user", "nobodys", "AccessDenied"),
        ("reader", "media", "AccessDenied"),
        ("wrong", "media", "InvalidAccessKeyId"),
    ],
)
async def test_a_bucket_that_cannot_be_written_says_why(
    with_key: Choose, tmp_path: Path, name: str, bucket: str, said: str
) -> None:
    with_key("owner")
    await Bucket("s3://media").put(b"x", "ab/cd/there.png")
    with_key(name)
    files = store_in(tmp_path, f"s3://{bucket}")
    await files.look()
    assert isinstance(files.state.trouble, StorageUnavailable)
    assert files.state.trouble.detail.endswith(f": {said}")
    for change in (files.delete(["ab/cd/there.png"]), files.throw_away(["ab/cd/there.png"])):
        with pytest.raises(StorageUnavailable):
            await change


async def test_a_server_that_is_away_is_trouble(
    with_key: Choose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_key("owner")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    files = store_in(tmp_path, "s3://media")
    with pytest.raises(StorageUnavailable):
        await files.read("ab/cd/x.png")
    await files.put(b"x", "ab/cd/x.png")
    assert isinstance(files.state.trouble, StorageUnavailable)
    assert await files.read("ab/cd/x.png") == b"x"


@pytest.mark.parametrize(
    ("name", "bucket", "said"),
    [("user", "nobodys", "NoSuchBucket"), ("wrong", "media", "InvalidAccessKeyId")],
    ids=["no such bucket", "no such key"],
)
async def test_a_bucket_that_is_not_there_for_us_ends_the_start(
    with_key: Choose, tmp_path: Path, sandbox: Sandbox, name: str, bucket: str, said: str
) -> None:
    with_key("owner")
    await Bucket("s3://media").put(b"x", "ab/cd/there.png")
    with_key(name)
    url = f"s3://{bucket}/studio"
    with pytest.raises(
        CannotStart, match=rf"^The store for files cannot be used: {said} \(MEDIA_URL: {url}\)\.$"
    ) as caught:
        async with running_api(tmp_path, sandbox, media_url=url):
            pass
    assert caught.value.final


async def test_a_bucket_that_is_away_holds_no_start_up(
    with_key: Choose, tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_key("owner")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    async with running_api(tmp_path, sandbox, media_url="s3://media") as api:
        assert (await api.client.get("/readyz")).json()["checks"]["media"]["ok"] is False


@pytest.mark.parametrize("name", ["user", "reader"])
async def test_paid_results_are_kept_until_the_bucket_takes_them(
    with_key: Choose, tmp_path: Path, sandbox: Sandbox, name: str
) -> None:
    """The bucket has gone while the store ran, or the key may only read: both look fine to a mere
    check of existence."""
    url, spool = f"s3://later-{name}/studio", tmp_path / "data" / "spool"
    with_key("owner")
    if name == "reader":
        await Bucket(url).put(b"x", "made by the operator")
        with_key(name)
    async with running_api(tmp_path, sandbox, media_url=url) as api, await api.user() as user:
        if name == "user":
            with_key(name)
            api.services.media.files._bucket = Bucket("s3://gone/studio")
            await api.services.media.files.look()
        ready = await api.client.get("/readyz")
        assert (ready.status_code, ready.json()["checks"]["media"]["ok"]) == (503, False)
        made = (
            await user.post("/generate/image", json={"prompt": "a fox", "model": SEEDREAM})
        ).json()
        film = await user.post(
            "/generate/video", json={"prompt": "waves", "model": VIDEO, "duration": 3}
        )
        video = await finished(api, film.json())
        assert (made["status"], video["status"]) == ("completed", "completed")
        shown = [
            (await user.get(made["images"][0]["url"])).content,
            (await user.get(video["video"]["url"])).content,
        ]
        assert len(files_in(spool)) == 4, "two files and their thumbnails"
        await api.services.media.tend()
        (warned,) = [
            each for each in await api.services.warnings.now() if each.code == "storage_unavailable"
        ]
        assert warned.facts == {
            "reason": "storage_unavailable",
            "said": "AccessDenied",
            "waiting": "4",
        }
    with_key("owner")
    async with running_api(tmp_path, sandbox, media_url=url) as api:
        await api.services.media.tend()
        assert (await api.client.get("/readyz")).status_code == 200
        assert files_in(spool) == []
        again = [
            await api.client.get(link) for link in (made["images"][0]["url"], video["video"]["url"])
        ]
        assert [answer.content for answer in again] == shown


async def test_the_trash_of_a_bucket(with_key: Choose, tmp_path: Path) -> None:
    with_key("owner")
    files, bucket = store_in(tmp_path, "s3://trash/studio"), Bucket("s3://trash/studio")
    keys = [key(number) for number in range(3)]
    for each in keys:
        await files.put(b"x", each)
    began = now()
    await files.throw_away(keys)
    await files.throw_away(keys)
    assert await listed(bucket, ".trash") == {f".trash/{each}" for each in keys}
    assert await files.files(keys[0][:2]) == {}
    assert await files.thrown_away(keys[0][:2]) >= {keys[0]}
    assert await files.recover(keys[0])
    assert not await files.recover(key(9))
    assert await files.read(keys[0]) == b"x"
    assert await files.empty_trash(began - timedelta(minutes=1)) == 0
    assert await files.empty_trash(now() + timedelta(minutes=1)) == 2


async def test_two_installations_in_one_bucket_know_of_each_other(
    with_key: Choose, tmp_path: Path
) -> None:
    with_key("owner")
    one, two = [
        store_in(tmp_path / name, "s3://shared/studio", installation=name)
        for name in ("one", "two")
    ]
    apart = store_in(tmp_path / "three", "s3://shared/other", installation="three")
    with pytest.raises(StorageUnavailable, match="NoSuchBucket"):
        await one.claim()
    await one.look()
    for each in (one, two, apart, one):
        await each.claim()
    assert [each.state.others for each in (one, two, apart)] == [1, 1, 0]
