"""Links to the store itself: as Amazon signs them, and as a real S3 server takes them."""

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from api.media.bucket import Bucket
from api.media.presigned import PresignedLinks
from api.start_errors import CannotStart
from tests.api.generations.test_jobs import SEEDREAM
from tests.api.harness import running_api
from tests.api.media.conftest import Choose
from tests.api.media.s3 import S3
from tests.sandbox_server import Sandbox


def test_the_example_in_amazons_documentation() -> None:
    links = PresignedLinks(
        "https://examplebucket.s3.amazonaws.com",
        "us-east-1",
        "AKIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    )
    link = links.signed("test.txt", datetime(2013, 5, 24, tzinfo=UTC), 86400, {})
    assert link == (
        "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )


async def test_a_browser_gets_the_file_from_the_store(
    s3: S3, with_key: Choose, tmp_path: Path, sandbox: Sandbox
) -> None:
    with_key("owner")
    await Bucket("s3://direct").put(b"x", "made by the operator")
    async with (
        running_api(
            tmp_path, sandbox, media_url="s3://direct/a studio", public_media_url=s3.url
        ) as api,
        await api.user() as user,
        httpx.AsyncClient() as browser,
    ):
        body = {"prompt": "a fox", "model": SEEDREAM}
        made = (await user.post("/generate/image", json=body)).json()["images"][0]
        whole = (await api.client.get(f"{made['url']}&direct=false")).content
        sent = await api.client.get(made["url"])
        assert (sent.status_code, sent.headers["cache-control"]) == (307, "private, max-age=240")
        link = sent.headers["location"]
        assert urlsplit(link).path.startswith("/direct/a%20studio/")
        shown = await browser.get(link)
        assert (shown.status_code, shown.content) == (200, whole)
        assert shown.headers["content-type"] == made["content_type"]
        assert shown.headers["content-disposition"].startswith('inline; filename="allucanget-')
        part = await browser.get(link, headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, whole[10:20])
        saved = (await api.client.get(f"{made['url']}&download=1")).headers["location"]
        disposition = (await browser.get(saved)).headers["content-disposition"]
        assert disposition.startswith("attachment; filename=")
        other = link.replace("inline", "attachment")
        assert (await browser.get(other)).status_code == 403, "nothing of it can be changed"
        assert (await browser.get(link.partition("?")[0])).status_code == 403
        small = await api.client.get(made["thumbnail_url"])
        assert (small.status_code, small.headers["content-type"]) == (200, "image/webp")
        head = await api.client.head(made["url"])
        assert (head.status_code, head.headers["content-length"]) == (200, str(len(whole)))
        assert (await api.client.get(made["url"][:-3])).status_code == 401


async def test_a_file_that_waits_for_the_store_comes_from_here(
    s3: S3, with_key: Choose, tmp_path: Path, sandbox: Sandbox
) -> None:
    with_key("owner")
    await Bucket("s3://direct").put(b"x", "made by the operator")
    async with (
        running_api(tmp_path, sandbox, media_url="s3://direct/b", public_media_url=s3.url) as api,
        await api.user() as user,
    ):
        api.services.media.files._bucket = Bucket("s3://direct/b")
        with_key("reader")
        api.services.media.files._bucket = Bucket("s3://direct/b")
        body = {"prompt": "a fox", "model": SEEDREAM}
        made = (await user.post("/generate/image", json=body)).json()["images"][0]
        sent = await api.client.get(made["url"])
        assert (sent.status_code, len(sent.content)) == (200, made["size"])


async def test_it_needs_a_store_and_a_key(
    s3: S3, with_key: Choose, tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_key("owner")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(CannotStart, match="PUBLIC_MEDIA_URL needs AWS_ACCESS_KEY_ID"):
        async with running_api(
            tmp_path, sandbox, media_url="s3://direct/c", public_media_url=s3.url
        ):
            pass
    with pytest.raises(ValueError, match="PUBLIC_MEDIA_URL needs MEDIA_URL=s3://"):
        async with running_api(tmp_path, sandbox, public_media_url=s3.url):
            pass
