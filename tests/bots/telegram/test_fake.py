"""The fake refuses what Telegram refuses: without that, the other tests here would prove
nothing."""

import asyncio
import json
import sys
from typing import Any

import httpx
import pytest

from tests.bots.telegram.conftest import CHAT, GROUP, USER
from tests.bots.telegram.test_sending import picture
from tests.fakes.telegram import FakeTelegram
from tests.plain_http import PLAIN

Files = dict[str, tuple[str, bytes]]


def call(
    fake: FakeTelegram,
    method: str,
    files: Files | None = None,
    token: str | None = None,
    **params: Any,
) -> tuple[int, Any]:
    data = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in params.items()
    }
    answer = httpx.post(
        f"{fake.api_url}/bot{token or fake.token}/{method}",
        data=data,
        files=files,
        trust_env=False,
        verify=PLAIN,
    )
    body = answer.json()
    return answer.status_code, body["result"] if body["ok"] else body["description"]


def keys(data: str) -> dict[str, Any]:
    return {"inline_keyboard": [[{"text": "x", "callback_data": data}]]}


@pytest.mark.parametrize(
    ("method", "params", "status", "words"),
    [
        ("sendMessage", {"text": "a" * 4096}, 200, ""),
        ("sendMessage", {"text": "a" * 4097}, 400, "message is too long"),
        ("sendMessage", {"text": "🦊" * 2049}, 400, "message is too long"),
        ("sendMessage", {"text": " \n"}, 400, "message text is empty"),
        ("sendMessage", {"text": "a", "parse_mode": "HTML"}, 400, "can't parse entities"),
        (
            "sendMessage",
            {"text": "a", "entities": [{"type": "bold", "offset": 0, "length": 2}]},
            400,
            "entity beginning",
        ),
        ("sendMessage", {"text": "a", "reply_markup": keys("d" * 64)}, 200, ""),
        ("sendMessage", {"text": "a", "reply_markup": keys("d" * 65)}, 400, "BUTTON_DATA_INVALID"),
        ("sendMessage", {"text": "a", "reply_markup": keys("")}, 400, "BUTTON_DATA_INVALID"),
        ("sendMessage", {"text": "a", "message_thread_id": 1}, 400, "message thread not found"),
        (
            "sendMessage",
            {"text": "a", "reply_parameters": {"message_id": 5}},
            400,
            "message to be replied not found",
        ),
        (
            "sendMessage",
            {
                "text": "a",
                "reply_parameters": {"message_id": 5, "allow_sending_without_reply": True},
            },
            200,
            "",
        ),
        ("sendMessage", {"text": "a", "chat_id": 5}, 400, "chat not found"),
        ("editMessageText", {"text": "a", "message_id": 5}, 400, "message to edit not found"),
        ("deleteMessage", {"message_id": 5}, 400, "message to delete not found"),
        (
            "sendMediaGroup",
            {"media": [{"type": "photo", "media": "attach://a"}]},
            400,
            "must include 2-10 items",
        ),
        ("answerCallbackQuery", {"callback_query_id": "none"}, 400, "query is too old"),
        ("getFile", {"file_id": "none"}, 400, "invalid file_id"),
        ("sendFlowers", {}, 404, "Not Found"),
    ],
)
def test_calls_without_files(
    fake: FakeTelegram, method: str, params: dict[str, Any], status: int, words: str
) -> None:
    fake.user_says(CHAT, USER, "hi")
    answer = call(fake, method, **{"chat_id": CHAT, **params})
    assert answer[0] == status, answer
    assert status == 200 or words in answer[1]


@pytest.mark.parametrize(
    ("method", "data", "caption", "status", "words"),
    [
        ("photo", picture(), "c" * 1024, 200, ""),
        ("photo", picture(), "c" * 1025, 400, "caption is too long"),
        ("photo", picture() + bytes(10_000_000), "", 400, "too big for a photo"),
        ("photo", picture(2100, 100), "", 400, "PHOTO_INVALID_DIMENSIONS"),
        ("photo", b"text", "", 400, "IMAGE_PROCESS_FAILED"),
        ("document", b"", "", 400, "file must be non-empty"),
        ("video", bytes(50_000_001), "", 413, "Request Entity Too Large"),
    ],
)
def test_uploads(
    fake: FakeTelegram, method: str, data: bytes, caption: str, status: int, words: str
) -> None:
    fake.user_says(CHAT, USER, "hi")
    answer = call(
        fake, f"send{method.title()}", {method: ("f", data)}, chat_id=CHAT, caption=caption
    )
    assert answer[0] == status, answer
    assert status == 200 or words in answer[1]


def test_tokens_and_identical_edits(fake: FakeTelegram) -> None:
    fake.user_says(CHAT, USER, "hi")
    assert call(fake, "getMe", token="1:other") == (401, "Unauthorized")
    assert call(fake, "getMe", token="nonsense")[0] == 404
    _, sent = call(fake, "sendMessage", chat_id=CHAT, text="a")
    status, words = call(
        fake, "editMessageText", chat_id=CHAT, message_id=sent["message_id"], text=" a "
    )
    assert (status, "message is not modified" in words) == (400, True)
    fake.block(CHAT)
    assert call(fake, "sendMessage", chat_id=CHAT, text="a") == (
        403,
        "Forbidden: bot was blocked by the user",
    )


def test_updates_stay_until_confirmed_and_privacy_mode_hides_group_talk(fake: FakeTelegram) -> None:
    fake.user_says(GROUP, USER, "among us, @fake_bot", private=False)
    fake.user_says(GROUP, USER, "/ask me", private=False)
    _, updates = call(fake, "getUpdates")
    assert [one["message"]["text"] for one in updates] == ["/ask me"]
    assert call(fake, "getUpdates") == (200, updates)
    assert call(fake, "getUpdates", offset=updates[0]["update_id"] + 1) == (200, [])
    fake.settings(webhook="https://example.org/")
    assert call(fake, "getUpdates")[0] == 409


async def test_the_second_poller_ends_the_first(fake: FakeTelegram) -> None:
    first = asyncio.create_task(asyncio.to_thread(call, fake, "getUpdates", timeout=60))
    await fake.polling()
    assert (await asyncio.to_thread(call, fake, "getUpdates", timeout=0))[0] == 200
    status, words = await asyncio.wait_for(first, 10)
    assert (status, "terminated by other getUpdates" in words) == (409, True)


async def test_a_fake_in_another_process_is_driven_over_http() -> None:
    command = [
        sys.executable,
        "-m",
        "tests.fakes.telegram",
        "--port",
        "0",
        "--token",
        "77:AnotherToken",
    ]
    running = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        assert running.stdout is not None
        said = (await asyncio.wait_for(running.stdout.readline(), 30)).decode()
        api_url = next(
            word for word in said.split() if word.startswith("TELEGRAM_API_URL=")
        ).partition("=")[2]
        fake = FakeTelegram(api_url, "77:AnotherToken")
        fake.user_says(CHAT, USER, "hi")
        assert call(fake, "sendMessage", chat_id=CHAT, text="hello")[0] == 200
        assert (await fake.message(CHAT)).text == "hello"
        fake.close()
    finally:
        running.terminate()
        await running.communicate()
