"""Every route of the running api, called by everybody in the role table (`roles.py`)."""

import json
import re
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from starlette.routing import Mount

from api.errors import BY_CODE
from api.ids import now
from sandbox.webhooks import sign
from tests.api.harness import running_api
from tests.api.roles import ROWS, Access, Refusal, Row
from tests.api.roles_world import (
    MARK,
    MAY,
    NEVER,
    THINGS,
    Caller,
    Made,
    World,
    ask,
    filled,
    make_people,
)
from tests.conftest import Postgres
from tests.sandbox_server import sandbox_server

SECRET = "a webhook secret of the tests"
ACTS = {"act token", "act token of an admin"}
FRESH = {"user", "other user", "admin"}
PEOPLE = {*FRESH, "signed in long ago"}
PASS: dict[Access, set[str]] = {
    Access.USER: PEOPLE | ACTS,
    Access.SESSION: PEOPLE,
    Access.RECENT: FRESH,
    Access.ADMIN: {"admin"},
    Access.ACTING_ADMIN: {"act token of an admin"},
    Access.BOT: {"bot", "another platform's bot"},
    Access.SHELL: {"operator's key"},
    Access.SIGNED: set(),
}
NOT_ALLOWED = (403, "not_allowed")
REFUSED: dict[Access, dict[str, Refusal]] = {
    Access.SESSION: dict.fromkeys(ACTS, NOT_ALLOWED),
    Access.ACTING_ADMIN: dict.fromkeys(PEOPLE | {"act token"}, NOT_ALLOWED),
    Access.RECENT: {
        **dict.fromkeys(ACTS, NOT_ALLOWED),
        "signed in long ago": (403, "reauth_required"),
    },
    Access.ADMIN: dict.fromkeys(PEOPLE | ACTS, NOT_ALLOWED),
    Access.SHELL: dict.fromkeys([*MAY, *NEVER], (404, "not_found")),
}
"""Known callers without the right; unknown callers get another refusal."""
NOT_AUTHENTICATED = (401, "not_authenticated")
OWNERS = {"user", "act token", "signed in long ago"}
PROBLEM_FIELDS = {
    "type", "title", "status", "detail", "code", "reason", "params", "request_id",
}  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(
    tmp_path_factory: pytest.TempPathFactory, postgres: Postgres
) -> AsyncIterator[World]:
    """Run one api for all rows: a try leaves nothing behind that another would meet. Videos take
    longer than the tests."""
    folder: Path = tmp_path_factory.mktemp("roles")
    database = await postgres.take()
    settings: dict[str, Any] = {
        "database_url": postgres.url(database),
        "openrouter_webhook_secret": SECRET,
        "default_monthly_usd": 100_000,
    }
    with sandbox_server(video=3600.0) as sandbox:
        async with running_api(folder, sandbox, **settings) as api:
            yield await make_people(api)
    await postgres.give_back(database)


@pytest.mark.asyncio(loop_scope="module")
async def test_every_route_has_a_row(world: World) -> None:
    app = world.api.app
    schema = {
        (method.upper(), path)
        for path, methods in app.openapi()["paths"].items()
        for method in methods
    }
    found = set(_routes(app.routes))
    assert schema <= found, "the walk over the routes does not see what the schema has"
    named = {row.route for row in ROWS}
    assert sorted(found - named) == [], "a route without a row in tests/api/roles.py"
    assert sorted(named - found) == [], "a row without a route"
    assert {row.made for row in ROWS} == set(THINGS)


def _routes(routes: Iterable[object]) -> Iterator[tuple[str, str]]:
    """Yield method and path of all routes, also those outside the schema. FastAPI keeps included
    routers as branches of a tree."""
    for route in routes:
        if isinstance(route, Mount):
            assert route.path == "/static/swagger", (
                "a mount is no route: say here why everybody may have it"
            )
            continue
        branch = getattr(route, "original_router", None)
        if branch is not None:
            yield from _routes(branch.routes)
            continue
        for method in route.methods:  # type: ignore[attr-defined]
            yield method, re.sub(r":\w+}", "}", route.path)  # type: ignore[attr-defined]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_row(world: World, row: Row) -> None:
    made = await world.thing(row)
    try:
        if row.access is Access.PUBLIC:
            for caller in {**MAY, **NEVER}.values():
                assert (await ask(world, row, made, caller(world))).status_code == row.passes
            return
        passing = {name: caller for name, caller in MAY.items() if name in PASS[row.access]}
        for name, caller in {**NEVER, **MAY}.items():
            if name not in passing:
                refused = REFUSED.get(row.access, {}).get(name, NOT_AUTHENTICATED)
                _check_problem(name, await ask(world, row, made, caller(world)), *refused)
        if row.access is Access.SIGNED:
            await _check_signed(world, row, made)
        elif row.lonely:
            lonely = await world.person(f"lonely-{next(world.numbers)}")
            answer = await ask(world, row, made, world.access(lonely))
            assert answer.status_code == row.passes, answer.text
        else:
            await _check_passing(world, row, made, passing)
    finally:
        await world.tidy()


async def _check_passing(world: World, row: Row, made: Made, passing: dict[str, Caller]) -> None:
    """Call as everybody who passes, those without a right to the thing first: its owner needs it
    afterwards."""
    of_things = {
        Access.ADMIN: {"admin"},
        Access.ACTING_ADMIN: {"act token of an admin"},
        Access.BOT: {"bot"},
    }
    owners = of_things.get(row.access, OWNERS) if row.made else set(passing)
    owners = owners - set(row.instead)
    for name in passing.keys() - owners:
        _check_problem(
            name,
            await ask(world, row, made, passing[name](world)),
            *row.instead.get(name, row.foreign),
        )
    if row.spends:
        owners -= {"signed in long ago"}  # making a thing for each takes long
    for number, name in enumerate(sorted(owners & passing.keys())):
        made = await world.thing(row) if number and row.spends else made
        answer = await ask(world, row, made, passing[name](world))
        assert answer.status_code == row.passes, f"{name}: {answer.text}"
        hers = name in {*OWNERS, "bot"} or row.access is Access.ADMIN
        assert hers or MARK not in answer.text, f"{name} reads what is ana's"


async def _check_signed(world: World, row: Row, made: Made) -> None:
    body = json.dumps(filled(row.json, made)).encode()
    path, moment = filled(row.path, made), int(now().timestamp())
    for secret, expected in (("another secret", 401), (SECRET, row.passes)):
        headers = {
            "X-OpenRouter-Signature": sign(secret, body, moment),
            "Content-Type": "application/json",
        }
        answer = await world.api.client.post(path, content=body, headers=headers)
        assert answer.status_code == expected


def _check_problem(name: str, answer: httpx.Response, status: int, code: str) -> None:
    """Check that the answer is only a problem document, with a known code and no word about the
    thing."""
    assert answer.status_code == status, f"{name}: {answer.status_code} {answer.text}"
    assert answer.headers["content-type"] == "application/problem+json", name
    if answer.request.method == "HEAD":
        assert answer.content == b""
        return
    problem = answer.json()
    assert (problem["code"], set(problem)) == (code, PROBLEM_FIELDS), name
    assert code in BY_CODE
    assert MARK not in answer.text
