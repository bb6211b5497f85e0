"""All kinds of callers of the api, and the things that they call it about."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from itertools import count
from typing import Any
from urllib.parse import urlsplit

import httpx
import jwt

from api import ids
from api.auth.tokens import TokenSigner
from api.links.schemas import CodeOut
from api.secrets import Secrets, ensure_secrets
from tests.api.harness import PASSWORD, Api
from tests.api.roles import Row

MARK = "marker-of-ana"
"""Part of everything that ana has: nobody else may ever read it."""

Made = Mapping[str, str]


@dataclass(frozen=True)
class Person:
    user_id: str
    session_id: str
    refresh_token: str
    identity: str
    """Her numeric id on the first platform."""


@dataclass
class World:
    api: Api
    people: dict[str, Person] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: count(1000))
    videos: list[str] = field(default_factory=list)
    kept: dict[str, Made] = field(default_factory=dict)
    revoked_bot_key: str = ""

    @cached_property
    def secrets(self) -> Secrets:
        return ensure_secrets(self.api.data_dir)

    @cached_property
    def signer(self) -> TokenSigner:
        return TokenSigner([self.secrets.secret_key])

    async def call(
        self, token: str | None, method: str, path: str, json: Any = None, **headers: str
    ) -> httpx.Response:
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return await self.api.client.request(method, path, json=json, headers=headers)

    async def good(
        self, token: str | None, method: str, path: str, json: Any = None, **headers: str
    ) -> Any:
        answer = await self.call(token, method, path, json, **headers)
        assert answer.is_success, f"{method} {path}: {answer.text}"
        return answer.json() if answer.content else None

    async def person(self, name: str, setup_token: str | None = None) -> Person:
        """Return a person, signed in and linked. Each has a network address of her own, because
        sign-ups are limited per address."""
        number = next(self.numbers)
        body = {"email": f"{name}@example.org", "password": PASSWORD} | (
            {"token": setup_token} if setup_token else {}
        )
        transport = httpx.ASGITransport(
            self.api.app, client=(f"10.{number // 250}.{number % 250}.1", 1)
        )
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            answer = await client.post(
                "/auth/setup" if setup_token else "/auth/register", json=body
            )
        assert answer.status_code == 201, answer.text
        tokens = answer.json()
        return Person(
            tokens["user"]["id"],
            _claims(tokens["access_token"])["sid"],
            tokens["refresh_token"],
            str(number),
        )

    async def sign_in(self, person: Person, email: str) -> Person:
        """Sign the person in once more, in another session."""
        tokens = await self.good(
            None, "POST", "/auth/login", {"email": email, "password": PASSWORD}
        )
        return replace(
            person,
            session_id=_claims(tokens["access_token"])["sid"],
            refresh_token=tokens["refresh_token"],
        )

    async def link(self, person: Person, identity: str | None = None) -> None:
        """Link by the services: the steps over HTTP are rows of their own."""
        code = await self.answered(person, identity or person.identity)
        await self.api.services.links.confirm(person.user_id, code.id)

    async def answered(self, person: Person, identity: str) -> CodeOut:
        code = await self.redeemed(person, identity)
        body = {"code_id": code.id, "platform_user_id": identity, "accept": True}
        await self.good(self.secrets.bot_keys["telegram"], "POST", "/bot/links/answer", body)
        return code

    async def redeemed(self, person: Person, identity: str) -> CodeOut:
        await self.api.services.db.execute("DELETE FROM throttles")
        code = await self.api.services.links.start(person.user_id, "telegram")
        body = {
            "code": code.code,
            "platform_user_id": identity,
            "display_name": "x",
            "chat_id": identity,
            "private": True,
        }
        await self.good(self.secrets.bot_keys["telegram"], "POST", "/bot/links/redeem", body)
        return code

    def access(self, person: Person) -> str:
        """Return a token that is made for this call, so that none expires on a slow machine."""
        return self.signer.access(person.user_id, person.session_id)

    def act(self, person: Person, identity: str | None = None) -> str:
        identity = identity or person.identity
        return self.signer.act(
            person.user_id, platform="telegram", platform_user_id=identity, chat_id=identity
        )

    def forged(self, *, typ: str = "at+jwt", key: bytes | None = None, **claims: Any) -> str:
        """Return an admin's access token, signed with our own key, that differs in one thing."""
        real = self.access(self.people["admin"])
        ours = self.signer._signing
        headers = {"kid": ours.id, "typ": typ}
        return jwt.encode(
            _claims(real) | claims, ours.secret if key is None else key, "HS256", headers=headers
        )

    async def thing(self, row: Row) -> Made:
        """Return the thing that the row is about: a new one for a row that spends it, else one for
        all."""
        if row.spends:
            return await THINGS[row.made](self)
        if row.made not in self.kept:
            self.kept[row.made] = await THINGS[row.made](self)
        return self.kept[row.made]

    async def tidy(self) -> None:
        """Cancel the videos: they never end here, and nobody may have many under way."""
        keep = {made.get("generation_id") for made in self.kept.values()}
        for video in self.videos:
            if video not in keep:
                await self.call(
                    self.access(self.people["user"]), "POST", f"/generations/{video}/cancel"
                )
        self.videos[:] = [video for video in self.videos if video in keep]


