"""The gallery: finding results, choosing several, sharing them; and the inbox."""

import io
import re
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
from flask import Flask

from api.auth.schemas import TokensOut
from tests.admin_web.browser import Browser
from tests.admin_web.conftest import signed_in
from tests.admin_web.test_making import finished, make_image
from tests.stack import Stack


def shown(browser: Browser, query: str = "") -> set[str]:
    """Return the prompts of all tiles."""
    page = browser.get(f"/gallery?{query}").text
    return set(re.findall(r'class="tile-prompt"[^>]*>([^<]*)<', page))


def test_filters_search_and_pages(browser: Browser) -> None:
    first = make_image(browser, prompt="A red kite")
    second = make_image(browser, prompt="A blue boat")
    for generation in (first, second):
        finished(browser, generation)
    assert shown(browser) == {"A red kite", "A blue boat"}
    assert shown(browser, "q=kite") == {"A red kite"}
    assert shown(browser, "kind=video") == set()
    assert shown(browser, "source=web") == {"A red kite", "A blue boat"}
    assert shown(browser, "source=telegram") == set()
    model = re.search(r'<option value="([^"]+/[^"]+)"', browser.get("/gallery").text)
    assert model, "the models that were used are there to choose from"
    assert len(shown(browser, f"model={model[1]}")) == 2
    assert shown(browser, "model=other/model") == set()
    today, tomorrow = datetime.now(UTC).date(), datetime.now(UTC).date() + timedelta(days=1)
    assert len(shown(browser, f"since={today - timedelta(days=1)}&until={tomorrow}")) == 2
    assert shown(browser, f"since={tomorrow + timedelta(days=1)}") == set()
    assert len(shown(browser, "since=nonsense&until=9999-12-31")) == 2
    browser.get("/gallery")
    favourite = browser.post(
        f"/generations/{first}/favourite", {"favourite": "true"}, X_Fragment="1"
    )
    assert 'aria-pressed="true"' in favourite.get_json()["html"]
    assert shown(browser, "favourite=true") == {"A red kite"}
    part = browser.get("/gallery?q=kite", {"X-Fragment": "1"}).text
    assert "<html" not in part
    assert "A red kite" in part


def test_several_are_deleted_or_taken_as_a_zip_and_nobody_elses(
    app: Flask, browser: Browser, register: Callable[[], TokensOut]
) -> None:
    mine = [make_image(browser, prompt=f"Number {number}") for number in (1, 2)]
    for generation in mine:
        finished(browser, generation)
    stranger = signed_in(app, register())
    assert stranger.post("/gallery/zip", {"ids": mine}).status_code == 404
    assert stranger.post("/gallery/delete", {"ids": mine, "sure": "yes"}).status_code == 404
    browser.get("/gallery")
    archive = browser.post("/gallery/zip", {"ids": mine})
    assert len(zipfile.ZipFile(io.BytesIO(archive.data)).namelist()) == 2
    asked = browser.post("/gallery/delete", {"ids": mine})
    assert "2 results are deleted for good" in asked.text
    assert len(shown(browser)) == 2, "nothing is deleted before the answer"
    browser.post("/gallery/delete", {"ids": mine, "sure": "yes"})
    assert shown(browser) == set()


def test_a_shared_link_shows_one_result_until_it_is_taken_back(
    app: Flask, browser: Browser, visitor: Browser
) -> None:
    generation = make_image(browser, prompt="For <b>friends</b>")
    finished(browser, generation)
    page = browser.get(f"/generations/{generation}")
    assert "/shared/" not in page.text
    made = browser.post(
        f"/generations/{generation}/share", {"hours": "24"}, X_Fragment="1"
    ).get_json()["html"]
    link = re.search(r"http://localhost(/shared/[\w.-]+)", made)
    assert link
    public = visitor.get(link[1])
    assert "For &lt;b&gt;friends&lt;/b&gt;" in public.text
    assert public.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert "Profile" not in public.text
    picture = re.search(r'<img src="(/shared/media/[^"]+)"', public.text)
    assert picture
    file = visitor.get(picture[1].replace("&amp;", "&"))
    assert (file.status_code, file.mimetype) == (200, "image/png")
    assert visitor.get(picture[1].partition("?")[0]).status_code == 404, (
        "without its signature the file is closed"
    )
    assert visitor.get(f"/generations/{generation}").status_code == 302
    end = re.search(r'action="(/generations/[^"]+/shares/[^"]+/end)"', made)
    assert end
    browser.post(end[1], X_Fragment="1")
    gone = visitor.get(link[1])
    assert gone.status_code == 404
    assert "This link has ended" in gone.text
    assert browser.post(f"/generations/{generation}/share", {"hours": "99999"}).status_code == 400


