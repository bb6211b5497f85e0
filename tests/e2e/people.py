"""A person at a chat, on either platform, who sends commands, presses buttons and sees messages;
and the same person on the web."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import httpx

from tests.fakes.discord import running_discord
from tests.fakes.discord_driver import FakeDiscord
from tests.fakes.telegram import running_telegram
from tests.fakes.telegram_driver import FakeTelegram
from tests.plain_http import PLAIN
from tests.stack import Stack

PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class Shown:
    """A message of the bot. `files` are content types; `answers` is the id of the message it
    replies to."""

    id: str
    text: str
    buttons: tuple[str, ...]
    files: tuple[str, ...]
    answers: str | None


class Person(Protocol):
    platform: str

    def env(self) -> dict[str, Any]:
        """Settings for `running_stack`."""
        ...

    async def connected(self) -> None: ...
    def says(self, command: str, text: str = "") -> None: ...
    def press(self, message: Shown, label: str) -> None: ...
    def messages(self) -> list[Shown]: ...
    async def sees(
        self, find: Callable[[list[Shown]], Shown | None], timeout: float = 30
    ) -> Shown: ...
    def content(self, message: Shown) -> bytes: ...


class TelegramPerson:
    platform = "telegram"
    chat = 501

    def __init__(self, fake: FakeTelegram, chat: int = chat) -> None:
        self.fake = fake
        self.chat = chat

    def env(self) -> dict[str, Any]:
        return {"telegram": self.fake}

    async def connected(self) -> None:
        await self.fake.polling(30)

    def says(self, command: str, text: str = "") -> None:
        self.fake.user_says(self.chat, self.chat, f"/{command} {text}".strip())

    def press(self, message: Shown, label: str) -> None:
        self.fake.press(self.chat, int(message.id), label, self.chat)

    def messages(self) -> list[Shown]:
        return [self._shown(one) for one in self.fake.scene().by_bot(self.chat)]

    @staticmethod
    def _shown(one: Any) -> Shown:
        files = (one.file.content_type,) if one.file else ()
        reply = str(one.reply_to) if one.reply_to else None
        return Shown(str(one.message_id), one.text, tuple(one.buttons), files, reply)

    async def sees(self, find: Callable[[list[Shown]], Shown | None], timeout: float = 30) -> Shown:
        return await self.fake.until(
            lambda scene: find([self._shown(one) for one in scene.by_bot(self.chat)]), timeout
        )

    def content(self, message: Shown) -> bytes:
        seen = next(
            one for one in self.fake.messages(self.chat) if str(one.message_id) == message.id
        )
        assert seen.file is not None
        return self.fake.content(seen.file)


class DiscordPerson:
    platform = "discord"
    user = "700000000000000001"
    channel = "800000000000000001"

    def __init__(self, fake: FakeDiscord, user: str = user, channel: str = channel) -> None:
        self.fake = fake
        self.user = user
        self.channel = channel

    def env(self) -> dict[str, Any]:
        return {"discord": self.fake}

    async def connected(self) -> None:
        await self.fake.connected(30)

    def says(self, command: str, text: str = "") -> None:
        name = {"link": "code", "cancel": "id", "ask": "question"}.get(command, "prompt")
        self.fake.slash(self.user, self.channel, command, {name: text} if text else {})

    def press(self, message: Shown, label: str) -> None:
        self.fake.press(self.user, self.channel, message.id, label)

    def messages(self) -> list[Shown]:
        return self._all(self.fake.scene())

    def _all(self, scene: Any) -> list[Shown]:
        return [
            Shown(
                one.id,
                one.text,
                tuple(one.buttons),
                tuple(file.content_type for file in one.attachments),
                one.reference,
            )
            for one in scene.by_bot(self.channel)
            if not one.loading
        ]

    async def sees(self, find: Callable[[list[Shown]], Shown | None], timeout: float = 30) -> Shown:
        return await self.fake.until(lambda scene: find(self._all(scene)), timeout)

    def content(self, message: Shown) -> bytes:
        seen = next(one for one in self.fake.scene().messages if one.id == message.id)
        return self.fake.content(seen.attachments[0])


@contextmanager
def person_on(platform: str) -> Iterator[Person]:
    if platform == "telegram":
        with running_telegram() as telegram:
            yield TelegramPerson(telegram)
    else:
        with running_discord() as discord:
            yield DiscordPerson(discord)


def containing(*texts: str, files: int = 0) -> Callable[[list[Shown]], Shown | None]:
    """Return a search for the newest message that holds all the texts and at least so many
    files."""

    def find(messages: list[Shown]) -> Shown | None:
        fits = [
            one
            for one in messages
            if all(text in one.text for text in texts) and len(one.files) >= files
        ]
        return fits[-1] if fits else None

    return find


class Account:
    """The first admin, who is also the person at the chat; talks to the api as a program would.
    `api_url`: another way to it than straight to the first one."""

    def __init__(self, stack: Stack, api_url: str | None = None) -> None:
        url = api_url or stack.api_url
        self.email = "ana@example.org"
        self.http = httpx.Client(base_url=url, timeout=30, trust_env=False, verify=PLAIN)
        body = {"token": stack.setup_token, "email": self.email, "password": PASSWORD}
        answer = self.http.post("/auth/setup", json=body)
        answer.raise_for_status()
        self.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def close(self) -> None:
        self.http.close()

    def sign_in(self) -> None:
        """Sign in anew: a token of access lives for a quarter of an hour."""
        body = {"email": self.email, "password": PASSWORD}
        answer = self.http.post("/auth/login", json=body).raise_for_status()
        self.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def get(self, path: str) -> Any:
        answer = self.http.get(path)
        answer.raise_for_status()
        return answer.json()

    async def link(self, person: Person) -> None:
        """Link the chat: code on the web, code in the chat, Yes there, Yes here."""
        code = (
            self.http.post("/links/codes", json={"platform": person.platform})
            .raise_for_status()
            .json()
        )
        if code["deep_link"] is not None:
            assert code["deep_link"].endswith(code["code"])
            person.says("start", code["code"])
        else:
            person.says("link", code["code"])
        asked = await person.sees(
            lambda messages: next((one for one in messages if "Yes" in one.buttons), None)
        )
        assert "a***" in asked.text or "an***" in asked.text, asked.text
        assert self.get(f"/links/codes/{code['id']}")["state"] == "redeemed"
        person.press(asked, "Yes")
        await person.sees(containing("confirm it on the web"))
        state = self.get(f"/links/codes/{code['id']}")
        assert state["chat_accepted"], state
        self.http.post(f"/links/codes/{code['id']}/confirm").raise_for_status()
        await person.sees(containing("now linked"))

    def jobs(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get("/generations")["items"]
        return found


class InvitedAccount(Account):
    """A member whom the admin has invited."""

    def __init__(self, admin: Account, email: str) -> None:
        self.email = email
        invited = admin.http.post("/users", json={"email": email}).raise_for_status().json()
        self.http = httpx.Client(
            base_url=admin.http.base_url, timeout=30, trust_env=False, verify=PLAIN
        )
        body = {"email": email, "password": PASSWORD, "invite": invited["token"]}
        answer = self.http.post("/auth/register", json=body).raise_for_status()
        self.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