def _claims(token: str) -> dict[str, Any]:
    return dict(jwt.decode(token, options={"verify_signature": False}))


async def make_people(api: Api) -> World:
    """Make all callers. `revoked` and `disabled` lost an admin's rights: an access check that is
    left out would let them in."""
    world = World(api)
    people = world.people
    people["admin"] = await world.person("marker-of-admin", world.secrets.setup_token)
    for name, email in {
        "user": MARK,
        "other": "bob",
        "disabled": "carl",
        "revoked": "dora",
    }.items():
        people[name] = await world.person(email)
    people["long ago"] = await world.sign_in(people["user"], f"{MARK}@example.org")
    long_ago = ids.now() - timedelta(hours=1)
    await api.services.db.execute(
        "UPDATE sessions SET created_at = $2 WHERE id = $1", people["long ago"].session_id, long_ago
    )
    world.revoked_bot_key = await _revoked_bot_key(world)
    for name in ("user", "admin", "disabled"):
        await world.link(people[name])
    await world.good(world.access(people["user"]), "PUT", "/users/me", {"display_name": MARK})
    for name in ("disabled", "revoked"):
        await api.services.db.execute(
            "UPDATE users SET role = 'admin' WHERE id = $1", people[name].user_id
        )
    await world.good(world.access(people["revoked"]), "POST", "/auth/logout")
    await api.services.db.execute(
        "UPDATE users SET status = 'disabled' WHERE id = $1", people["disabled"].user_id
    )
    return world


Caller = Callable[[World], str | None]

MAY: dict[str, Caller] = {
    "user": lambda w: w.access(w.people["user"]),
    "other user": lambda w: w.access(w.people["other"]),
    "admin": lambda w: w.access(w.people["admin"]),
    "signed in long ago": lambda w: w.access(w.people["long ago"]),
    "act token": lambda w: w.act(w.people["user"]),
    "act token of an admin": lambda w: w.act(w.people["admin"]),
    "bot": lambda w: w.secrets.bot_keys["telegram"],
    "another platform's bot": lambda w: w.secrets.bot_keys["discord"],
    "operator's key": lambda w: w.secrets.operator_key,
}
"""People of whom each may do something else."""

NEVER: dict[str, Caller] = {
    "nobody": lambda w: None,
    "garbage": lambda w: "garbage",
    "disabled admin": lambda w: w.access(w.people["disabled"]),
    "act token of a disabled user": lambda w: w.act(w.people["disabled"]),
    "act token of an unlinked chat": lambda w: w.act(w.people["user"], "1"),
    "act token for another's chat": lambda w: w.act(w.people["admin"], w.people["user"].identity),
    "revoked session": lambda w: w.access(w.people["revoked"]),
    "another's session": lambda w: w.forged(sid=w.people["user"].session_id),
    "expired": lambda w: w.forged(iat=_seconds() - 901, exp=_seconds() - 1),
    "lives too long": lambda w: w.forged(exp=_seconds() + 86_400),
    "wrong typ": lambda w: w.forged(typ="rt+jwt"),
    "act typ without an actor": lambda w: w.forged(typ="act+jwt"),
    "wrong aud": lambda w: w.forged(aud="another-api"),
    "wrong iss": lambda w: w.forged(iss="another"),
    "another key": lambda w: w.forged(key=b"another key that is long enough too"),
    "refresh token": lambda w: w.people["user"].refresh_token,
    "revoked bot key": lambda w: w.revoked_bot_key,
    "setup token": lambda w: w.secrets.setup_token,
    "signing key": lambda w: w.secrets.secret_key,
}
"""People whom every guarded route refuses."""


def _seconds() -> int:
    return int(ids.now().timestamp())


