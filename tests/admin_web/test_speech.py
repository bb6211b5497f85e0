"""Answers read aloud in the page, and a recording that becomes a question."""

import io
import re

from sandbox import sounds
from tests.admin_web.browser import Browser

WORDS = "What do foxes eat in winter?"


def test_an_answer_is_read_aloud_in_its_place_and_as_a_page(browser: Browser) -> None:
    browser.get("/generate/text")
    answer = browser.post("/generate/text", {**browser.fields, "prompt": "tea"})
    page = browser.get(answer.location.partition("#")[0]).text
    found = re.search(r'action="(/generate/text/[^"/]+/speech)"', page)
    assert found is not None
    made = browser.post(found[1], {**browser.fields}, X_Fragment="1").json
    assert made is not None
    source = re.search(r'<audio controls autoplay src="([^"]+)"', made["html"])
    assert source is not None
    sound = browser.get(source[1].replace("&amp;", "&"))
    assert (sound.mimetype, sound.data[:4]) == ("audio/ogg", b"OggS")
    assert "<audio" in browser.post(found[1], {**browser.fields}).text
    refused = browser.post("/generate/text/nobodys/speech", {**browser.fields}, X_Fragment="1")
    assert refused.status_code == 404


def test_a_recording_becomes_the_question(browser: Browser) -> None:
    page = browser.get("/generate/text").text
    assert "up to 60 minutes and 35 MB" in page
    recording = io.BytesIO(sounds.mp3(sounds.pcm(WORDS, 0))), "voice.mp3"
    heard = browser.post("/generate/speech/transcript", {**browser.fields, "recording": recording})
    text = re.search(r'<textarea id="f-prompt"[^>]*>([^<]+)<', heard.text)
    assert text is not None
    assert text[1].endswith("?")
    nothing = browser.post("/generate/speech/transcript", {**browser.fields})
    assert (nothing.status_code, "Choose a recording first." in nothing.text) == (422, True)
