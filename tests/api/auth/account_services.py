"""The account services on a real database behind their real routes, and short ways to use them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, Literal, TypeVar

import httpx
import pytest
from fastapi import FastAPI

from api import ids
from api.admin import routes as admin_routes
from api.admin.service import AdminService
from api.auth import routes as auth_routes
from api.auth.bearers import Bearers
from api.auth.bots import BotService
from api.auth.recovery import Recovery
from api.auth.schemas import SetupIn, TokensOut
from api.auth.service import AuthService
from api.auth.sessions import Client
from api.auth.tokens import TokenSigner
from api.background import Background
from api.budget.service import BudgetService
from api.callers import CallerLookup
from api.catalog.service import Catalog
from api.db import Db
from api.deliveries.outbox import DeliveryOutbox
from api.deliveries.owners import Owners
from api.deliveries.schemas import AckIn, DeliveryOut, Notice
from api.deliveries.service import About, DeliveryService
from api.errors import NotFound
from api.links import routes as links_routes
from api.links.service import LinkService
from api.mail import Mailer
from api.metrics import Metrics
from api.places.service import PlaceService
from api.problems import add_handlers
from api.provider.types import ImageRoute, ModelInfo
from api.settings import MailServer
from api.users import routes as users_routes
from api.users.erasure import AccountEraser, Erase
from api.users.export import ExportedFile, ExportService
from api.users.passwords import Cost, Passwords
from api.users.preferences import Preferences
from api.users.service import UserService
from api.wake import Wake

T = TypeVar("T")

SETUP_TOKEN = "the setup token of the first start"
KEYS = {
    "telegram": "telegram-key-" + "t" * 30,
    "discord": "discord-key-" + "d" * 30,
    "terminal": "terminal-key-" + "x" * 30,
}
ADMIN = ("admin@example.org", "an admin's long password")
HERE = Client("pytest", "192.0.2.1")
one_engine = pytest.mark.parametrize("database", ["postgresql"], indirect=True)
"""For tests of the layers above the database; each SQL text has a test on both engines elsewhere. A
statement costs far less on this engine."""

ROUNDS = {"postgresql": 50, "duckdb": 3}
"""Rounds of sixteen at once. DuckDB runs one transaction after the other, so fewer rounds prove as
much."""

CHEAP = Cost(memory=8)
"""A password hash that costs nothing: the real cost has its own test."""


@dataclass
class World:
    db: Db
    signer: TokenSigner
    users: UserService
    links: LinkService
    auth: AuthService
    bots: BotService
    callers: CallerLookup
    recovery: Recovery
    deliveries: DeliveryService
    operations: AdminService
    eraser: AccountEraser
    erasers: list[Erase]
    http: httpx.AsyncClient

    async def ask(
        self, method: str, path: str, *, as_: str | None = None, **options: Any
    ) -> httpx.Response:
        """Send a request; `as_` is the bearer."""
        return await self.http.request(
            method, path, headers={"authorization": f"Bearer {as_}"} if as_ else {}, **options
        )

    async def admin(self) -> TokensOut:
        """Return the tokens of the first admin, signed in."""
        return await self.auth.setup(
            SetupIn.model_validate({"token": SETUP_TOKEN, "email": ADMIN[0], "password": ADMIN[1]}),
            HERE,
        )

    async def person(self, name: str = "alice", password: str = "a good password") -> TokensOut:
        response = await self.ask(
            "POST", "/auth/register", json={"email": f"{name}@example.org", "password": password}
        )
        assert response.status_code == 201, response.text
        return TokensOut.model_validate(response.json())

    async def login(self, name: str, password: str) -> TokensOut:
        response = await self.ask(
            "POST", "/auth/login", json={"email": f"{name}@example.org", "password": password}
        )
        assert response.status_code == 200, response.text
        return TokensOut.model_validate(response.json())

    async def linked(
        self, access_token: str, identity: str = "100", platform: str = "telegram"
    ) -> None:
        """Link a chat identity by the whole protocol."""
        code = (
            await self.ask("POST", "/links/codes", as_=access_token, json={"platform": platform})
        ).json()
        redeem = {
            "code": code["code"],
            "platform_user_id": identity,
            "display_name": "Al",
            "chat_id": f"chat-{identity}",
            "private": True,
        }
        redeemed = await self.ask("POST", "/bot/links/redeem", as_=KEYS[platform], json=redeem)
        assert redeemed.status_code == 200, redeemed.text
        answer = {"code_id": code["id"], "platform_user_id": identity, "accept": True}
        again = await self.ask("POST", "/bot/links/answer", as_=KEYS[platform], json=answer)
        assert again.status_code == 200
        confirmed = await self.ask("POST", f"/links/codes/{code['id']}/confirm", as_=access_token)
        assert confirmed.status_code == 200, confirmed.text

    async def act(self, identity: str = "100", platform: str = "telegram") -> httpx.Response:
        body = {"platform_user_id": identity, "display_name": "Al", "chat_id": f"chat-{identity}"}
        return await self.ask("POST", "/bot/act", as_=KEYS[platform], json=body)

    async def act_token(self, identity: str = "100", platform: str = "telegram") -> str:
        return str((await self.act(identity, platform)).json()["access_token"])

    async def told(self, platform: str = "telegram") -> list[tuple[str, str, dict[str, str]]]:
        """Return the notices that wait for the platform's chats, as (chat, code, facts)."""

        async def never() -> bool:
            return False

        claimed: list[DeliveryOut] = []
        while found := await self.deliveries.claim(platform, 0, 100, never):
            claimed += found
            for one in found:
                await self.deliveries.ack(platform, one.id, AckIn(lease=one.lease))
        return [
            (one.address.chat_id, one.event.code, one.event.facts)
            for one in claimed
            if isinstance(one.event, Notice)
        ]

    async def count(self, table: str) -> int:
        row = await self.db.fetch_one(f"SELECT count(*) AS n FROM {table}")
        assert row is not None
        return int(row["n"])


