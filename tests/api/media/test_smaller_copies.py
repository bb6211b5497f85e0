"""Smaller copies of files for chats that take no larger ones."""

import io
import random
from pathlib import Path

import av
import httpx
import pytest
from PIL import Image

from api.errors import TooLarge
from api.media import decoders, smaller_copies, transcode
from tests.api.media.samples import in_chunks
from tests.api.media.test_routes import Place, place

__all__ = ["place"]


def noise(size: tuple[int, int], seed: int = 1) -> Image.Image:
    """Return a picture that only gets smaller by losing detail."""
    return Image.frombytes("RGB", size, random.Random(seed).randbytes(size[0] * size[1] * 3))


def noisy_clip(path: Path, size: tuple[int, int] = (320, 180), frames: int = 20) -> bytes:
    """Return a video of noise with a tone, ten frames a second."""
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream(
            "libx264", rate=10, options={"preset": "ultrafast", "qp": "20"}
        )
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        sound = container.add_stream("aac", rate=44_100)
        for number in range(frames):
            picture = av.VideoFrame.from_image(noise(size, number))  # type: ignore[no-untyped-call]
            picture.pts = number
            container.mux(stream.encode(picture))
        tone = av.AudioFrame("s16", "stereo", 44_100 * frames // 10)
        tone.planes[0].update(bytes(tone.planes[0].buffer_size))
        tone.sample_rate, tone.pts = 44_100, 0
        container.mux(sound.encode(tone))
        for each in (stream, sound):
            container.mux(each.encode(None))
    return path.read_bytes()


def test_a_video_gets_as_small_as_asked_and_stays_a_video(tmp_path: Path) -> None:
    data = noisy_clip(tmp_path / "clip.mp4")
    most = len(data) // 6
    shrunk = transcode.shrink_video(tmp_path / "clip.mp4", tmp_path / "small.mp4", most)
    assert (tmp_path / "small.mp4").stat().st_size <= most
    with av.open(str(tmp_path / "small.mp4")) as made:
        video = made.streams.video[0]
        seen = (video.codec_context.name, video.frames, video.width, video.height)
        assert seen == ("h264", 20, shrunk.width, shrunk.height)
        assert made.streams.audio[0].codec_context.name == "aac"
        assert made.duration is not None
        assert made.duration / av.time_base == pytest.approx(2, abs=0.1)
    assert shrunk.width / shrunk.height == pytest.approx(320 / 180, abs=0.05)


def test_a_video_that_cannot_be_made_small_enough_is_refused(tmp_path: Path) -> None:
    noisy_clip(tmp_path / "clip.mp4", frames=5)
    with pytest.raises(TooLarge):
        transcode.shrink_video(tmp_path / "clip.mp4", tmp_path / "small.mp4", 5_000)


@pytest.mark.parametrize(("alpha", "kind"), [(255, "JPEG"), (128, "WEBP")])
def test_a_picture_keeps_its_shape_and_its_transparency(alpha: int, kind: str) -> None:
    out, picture = io.BytesIO(), noise((600, 400))
    picture.putalpha(alpha)
    (picture if alpha < 255 else picture.convert("RGB")).save(out, "PNG")
    data, shrunk = transcode.shrink_picture(out.getvalue(), 60_000)
    image = Image.open(io.BytesIO(data))
    seen = (len(data) <= 60_000, image.format, image.size)
    assert seen == (True, kind, (shrunk.width, shrunk.height))
    assert image.width / image.height == pytest.approx(1.5, abs=0.02)
    with pytest.raises(TooLarge):
        transcode.shrink_picture(out.getvalue(), 300)


async def test_a_copy_is_made_once_and_goes_with_its_generation(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smaller_copies, "STEPS", (200_000, 400_000))
    media = place.api.services.media
    user_id = (await place.ana.get("/users/me")).json()["id"]
    kept = await media.keep_video(user_id, "g2", in_chunks(noisy_clip(tmp_path / "noise.mp4")))
    async with place.api.services.db.transaction() as sql:
        await media.record(sql, kept)
    whole = (await media.of_generations(["g2"]))["g2"][0]

    async def fit(most: int, client: httpx.AsyncClient = place.api.client) -> httpx.Response:
        return await client.post(whole.url.replace("?", "/fit?"), json={"max_bytes": most})

    assert (await fit(whole.size)).json()["id"] == whole.id, "it fits already"
    small = (await fit(450_000)).json()
    seen = (small["id"] != whole.id, small["size"] <= 400_000, small["duration"])
    assert seen == (True, True, whole.duration)
    assert len((await place.api.client.get(small["url"])).content) == small["size"]
    assert (await fit(400_000)).json()["id"] == small["id"], (
        "kept, and used for every limit of this step"
    )
    assert (await fit(100_000)).status_code == 413
    assert [out.id for out in (await media.of_generations(["g2"]))["g2"]] == [whole.id], (
        "no second video"
    )
    other = await place.api.user("eve")
    answer = await other.post(f"/media/{whole.id}/fit", json={"max_bytes": 450_000})
    assert answer.status_code == 404
    monkeypatch.setattr(smaller_copies, "WAIT_SECONDS", 0.0)
    waiting = await fit(250_000)
    found = (waiting.status_code, waiting.json()["code"], waiting.json()["retry_after"])
    assert found == (409, "conflict", decoders.ASK_AGAIN)
    monkeypatch.undo()
    await media.drop_generation(place.api.services.db, "g2")
    rows = await place.api.services.db.fetch("SELECT id FROM media WHERE generation_id = 'g2'")
    assert rows == []
