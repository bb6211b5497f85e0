"""A running studio with everybody who may ask it something, for calls over HTTP."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, get_args

import httpx
import jwt

from api.auth.tokens import TokenSigner
from api.budget.schemas import SharedScope
from api.callers import ACTING_FOR
from api.secrets import ensure_secrets
from tests.api.harness import PASSWORD
from tests.plain_http import PLAIN
from tests.stack import Stack

CALLERS = (
    "nobody", "garbage", "member", "other member", "admin", "chat of the member", "bot",
    "bot for the member", "other bot",
)  # fmt: skip
PLATFORM = "telegram"
MARK = "marker-of-ana"
"""Stands in all that the member has: nobody else may read it."""


@dataclass
class Person:
    email: str
    user_id: str
    session_id: str
    chat: str | None = None


@dataclass
class Studio:
    """`people` are made anew when a call has ended their account or session."""

    stack: Stack
    people: dict[str, Person] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.http = httpx.Client(
            base_url=self.stack.api_url, timeout=60, trust_env=False, verify=PLAIN
        )
        self.signer = TokenSigner([ensure_secrets(self.stack.data_dir).secret_key])
        self.people["admin"] = self._person("admin", setup=True)
        self.renew()

    def ask(self, token: str | None, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        try:
            return self.http.request(method, path, json=body, headers=headers)
        except httpx.RemoteProtocolError:
            # the server has just closed a connection that nothing came over
            return self.http.request(method, path, json=body, headers=headers)

    def good(self, token: str | None, method: str, path: str, body: Any = None) -> Any:
        answer = self.ask(token, method, path, body)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def renew(self) -> None:
        """Make those anew who cannot ask any more."""
        if not self._is_in("admin") or self._role("admin") != "admin":
            self.people["admin"] = self._promoted(self._person("admin"))
        for name in ("member", "other member"):
            if not self._is_in(name):
                self.people[name] = self._person(name)
        member = self.people["member"]
        if member.chat is None or not self._is_in("chat of the member"):
            member.chat = self._linked(member)
        self._undo()

    def _undo(self) -> None:
        """Take back what an admin has decided about everybody: with no money left, nothing more
        would be made."""
        admin = self.token("admin")
        for scope in get_args(SharedScope):
            self.good(admin, "PUT", "/admin/budgets", {"scope": scope, "monthly_usd": None})

    def token(self, caller: str) -> str | None:
        if caller in self.people:
            person = self.people[caller]
            return self.signer.access(person.user_id, person.session_id)
        member = self.people["member"]
        if caller == "chat of the member":
            chat = member.chat or ""
            return self.signer.act(
                member.user_id, platform=PLATFORM, platform_user_id=chat, chat_id=chat
            )
        keys = ensure_secrets(self.stack.data_dir).bot_keys
        return {
            "nobody": None,
            "garbage": "garbage",
            "bot": keys[PLATFORM],
            "other bot": keys["discord"],
        }[caller]

    def headers(self, caller: str) -> dict[str, str]:
        """Return what a caller proves itself by. A bot may name the person with the call itself."""
        person = caller == "bot for the member"
        token = self.token("bot" if person else caller)
        found = {} if token is None else {"Authorization": f"Bearer {token}"}
        if person:
            chat = self.people["member"].chat
            who = {"platform_user_id": chat, "display_name": "Ana", "chat_id": chat}
            found[ACTING_FOR] = json.dumps(who)
        return found

    def _is_in(self, name: str) -> bool:
        return (name in self.people or "chat" in name) and self.ask(
            self.token(name), "GET", "/users/me"
        ).status_code == httpx.codes.OK

    def _role(self, name: str) -> object:
        return self.good(self.token(name), "GET", "/users/me")["role"]

    def _promoted(self, person: Person) -> Person:
        key = ensure_secrets(self.stack.data_dir).operator_key
        self.good(key, "POST", "/internal/admins", {"email": person.email, "promote": True})
        return person

    def _person(self, name: str, *, setup: bool = False) -> Person:
        number = next(self.numbers)
        email = f"{name.replace(' ', '-')}-{number}@example.org"
        body = {"email": email, "password": PASSWORD}
        if setup:
            body["token"] = self.stack.setup_token
        # each from a network of its own: sign-ups are counted by that
        network = {"X-Forwarded-For": f"10.{number // 250}.{number % 250}.1"}
        answer = self.http.post(
            "/auth/setup" if setup else "/auth/register", json=body, headers=network
        )
        assert answer.status_code == httpx.codes.CREATED, answer.text
        made = answer.json()
        token = made["access_token"]
        claims = jwt.decode(token, options={"verify_signature": False})
        return Person(email, made["user"]["id"], claims["sid"])

    def _linked(self, person: Person) -> str:
        chat, bot = str(1000 + next(self.numbers)), self.token("bot")
        token = self.signer.access(person.user_id, person.session_id)
        self.good(bot, "PUT", "/bot/profile", {"name": "bot", "link_template": None})
        code = self.good(token, "POST", "/links/codes", {"platform": PLATFORM})
        who = {"platform_user_id": chat, "display_name": "Ana", "chat_id": chat}
        said = {**who, "code": code["code"], "private": True}
        self.good(bot, "POST", "/bot/links/redeem", said)
        answer = {"code_id": code["id"], "platform_user_id": chat, "accept": True}
        self.good(bot, "POST", "/bot/links/answer", answer)
        self.good(token, "POST", f"/links/codes/{code['id']}/confirm")
        return chat