class NoFiles:
    """A media store without files; they have tests of their own."""

    async def files_of_user(self, user_id: str) -> Sequence[ExportedFile]:
        return []

    async def whole(self, file_id: str) -> AsyncIterator[bytes]:
        raise NotFound("generation_unknown")


async def no_generations(ids: Sequence[str]) -> dict[str, About]:
    """Know no generations: only notices are delivered here."""
    return {}


class NoLists:
    """A provider without models."""

    is_sandbox = True

    async def models(self) -> Sequence[ModelInfo]:
        return []

    def guess_route(self, model: str) -> ImageRoute:
        raise LookupError(model)


def users_of(db: Db, cost: Cost = CHEAP) -> UserService:
    return UserService(
        db,
        passwords=Passwords(cost),
        figures=BudgetService(db),
        monthly_usd=Decimal(10),
        guest_monthly_usd=Decimal(1),
    )


def places_of(
    db: Db, users: UserService, chat_signup: Literal["link", "open"] = "link"
) -> PlaceService:
    catalog = Catalog(db, NoLists(), Wake())
    return PlaceService(db, users, BudgetService(db), catalog, chat_signup=chat_signup)


def deliveries_of(db: Db, wake: Wake) -> DeliveryService:
    outbox, users = DeliveryOutbox(db, wake), users_of(db)
    preferences = Preferences(db, Catalog(db, NoLists(), Wake()))
    owners = Owners(users, preferences, LinkService(db, users, outbox))
    return DeliveryService(db, wake, outbox, no_generations, owners, places_of(db, users))


def build(
    db: Db,
    *,
    web_signup: Literal["invite", "open"] = "open",
    chat_signup: Literal["link", "open"] = "link",
    cost: Cost = CHEAP,
    mail_server: MailServer | None = None,
) -> World:
    deliveries = deliveries_of(db, Wake())
    signer = TokenSigner(["a secret key that is long enough to sign"])
    users = users_of(db, cost)
    links = LinkService(db, users, deliveries.outbox)
    metrics = Metrics()
    recovery = Recovery(
        db,
        users=users,
        mail=Mailer(mail_server),
        background=Background(metrics),
        count=metrics,
        public_url="https://studio.example.org",
    )
    auth = AuthService(db, signer, users, recovery, setup_token=SETUP_TOKEN, web_signup=web_signup)
    places = places_of(db, users, chat_signup)
    bots = BotService(
        db, signer, users, links, places, chat_signup=chat_signup, new_key=lambda _: ids.token()
    )
    callers = Bearers(db, signer, users, bots.act)
    erasers: list[Erase] = [auth.erase, links.erase]
    eraser = AccountEraser(db, users, contents=[], records=erasers, guests_of=links.guests_of)
    admin = AdminService(db, users, eraser, auth, links)
    app = FastAPI()
    export = ExportService(db, NoFiles(), BudgetService(db))
    provided = (auth, bots, recovery, users, links, admin, eraser, export)
    app.state.services = SimpleNamespace(
        by_type={CallerLookup: callers} | {type(each): each for each in provided}
    )
    add_handlers(app)
    for routes in (auth_routes, users_routes, links_routes, admin_routes):
        app.router.routes.extend(routes.router.routes)
    http = httpx.AsyncClient(
        transport=httpx.ASGITransport(app, client=("192.0.2.9", 1)), base_url="http://api"
    )
    return World(
        db,
        signer,
        users,
        links,
        auth,
        bots,
        callers,
        recovery,
        deliveries,
        admin,
        eraser,
        erasers,
        http,
    )


@pytest.fixture
async def world(db: Db) -> AsyncIterator[World]:
    """Build the services; sign-up is open, and the bots have their keys."""
    made = build(db)
    await made.bots.adopt_keys(KEYS)
    async with made.http:
        yield made


async def race(count: int, work: Callable[[int], Awaitable[T]]) -> list[T | BaseException]:
    """Start all calls at the same moment, and return their results or errors."""
    barrier = asyncio.Barrier(count)

    async def one(number: int) -> T:
        await barrier.wait()
        return await work(number)

    return await asyncio.gather(*(one(number) for number in range(count)), return_exceptions=True)