async def _account(world: World) -> Made:
    return {"user_id": (await world.person(f"somebody-{next(world.numbers)}")).user_id}


async def _invited_account(world: World) -> Made:
    body = {"email": f"invited-{next(world.numbers)}@example.org"}
    return {
        "user_id": (await world.good(world.access(world.people["admin"]), "POST", "/users", body))[
            "user"
        ]["id"]
    }


async def _session(world: World) -> Made:
    """Another session of ana's."""
    ana = await world.sign_in(world.people["user"], f"{MARK}@example.org")
    return {"user_id": ana.user_id, "session_id": ana.session_id}


async def _credential(world: World) -> Made:
    """A key of the platform whose bot does nothing here."""
    made = await world.good(
        world.access(world.people["admin"]), "POST", "/admin/bot-credentials/terminal/rotate"
    )
    return {"platform": "terminal", "credential_id": made["id"], "key": made["key"]}


async def _revoked_bot_key(world: World) -> str:
    made = await _credential(world)
    await world.good(
        world.access(world.people["admin"]),
        "DELETE",
        f"/admin/bot-credentials/{made['credential_id']}",
    )
    return made["key"]


async def _backup(world: World) -> Made:
    """An empty backup: making a real one takes long."""
    name = "allucanget-20260101-000000.zip"
    folder = world.api.data_dir / "backups"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"zip")
    return {"name": name}


async def _broadcast(world: World) -> Made:
    """A broadcast to a platform without chats, so that nothing of it waits."""
    body = {"text": MARK, "platforms": ["discord"]}
    made = await world.good(world.access(world.people["admin"]), "POST", "/admin/broadcast", body)
    return {"broadcast_id": made["id"]}


async def _join(world: World) -> Made:
    await world.api.services.db.execute("DELETE FROM throttles")
    bot, admin = world.secrets.bot_keys["telegram"], world.access(world.people["admin"])
    body = {"platform_user_id": str(next(world.numbers)), "chat_id": "1"}
    await world.good(bot, "POST", "/bot/joins", body)
    return {"join_id": (await world.good(admin, "GET", "/admin/joins"))["waiting"][-1]["id"]}


async def _place(world: World) -> Made:
    """A group on the first platform."""
    group = f"-{next(world.numbers)}"
    seen = {"platform_place_id": group, "name": MARK, "chat_id": group}
    made = await world.good(world.secrets.bot_keys["telegram"], "POST", "/bot/places", seen)
    return {"place_id": made["id"], "platform_place_id": group}


async def _model(world: World) -> Made:
    models = await world.good(
        world.access(world.people["admin"]), "GET", "/admin/models?kind=video"
    )
    return {"model_id": models["items"][0]["id"]}


async def _code(world: World) -> Made:
    await world.api.services.db.execute("DELETE FROM throttles")
    code = await world.api.services.links.start(world.people["user"].user_id, "telegram")
    return {"code_id": code.id, "code": code.code, "platform_user_id": str(next(world.numbers))}


async def _redeemed_code(world: World) -> Made:
    identity = str(next(world.numbers))
    return {
        "code_id": (await world.redeemed(world.people["user"], identity)).id,
        "platform_user_id": identity,
    }


async def _answered_code(world: World) -> Made:
    return {"code_id": (await world.answered(world.people["user"], str(next(world.numbers)))).id}


async def _link(world: World) -> Made:
    identity = str(next(world.numbers))
    await world.link(world.people["user"], identity)
    return {"platform": "telegram", "platform_user_id": identity}


async def _generation(world: World) -> Made:
    """A finished image of ana's; `signature` opens its file, `old_signature` expired in 1970."""
    made = await world.good(
        world.access(world.people["user"]), "POST", "/generate/image", {"prompt": MARK}
    )
    signature = urlsplit(made["images"][0]["url"]).query
    media_id = made["images"][0]["id"]
    links = world.api.services.media.links
    old = f"exp=1&sig={links._sign(links._keys[0], media_id, 1)}"
    return {
        "generation_id": made["id"],
        "media_id": media_id,
        "signature": signature,
        "old_signature": old,
    }


async def _share(world: World) -> Made:
    """A public link to an image of ana's."""
    made = await _generation(world)
    share = await world.good(
        world.access(world.people["user"]),
        "POST",
        f"/generations/{made['generation_id']}/share",
        {"hours": 1},
    )
    return {
        "generation_id": made["generation_id"],
        "share_id": share["id"],
        "token": share["token"],
    }


