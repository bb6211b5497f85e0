"""People who ask at every door while processes die: in chats, over HTTP, and on the web.

Each asks for something under a marker of its own, by which it is found again everywhere.
"""

import asyncio
import html
import itertools
import random
import re
import time
from collections.abc import Awaitable, Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx

from tests.e2e.people import PASSWORD, Account, DiscordPerson, TelegramPerson
from tests.plain_http import PLAIN

Kind = Literal["image", "video", "text"]
ORDER: tuple[Kind, ...] = ("image", "text", "image", "video")
KNOWN_WITHIN = 90.0
"""Seconds within which a repeated request has an answer: in between its process is missed."""
BUSY = {409, 429, 503}
"""Statuses of answers that ask to come again."""
_AWAY = {429, 503}
REQUESTED = 1.5
"""Seconds between two requests of one person, about, unless a crowd is told otherwise."""


@dataclass
class Ask:
    """`place`: the platform and chat where the answer belongs; None: where it was asked nobody is
    told. `message`: the id of the message or interaction. `job`: the id that was told."""

    marker: str
    kind: Kind
    place: tuple[str, str] | None = None
    message: str = ""
    at: float = field(default_factory=time.monotonic)
    job: str = ""


def sent(http: httpx.AsyncClient, **request: Any) -> Callable[[], Awaitable[httpx.Response | None]]:
    async def send() -> httpx.Response | None:
        """None: the connection was refused or broke, as when a process is killed."""
        try:
            return await http.request(**request)
        except httpx.TransportError:
            return None

    return send


async def answered(
    ask: Callable[[], Awaitable[httpx.Response | None]], busy: Collection[int] = BUSY
) -> httpx.Response:
    """Ask until there is an answer that does not ask to come again, however long it asks to."""
    end = time.monotonic() + KNOWN_WITHIN
    while True:
        answer = await ask()
        if answer is not None and answer.status_code not in busy:
            return answer
        if answer is not None and answer.status_code == 429:
            end = time.monotonic() + KNOWN_WITHIN  # it is there, and has too much to do
        assert time.monotonic() < end, f"no answer: {answer and answer.text[:500]}"
        await asyncio.sleep(0.3)


class Crowd:
    """`asks` is all that was asked for until the `rest`, under markers that begin with `name`.
    `tidied` are asks that were cancelled, or deleted once they were over: `deleted` has the ids of
    these."""

    def __init__(self, seed: int, name: str = "", every: float = REQUESTED) -> None:
        self.asks: list[Ask] = []
        self.tidied: list[Ask] = []
        self.deleted: set[str] = set()
        self.resting = asyncio.Event()
        self.signed_out: list[str] = []
        self.pages = 0
        self._seed = seed
        self._name = name
        self._every = every

    def _asks(self, who: str, asks: list[Ask]) -> Iterator[Ask]:
        for number, kind in enumerate(itertools.cycle(ORDER)):
            made = Ask(f"{self._name}{who}-{number:03d}", kind)
            asks.append(made)
            yield made

    async def _each(
        self,
        who: str,
        act: Callable[[Ask], Awaitable[None]],
        asks: list[Ask] | None = None,
    ) -> None:
        chance = random.Random(f"{self._seed} {who}")
        for ask in self._asks(who, self.asks if asks is None else asks):
            await act(ask)
            try:
                async with asyncio.timeout(chance.uniform(0.7, 1.3) * self._every):
                    await self.resting.wait()
                return
            except TimeoutError:
                continue

    async def on_telegram(self, person: TelegramPerson) -> None:
        async def act(ask: Ask) -> None:
            command = "ask" if ask.kind == "text" else ask.kind
            said = person.fake.user_says(person.chat, person.chat, f"/{command} {ask.marker}")
            ask.place, ask.message = ("telegram", str(person.chat)), str(said)

        await self._each(f"telegram{person.chat}", act)

    async def on_discord(self, person: DiscordPerson, guild: str | None) -> None:
        async def act(ask: Ask) -> None:
            command, option = {
                "text": ("ask", "question"),
                "image": ("image", "prompt"),
                "video": ("video", "prompt"),
            }[ask.kind]
            said = person.fake.slash(
                person.user, person.channel, command, {option: ask.marker}, guild=guild
            )
            ask.place, ask.message = ("discord", person.channel), said

        await self._each(f"discord{person.user[-3:]}", act)

    async def by_program(self, account: Account) -> None:
        """Ask with a key, and again with the same key until the outcome is known."""
        async with program(account) as http:

            async def act(ask: Ask) -> None:
                again = await _asked(http, ask)
                if ask.kind != "text":
                    assert (await answered(again)).json()["id"] == ask.job, (
                        "the same key is the same job"
                    )

            await self._each("program", act)

    async def tidying(self, account: Account) -> None:
        """Ask, then cancel, or delete once it is over."""
        async with program(account) as http:

            async def act(ask: Ask) -> None:
                ask.kind = "image" if ask.kind == "text" else ask.kind
                await _asked(http, ask)
                path = f"/generations/{ask.job}"
                if len(self.tidied) % 2:
                    await answered(sent(http, method="POST", url=f"{path}/cancel"), _AWAY)
                    return
                while not self.resting.is_set():
                    job = await answered(sent(http, method="GET", url=path))
                    if job.json()["status"] in {"completed", "failed"}:
                        gone = await answered(sent(http, method="DELETE", url=path), _AWAY)
                        assert gone.status_code in {204, 404}, gone.text
                        self.deleted.add(ask.job)
                        return
                    await asyncio.sleep(0.3)

            await self._each("tidy", act, self.tidied)

    async def on_web(self, url: str, email: str) -> None:
        async with httpx.AsyncClient(
            base_url=url, timeout=30, trust_env=False, verify=PLAIN
        ) as http:
            visitor = Visitor(http, self)
            await visitor.sign_in(email)

            async def act(ask: Ask) -> None:
                ask.kind = "image"
                await visitor.make(ask)
                for path in ("/", "/gallery", "/profile"):
                    await visitor.get(path)

            await self._each("web", act)
            await visitor.get("/profile")


