"""Text, images and videos from form to file, and the answers to bad input."""

import io
import re
import time
from collections.abc import Callable

import pytest
from flask import Flask
from PIL import Image
from werkzeug.test import TestResponse

from admin_web.pages import text
from api.auth.schemas import TokensOut
from tests.admin_web.browser import Browser
from tests.admin_web.conftest import signed_in

MADE_WITHIN = 60


def finished(browser: Browser, generation_id: str) -> str:
    """Poll the live card as the page does, and return it once it no longer asks to be polled."""
    end = time.monotonic() + MADE_WITHIN
    while time.monotonic() < end:
        card = browser.client.get(
            f"/generations/{generation_id}/card", headers={"X-Fragment": "1"}
        ).text
        if "data-running" not in card:
            return card
        time.sleep(0.1)
    raise AssertionError(f"still running after {MADE_WITHIN} s: {card}")


def made_id(answer: TestResponse) -> str:
    assert answer.status_code == 302, answer.text
    found = re.search(r"(?:job=|/generations/)([0-9a-f-]{36})", answer.location)
    assert found, answer.location
    return found[1]


def png(width: int = 320, height: int = 240) -> io.BytesIO:
    data = io.BytesIO()
    Image.new("RGB", (width, height), "#336699").save(data, "PNG")
    data.seek(0)
    return data


def make_image(browser: Browser, **fields: object) -> str:
    browser.get("/generate/image")
    return made_id(
        browser.post("/generate/image", {**browser.fields, "prompt": "A fox in snow", **fields})
    )


def test_an_image_from_form_to_file(browser: Browser) -> None:
    page = browser.get("/generate/image").text
    assert "Sandbox" in page
    assert re.search(r'class="price"><b>\$0\.\d+</b> of \$10\.00 left', page), (
        "the price stands beside the button before anything is spent"
    )
    generation = made_id(
        browser.post("/generate/image", {**browser.fields, "prompt": "A fox in snow"})
    )
    assert "data-live" in browser.get(f"/generate/image?job={generation}").text
    card = finished(browser, generation)
    source = re.search(r'<img src="(/media/[^"]+)"', card)
    assert source
    file = browser.get(source[1].replace("&amp;", "&"))
    assert file.status_code == 200
    assert (file.mimetype or "").startswith("image/")
    assert Image.open(io.BytesIO(file.data)).width > 100
    assert "A fox in snow" in browser.get("/gallery").text
    assert "A fox in snow" in browser.get("/").text


def test_media_keeps_ranges_and_is_for_the_signed_in_only(app: Flask, browser: Browser) -> None:
    card = finished(browser, make_image(browser))
    found = re.search(r'<img src="(/media/[^"]+)"', card)
    assert found
    source = found[1].replace("&amp;", "&")
    whole = browser.get(source)
    part = browser.get(source, {"Range": "bytes=10-19"})
    assert part.status_code == 206
    assert part.data == whole.data[10:20]
    assert part.headers["Content-Range"] == f"bytes 10-19/{len(whole.data)}"
    assert part.headers["Content-Length"] == "10"
    assert whole.headers["Accept-Ranges"] == "bytes"
    assert whole.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert browser.get(source, {"If-None-Match": whole.headers["ETag"]}).status_code == 304
    assert browser.get(source, {"Range": f"bytes={len(whole.data)}-"}).status_code == 416
    assert (
        browser.get(f"{source}&download=1").headers["Content-Disposition"].startswith("attachment")
    )
    assert Browser(app).get(source).status_code == 401


def test_the_owner_sees_a_file_whose_link_has_run_out_and_nobody_else_does(
    app: Flask, browser: Browser, register: Callable[[], TokensOut]
) -> None:
    card = finished(browser, make_image(browser))
    found = re.search(r'<img src="(/media/[^"?]+)', card)
    assert found
    assert browser.get(f"{found[1]}?exp=1&sig=x").status_code == 200
    assert signed_in(app, register()).get(f"{found[1]}?exp=1&sig=x").status_code == 404