def test_a_result_goes_to_the_persons_own_chat(
    stack: Stack, browser: Browser, account: TokensOut, bot: httpx.Client
) -> None:
    generation = make_image(browser, prompt="For my chat")
    finished(browser, generation)
    browser.get(f"/generations/{generation}")
    missing = browser.post(f"/generations/{generation}/send", {"chat": "telegram/"}, X_Fragment="1")
    assert missing.get_json()["error"]["code"] == "not_linked"
    link(stack, account, bot, "4711")
    assert "Send to Telegram" in browser.get(f"/generations/{generation}").text
    sent = browser.post(
        f"/generations/{generation}/send",
        {**browser.fields, "chat": "telegram/4711"},
        X_Fragment="1",
    )
    assert "On its way to Ada in Telegram." in sent.get_json()["toast"]
    claimed = bot.post("/bot/deliveries/claim?wait=5").json()
    assert [
        one["event"]["generation"]["id"]
        for one in claimed
        if one["event"]["type"] == "generation_completed"
    ] == [generation]
    why = {"reason": "chat_gone", "said": "chat not found <b>"}
    refused = {"lease": claimed[0]["lease"], **why, "final": True}
    bot.post(f"/bot/deliveries/{claimed[0]['id']}/fail", json=refused).raise_for_status()
    assert "1 message did not reach your chat." in browser.get("/").text
    inbox = browser.get("/inbox").text
    assert "For my chat" in inbox
    assert "The chat does not exist any more, or the bot is not in it." in inbox
    assert "chat not found &lt;b&gt;" in inbox
    away = re.search(r'action="(/inbox/[^"]+/put-aside)"', inbox)
    assert away
    assert browser.post(away[1], X_Fragment="1").get_json()["html"] == ""
    assert "Nothing waits here." in browser.get("/inbox").text


def link(stack: Stack, account: TokensOut, bot: httpx.Client, person: str) -> None:
    headers = {"authorization": f"Bearer {account.access_token}"}
    with httpx.Client(base_url=stack.api_url, headers=headers) as web:
        code = web.post("/links/codes", json={"platform": "telegram"}).json()
        body = {
            "code": code["code"],
            "platform_user_id": person,
            "display_name": "Ada",
            "chat_id": person,
            "private": True,
        }
        bot.post("/bot/links/redeem", json=body).raise_for_status()
        answer = {"code_id": code["id"], "platform_user_id": person, "accept": True}
        bot.post("/bot/links/answer", json=answer).raise_for_status()
        web.post(f"/links/codes/{code['id']}/confirm").raise_for_status()
        # the notice of the link is told first
        for told in bot.post("/bot/deliveries/claim?wait=0").json():
            bot.post(
                f"/bot/deliveries/{told['id']}/ack",
                json={"lease": told["lease"], "message_ids": ["1"]},
            ).raise_for_status()


def test_again_and_vary_make_another_one(browser: Browser) -> None:
    first = make_image(browser, prompt="Once more")
    finished(browser, first)
    browser.get(f"/generations/{first}")
    nonce = browser.fields["nonce"]
    for fields in ({"nonce": nonce}, {"nonce": nonce, "vary": "1"}):
        there = browser.post(f"/generations/{first}/again", fields).location
        assert first not in there
        assert "Once more" in browser.get(there).text
    several = make_image(browser, prompt="Two of them", n="2")
    second = re.findall(r'/generate/image\?image=([^"]+)"', finished(browser, several))[1]
    page = browser.get(f"/generations/{several}").text
    assert f'name="vary" value="{second}"' in page, "each picture can be varied"
    varied = browser.get(
        browser.post(f"/generations/{several}/again", {"nonce": nonce, "vary": second}).location
    ).text
    assert f"/media/{second}" in varied.partition("Began with")[2].partition("</dd>")[0]
    browser.get(f"/generations/{first}")
    assert "deleted for good" in browser.post(f"/generations/{first}/delete").text
    browser.post(f"/generations/{first}/delete", {"sure": "yes"})
    assert browser.get(f"/generations/{first}").status_code == 404


def test_the_spending_is_drawn_and_written(browser: Browser) -> None:
    assert "Nothing was spent in these days." in browser.get("/profile/spend").text
    finished(browser, make_image(browser))
    page = browser.get("/profile/spend?days=7").text
    assert "1 request" in page
    assert 'class="chart-bar"' in page