def program(account: Account) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=account.http.base_url,
        headers={"Authorization": account.http.headers["Authorization"]},
        timeout=30,
        trust_env=False,
        verify=PLAIN,
    )


async def _asked(
    http: httpx.AsyncClient, ask: Ask
) -> Callable[[], Awaitable[httpx.Response | None]]:
    """Ask until it is accepted, and return the request, for once more."""
    again = sent(
        http,
        method="POST",
        url=f"/generate/{ask.kind}",
        headers={"Idempotency-Key": ask.marker, "Prefer": "respond-async"},
        json={"prompt": ask.marker},
    )
    answer = await answered(again)
    assert answer.status_code in {200, 202}, answer.text
    if ask.kind != "text":
        ask.job = answer.json()["id"]
    return again


class Visitor:
    """A browser without scripts, which reloads what did not come."""

    def __init__(self, http: httpx.AsyncClient, crowd: Crowd) -> None:
        self._http = http
        self._crowd = crowd

    async def sign_in(self, email: str) -> None:
        form = await self.get("/login", signed_in=False)
        body = {"csrf_token": _token(form), "email": email, "password": PASSWORD}
        end = time.monotonic() + KNOWN_WITHIN
        while True:
            answer = await answered(sent(self._http, method="POST", url="/login", data=body))
            if answer.headers.get("location") == "/":
                return
            # the api was away just then
            assert time.monotonic() < end, answer.text
            await asyncio.sleep(0.5)

    async def get(self, path: str, *, signed_in: bool = True) -> str:
        answer = await answered(sent(self._http, method="GET", url=path))
        self._crowd.pages += 1
        if signed_in and answer.is_redirect and "/login" in answer.headers["location"]:
            self._crowd.signed_out.append(path)
        assert answer.status_code == 200, (path, answer.status_code, answer.text[:500])
        return answer.text

    async def make(self, ask: Ask) -> None:
        """Send the form, and send it again while nobody says what has become of it."""
        page = await self.get("/generate/image")
        nonce = re.search(r'name="nonce" value="([^"]+)"', page)
        model = re.search(r'<option value="([^"]+)"[^>]*selected', page)
        assert nonce
        assert model
        body = {
            "csrf_token": _token(page),
            "nonce": nonce[1],
            "model": html.unescape(model[1]),
            "prompt": ask.marker,
        }
        answer = await answered(sent(self._http, method="POST", url="/generate/image", data=body))
        assert answer.is_redirect, (answer.status_code, answer.text[:3000])
        found = re.search(r"job=([\w-]+)", answer.headers["location"])
        assert found, answer.headers["location"]
        ask.job = found[1]


def _token(page: str) -> str:
    found = re.search(r'name="csrf-token" content="([^"]+)"', page)
    assert found, page[:500]
    return html.unescape(found[1])