def test_a_double_click_makes_one_image(browser: Browser) -> None:
    browser.get("/generate/image")
    fields = {**browser.fields, "prompt": "Twice"}
    found = made_id(browser.post("/generate/image", fields))
    assert found == made_id(browser.post("/generate/image", fields))
    assert made_id(
        browser.post("/generate/image", {**fields, "prompt": "Something else"})
    ) != made_id(browser.post("/generate/image", fields))


def test_the_same_words_in_a_fresh_form_make_another_image(browser: Browser) -> None:
    assert make_image(browser, prompt="The same") != make_image(browser, prompt="The same")


def test_an_empty_prompt_is_marked(browser: Browser) -> None:
    browser.get("/generate/image")
    answer = browser.post("/generate/image", {**browser.fields, "prompt": "  ", "seed": "7"})
    assert answer.status_code == 422
    assert "Please fill this in." in answer.text
    assert 'aria-invalid="true"' in answer.text


def test_a_prompt_that_is_too_long_stays_in_the_form(browser: Browser) -> None:
    browser.get("/generate/image")
    answer = browser.post("/generate/image", {**browser.fields, "prompt": "x" * 20_000})
    assert answer.status_code == 422
    assert "10000 characters at most" in answer.text
    assert "x" * 20_000 in answer.text


def test_an_upload_that_is_no_image_is_said_in_words(browser: Browser) -> None:
    browser.get("/generate/image")
    fields = {
        **browser.fields,
        "prompt": "Make it blue",
        "image": (io.BytesIO(b"<svg>not a picture</svg>"), "x.png"),
    }
    answer = browser.post("/generate/image", fields)
    assert answer.status_code == 415
    assert "HEIC, AVIF, BMP and TIFF are taken" in answer.text
    assert browser.fields["prompt"] == "Make it blue"


def test_an_image_can_start_from_a_file(browser: Browser) -> None:
    browser.get("/generate/image")
    answer = browser.post(
        "/generate/image",
        {**browser.fields, "prompt": "Make it blue", "image": (png(), "start.png")},
    )
    generation = made_id(answer)
    finished(browser, generation)
    assert browser.get(f"/generations/{generation}").status_code == 200


def test_an_uploaded_file_is_not_lost_with_a_mistake_elsewhere(browser: Browser) -> None:
    browser.get("/generate/image")
    browser.post("/generate/image", {**browser.fields, "prompt": "", "image": (png(), "start.png")})
    assert browser.fields["attached_name"] == "start.png (320 × 240)"
    generation = made_id(
        browser.post("/generate/image", {**browser.fields, "prompt": "Make it blue"})
    )
    assert "data-status" in finished(browser, generation)


def test_a_video_from_an_earlier_image(browser: Browser) -> None:
    card = finished(browser, make_image(browser))
    found = re.search(r"/generate/video\?image=([^\"&]+)", card)
    assert found
    page = browser.get(f"/generate/video?image={found[1]}")
    assert re.search(rf'value="{found[1]}" checked', page.text), (
        "the image that the person came from is chosen"
    )
    generation = made_id(
        browser.post("/generate/video", {**browser.fields, "prompt": "The fox runs"})
    )
    done = finished(browser, generation)
    assert "<video" in done
    assert "poster=" in done
    assert browser.get(f"/videos/{generation}").location == f"/generations/{generation}"
    assert "<dt>Took</dt>" in browser.get(f"/generations/{generation}").text


def test_a_video_from_an_uploaded_file(browser: Browser) -> None:
    browser.get("/generate/video?from=image")
    made_id(
        browser.post(
            "/generate/video",
            {
                **browser.fields,
                "from": "image",
                "prompt": "It moves",
                "image": (png(1280, 720), "start.png"),
            },
        )
    )