async def _two_generations(world: World) -> Made:
    """Two images; `foreign_signature` opens the file of the second."""
    return {
        **await _generation(world),
        "foreign_signature": (await _generation(world))["signature"],
    }


async def _video(world: World) -> Made:
    return await _start_video(world, world.access(world.people["user"]), {"prompt": MARK})


async def _chats_video(world: World) -> Made:
    """A video that ana's bot asked for in her chat."""
    ana = world.people["user"]
    address = {"platform": "telegram", "chat_id": ana.identity, "private": True}
    return await _start_video(world, world.act(ana), {"prompt": MARK, "address": address})


async def _draft(world: World) -> Made:
    """A draft of a video whose price ana's bot was asked to have confirmed."""
    ana = world.people["user"]
    await world.good(world.access(ana), "PUT", "/users/me", {"confirm_above_usd": "0"})
    body = {
        "prompt": MARK,
        "address": {"platform": "telegram", "chat_id": ana.identity, "private": True},
    }
    asked = await world.call(world.act(ana), "POST", "/generate/video", body)
    await world.good(world.access(ana), "PUT", "/users/me", {"confirm_above_usd": None})
    return {"draft_id": asked.json()["draft_id"]}


async def _start_video(world: World, token: str, body: dict[str, Any]) -> Made:
    """A video of ana's that is being made; `token` is the one in the webhook's address."""
    made = await world.good(token, "POST", "/generate/video", body)
    row = await world.api.services.db.fetch_one(
        "SELECT callback_token FROM generations WHERE id = $1", made["id"]
    )
    assert row is not None
    world.videos.append(made["id"])
    return {"generation_id": made["id"], "token": row["callback_token"]}


async def _conversation(world: World) -> Made:
    answer = await world.good(
        world.access(world.people["user"]), "POST", "/generate/text", {"prompt": MARK}
    )
    return {"conversation_id": answer["conversation_id"], "answer_id": answer["id"]}


async def _delivery(world: World) -> Made:
    """A delivery that is leased by the first platform's bot."""
    services = world.api.services
    async with services.db.transaction() as sql:
        chat = f"chat-{next(world.numbers)}"
        await services.outbox.notify(
            sql, platform="telegram", chat_id=chat, code="linked", facts={"account_hint": MARK}
        )
    claimed = await world.good(
        world.secrets.bot_keys["telegram"], "POST", "/bot/deliveries/claim?wait=0&limit=50"
    )
    return {"delivery_id": claimed[-1]["id"], "lease": claimed[-1]["lease"]}


async def _undelivered(world: World) -> Made:
    """A delivery of ana's that no chat took."""
    services, ana = world.api.services, world.people["user"]
    async with services.db.transaction() as sql:
        facts = {"account_hint": MARK}
        await services.outbox.notify(
            sql, platform="telegram", chat_id="1", code="linked", facts=facts, user_id=ana.user_id
        )
    row = await services.db.fetch_one("SELECT max(id) AS id FROM deliveries")
    assert row is not None
    await services.db.execute("UPDATE deliveries SET state = 'inbox' WHERE id = $1", row["id"])
    return {"delivery_id": row["id"]}


async def _nothing(world: World) -> Made:
    return {}


THINGS: dict[str, Callable[[World], Awaitable[Made]]] = {
    "": _nothing,
    "account": _account,
    "invited account": _invited_account,
    "session": _session,
    "credential": _credential,
    "backup": _backup,
    "broadcast": _broadcast,
    "join": _join,
    "place": _place,
    "model": _model,
    "code": _code,
    "redeemed code": _redeemed_code,
    "answered code": _answered_code,
    "link": _link,
    "generation": _generation,
    "two generations": _two_generations,
    "share": _share,
    "video": _video,
    "chat's video": _chats_video,
    "draft": _draft,
    "conversation": _conversation,
    "delivery": _delivery,
    "undelivered": _undelivered,
}


def filled(value: Any, made: Made) -> Any:
    """Return the value with the thing's ids in its placeholders."""
    if isinstance(value, str):
        return value.format(**made)
    if isinstance(value, dict):
        return {name: filled(item, made) for name, item in value.items()}
    return [filled(item, made) for item in value] if isinstance(value, list) else value


async def ask(
    world: World, row: Row, made: Made, token: str | None, **headers: str
) -> httpx.Response:
    return await world.call(
        token, row.method, filled(row.path + row.query, made), filled(row.json, made), **headers
    )