def test_a_video_between_two_pictures_keeps_both(browser: Browser) -> None:
    browser.get("/generate/video?from=image")
    able = re.search(r'<option value="([^"]+)" data-images="\d+" data-last', browser.page)
    unable = re.search(r'<option value="([^"]+)" data-images="\d+">', browser.page)
    assert able
    assert unable
    fields = {**browser.fields, "from": "image", "prompt": "It moves", "model": able[1]}
    browser.post(
        "/generate/video",
        {**fields, "image": (png(), "first.png"), "last": (png(), "last.png"), "prompt": ""},
    )
    seen = (browser.fields["attached_name"], browser.fields["last_name"])
    assert seen == ("first.png (320 × 240)", "last.png (320 × 240)")
    first, last = browser.fields["attached_id"], browser.fields["last_id"]
    generation = made_id(browser.post("/generate/video", {**browser.fields, "prompt": "It moves"}))
    browser.get(f"/generate/video?again={generation}")
    assert (browser.fields["attached_id"], browser.fields["last_id"]) == (first, last)
    assert browser.get(f"/generations/{generation}").text.count('alt="Last frame"') == 1
    browser.get(f"/generate/video?again={generation}")
    other = made_id(browser.post("/generate/video", {**browser.fields, "model": unable[1]}))
    assert 'alt="Last frame"' not in browser.get(f"/generations/{other}").text, (
        "left out, because this model takes none"
    )


def test_the_source_of_an_image_is_named_and_may_be_gone(browser: Browser) -> None:
    parent = make_image(browser)
    found = re.search(r"/generate/image\?image=([^\"&]+)", finished(browser, parent))
    assert found
    browser.get(f"/generate/image?image={found[1]}")
    made = made_id(browser.post("/generate/image", {**browser.fields, "prompt": "Make it blue"}))
    finished(browser, made)
    page = browser.get(f"/generations/{made}").text
    assert f'href="/generations/{parent}"' in page
    assert re.search(rf'class="inputs"><a href="/media/{found[1]}', page)
    browser.post(f"/generations/{parent}/delete", {"sure": "yes"})
    page = browser.get(f"/generations/{made}").text
    assert f"/generations/{parent}" not in page
    assert "a deleted picture" in page
    assert "one that is deleted" in page


def test_a_video_from_no_image_asks_for_one(browser: Browser) -> None:
    browser.get("/generate/video?from=image")
    answer = browser.post(
        "/generate/video", {**browser.fields, "from": "image", "prompt": "It moves"}
    )
    assert answer.status_code == 422
    assert "Choose the image that the video starts from." in answer.text
    assert "It moves" in answer.text


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/x.png", "ftp://example.org/x.png"])
def test_an_address_that_may_not_be_fetched_is_said_at_the_form(
    browser: Browser, address: str
) -> None:
    browser.get("/generate/video?from=image")
    answer = browser.post(
        "/generate/video",
        {**browser.fields, "from": "image", "prompt": "It moves", "image_url": address},
    )
    assert answer.status_code in {415, 422}
    assert browser.fields["image_url"] == address


def test_cancel_stops_a_video(browser: Browser) -> None:
    browser.get("/generate/video")
    generation = made_id(browser.post("/generate/video", {**browser.fields, "prompt": "Waves"}))
    browser.get(f"/generations/{generation}")
    answer = browser.post(f"/generations/{generation}/cancel")
    assert answer.location == f"/generations/{generation}"
    card = finished(browser, generation)
    assert 'data-status="cancelled"' in card
    assert "again=" in card
    browser.get("/")
    browser.post(f"/generations/{generation}/cancel")
    assert browser.get(f"/generations/{generation}").status_code == 200


def test_again_fills_the_form(browser: Browser) -> None:
    generation = make_image(browser, prompt="Exactly this")
    finished(browser, generation)
    browser.get(f"/generate/image?again={generation}")
    assert browser.fields["prompt"] == "Exactly this"


def test_things_of_somebody_else_are_not_found(
    app: Flask, browser: Browser, register: Callable[[], TokensOut]
) -> None:
    generation = make_image(browser)
    stranger = signed_in(app, register())
    for path in (
        f"/generations/{generation}",
        f"/generate/image?again={generation}",
        f"/generations/{generation}/card",
    ):
        answer = stranger.get(path)
        assert answer.status_code == 404
        assert "A fox in snow" not in answer.text


def test_options_follow_the_model_and_the_price_follows_the_options(browser: Browser) -> None:
    page = browser.get("/generate/video").text
    models = re.findall(r'<option value="([^"]+/[^"]+)"', page)
    assert len(models) > 1
    shown = {
        browser.post("/generate/video/options", {"model": model}, X_Fragment="1").text
        for model in models
    }
    assert len(shown) > 1
    prices = [
        browser.post(
            "/generate/video/estimate", {"model": models[0], "duration": seconds}, X_Fragment="1"
        ).text
        for seconds in ("4", "8")
    ]
    assert prices[0] != prices[1]


@pytest.mark.parametrize("kind", ["image", "video"])
def test_a_cost_above_the_persons_limit_asks_first(
    app: Flask, browser: Browser, account: TokensOut, kind: str
) -> None:
    headers = {"authorization": f"Bearer {account.access_token}"}
    app.extensions["api_http"].put(
        "/users/me", json={"confirm_above_usd": "0.000001"}, headers=headers
    ).raise_for_status()
    path = f"/generate/{kind}"
    browser.get(path)
    asked = browser.post(path, {**browser.fields, "prompt": "A fox"})
    assert asked.status_code == 409
    assert 'name="confirm"' in asked.text
    assert browser.fields["prompt"] == "A fox"
    answer = browser.post(path, {**browser.fields, "prompt": "A fox", "confirm": "true"})
    assert answer.status_code == 302


def test_a_script_gets_the_card_and_the_question_about_the_cost(
    app: Flask, browser: Browser, account: TokensOut
) -> None:
    browser.get("/generate/image")
    made = browser.post(
        "/generate/image", {**browser.fields, "prompt": "A fox"}, X_Fragment="1"
    ).get_json()
    assert "data-live=" in made["card"]
    assert made["nonce"] != browser.fields["nonce"]
    headers = {"authorization": f"Bearer {account.access_token}"}
    app.extensions["api_http"].put(
        "/users/me", json={"confirm_above_usd": "0.000001"}, headers=headers
    ).raise_for_status()
    fields = {**browser.fields, "nonce": made["nonce"], "prompt": "A costly fox"}
    asked = browser.post("/generate/image", fields, X_Fragment="1")
    assert asked.status_code == 200
    assert asked.get_json()["error"]["code"] == "confirm_cost"
    assert re.fullmatch(r"\$\d+\.\d+", asked.get_json()["error"]["cost"])
    assert (
        "card"
        in browser.post("/generate/image", {**fields, "confirm": "true"}, X_Fragment="1").get_json()
    )
    wrong = browser.post("/generate/image", {**browser.fields, "prompt": " "}, X_Fragment="1")
    assert wrong.status_code == 422
    assert wrong.get_json()["fields"]["prompt"] == "Please fill this in."


def test_pictures_are_kept_as_soon_as_they_are_dropped(browser: Browser) -> None:
    browser.get("/generate/image")
    chip = browser.post(
        "/generate/attach", {"image": (png(), "<img src=x onerror=hit()>.png")}, X_Fragment="1"
    ).text
    assert "onerror=hit()&gt;" in chip
    preview = re.search(r'<img src="(/media/[^"]+)"', chip)
    assert preview
    assert browser.get(preview[1]).mimetype == "image/png"


def test_a_form_starts_as_the_last_one_was(browser: Browser) -> None:
    browser.get("/generate/image")
    ratio = re.findall(r'name="aspect_ratio" value="(\d+:\d+)"', browser.page)[-1]
    browser.post(
        "/generate/image", {**browser.fields, "prompt": "A fox", "aspect_ratio": ratio, "seed": "7"}
    )
    browser.get("/generate/image")
    assert browser.fields["aspect_ratio"] == ratio
    assert browser.fields["seed"] == "", "what belongs to one picture is not kept"
    browser.get("/generate/text")
    browser.post("/generate/text", {**browser.fields, "prompt": "Hello", "system": "Be brief."})
    browser.get("/generate/text")
    assert browser.fields["system"] == "Be brief."
    browser.post("/generate/text", {**browser.fields, "prompt": "Hello", "system": ""})
    browser.get("/generate/text")
    assert browser.fields.get("system", "") == ""


def test_earlier_conversations_are_there_by_the_page(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text, "AT_ONCE", 1)
    browser.get("/generate/text")
    for prompt in ("The first", "The second"):
        browser.post("/generate/text", {**browser.fields, "prompt": prompt, "conversation_id": ""})
        browser.get("/generate/text")
    assert "The second" in browser.page
    assert "The first" not in browser.page
    older = re.search(r'rel="next" href="([^"#]+)', browser.page)
    assert older
    assert "The first" in browser.get(older[1].replace("&amp;", "&")).text
