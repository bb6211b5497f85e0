"""Times of the web's pages with 1,000,000 generations and 10,000 users in the store, and the bytes
of a first visit of each: `python -m tests.bench.web_pages [duckdb|postgresql] [--store FOLDER]
[--rounds N]`.

The api runs in a process of its own, as in the product, and is asked over HTTP; the pages are made
in this process. A FOLDER is filled once and kept for the next time. Ends with 1 when a median or a
size is above the aim.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import httpx
from flask import Flask
from werkzeug.test import Client

from admin_web.app import create_app
from admin_web.sessions.cookies import InBrowser, SessionCookies, Tokens
from admin_web.settings import WebSettings
from api.auth import sessions
from api.auth.tokens import TokenSigner
from api.db.open import open_db
from tests.bench.full_store import Size
from tests.bench.measured import Measured
from tests.bench.page_weight import first_load
from tests.bench.pages import (
    ADMIN_ID,
    AIM_MS,
    HEAVY,
    QUIET_SECONDS,
    USUAL,
    WHOLE,
    filled,
    places,
    told,
)
from tests.sandbox_server import sandbox_server
from tests.stack import free_ports

AIM_KB = 300
SECRET = "s" * 40
People = dict[str, tuple[Tokens, dict[str, str]]]
"""Tokens of the visitors, and the values for their paths, by their ids."""
PARENT = 1
"""The index of a process' parent among the fields after its name in /proc/PID/stat."""

MEMBER = {
    "home": "/",
    "make an image": "/generate/image",
    "make a video": "/generate/video",
    "conversations": "/generate/text",
    "conversations, words": "/generate/text?q=harbour",
    "a conversation": "/generate/text?conversation={conversation}",
    "gallery": "/gallery",
    "gallery, page 2": "/gallery?cursor={middle}",
    "gallery, videos": "/gallery?kind=video",
    "gallery, favourites": "/gallery?favourite=true",
    "gallery, one model": "/gallery?model=maker/image-3",
    "gallery, words": "/gallery?q=harbour",
    "card": "/generations/{own}",
    "spend": "/profile/spend",
    "profile": "/profile",
    "sessions": "/profile/sessions",
    "inbox": "/inbox",
}
ADMIN = {
    "board": "/admin",
    "users": "/admin/users",
    "users, words": "/admin/users?q=person77",
    "users, who spent most": "/admin/users?sort=spent",
    "user": "/admin/users/user-0000123",
    "user with 50,000": "/admin/users/user-0000000",
    "jobs": "/admin/jobs",
    "jobs, page 2": "/admin/jobs?cursor={middle}",
    "jobs, failed": "/admin/jobs?status=failed",
    "jobs, in review": "/admin/jobs?status=review",
    "jobs of a user": "/admin/jobs?user=person123@example.org",
    "jobs of a model": "/admin/jobs?model=maker/image-3",
    "jobs of a day": "/admin/jobs?since={day}&until={day}",
    "job": "/admin/jobs/{own}",
    "deliveries": "/admin/deliveries",
    "deliveries, dead": "/admin/deliveries?state=dead",
    "audit": "/admin/audit",
    "audit, one actor": "/admin/audit?actor=person3@example.org",
    "models": "/admin/models",
    "budgets": "/admin/budgets",
    "backups": "/admin/backups",
    "bots": "/admin/bots",
    "settings": "/admin/settings",
}


@dataclass
class Asked:
    """The web's calls of the api, several at a time: their number and the seconds during which any
    ran."""

    calls: int = 0
    seconds: float = 0.0
    _since: dict[int, float] = field(default_factory=dict)

    def begin(self, request: httpx.Request) -> None:
        self._since[id(request)] = time.perf_counter()

    def end(self, response: httpx.Response) -> None:
        self.calls += 1
        self.seconds += time.perf_counter() - self._since.pop(id(response.request))


@dataclass(frozen=True)
class Visit:
    """One page: milliseconds, kilobytes of a first visit, and calls of the api."""

    visitor: str
    page: str
    median: float
    first_load: float
    calls: int


def processor(pid: int) -> float:
    """Return the processor milliseconds of a process so far, to the microsecond."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except OSError:
            continue  # a thread that has just ended
    return total / 1e6


def children(pid: int) -> list[int]:
    found = []
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(place.read_text().rpartition(")")[2].split()[PARENT]) == pid:
                found.append(int(place.parent.name))
        except OSError:
            continue
    return found


@contextmanager
def running_api(data: Path, database: str, provider: str) -> Iterator[tuple[str, int]]:
    """Run the api and yield its address and process id."""
    (port,) = free_ports(1)
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name in {"PATH", "HOME", "LANG", "TMPDIR"}
    }
    given = {
        "DATA_DIR": data,
        "DATABASE_URL": database,
        "API_PORT": port,
        "OPENROUTER_BASE_URL": provider,
    }
    given |= {"SECRET_KEY": SECRET, "BACKUP_HOURS": 0}
    with (data / "api.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "api"],
            env=inherited | {name: str(value) for name, value in given.items()},
            stdout=log,
            stderr=log,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            _await_ready(address, process, data / "api.log")
            yield address, process.pid
        finally:
            process.terminate()
            process.wait(30)


def _await_ready(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        try:
            if httpx.get(f"{address}/readyz", trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise RuntimeError(f"the api did not start:\n{log.read_text()[-2000:]}")


def await_calm(busy: Callable[[], float]) -> None:
    """Wait until the work of the start is done, so that it is not measured with the pages."""
    calm, before = 0, busy()
    while calm < QUIET_SECONDS:
        time.sleep(1)
        now = busy()
        calm = calm + 1 if now - before < 50 else 0
        before = now


async def prepared(database: str) -> People:
    """Return the tokens of each visitor, and the values for the paths."""
    db = await open_db(database)
    try:
        await db.execute("UPDATE users SET role = 'admin' WHERE id = $1", ADMIN_ID)
        found = {}
        for user_id in (USUAL, HEAVY, ADMIN_ID):
            async with db.transaction() as sql:
                opened = await sessions.open_session(
                    sql, user_id, sessions.Client("bench", "127.0.0.1"), is_new_device=False
                )
            access = TokenSigner([SECRET]).access(user_id, opened.session_id)
            found[user_id] = (
                Tokens(access, "unused"),
                await places(db, user_id),
            )
        return found
    finally:
        await db.close()


class Visits:
    """Measured visits; `parts` has the processor milliseconds of each process so far, by name."""

    def __init__(
        self, app: Flask, settings: WebSettings, parts: dict[str, Callable[[], float]], rounds: int
    ) -> None:
        self.found: list[Visit] = []
        self._app = app
        self._cookies = SessionCookies(settings)
        self._parts = parts
        self._rounds = rounds
        self.asked = Asked()
        http: httpx.Client = app.extensions["api_http"]
        http.event_hooks = {"request": [self.asked.begin], "response": [self.asked.end]}

    def visit(
        self, title: str, tokens: Tokens, filling: dict[str, str], pages: dict[str, str]
    ) -> int:
        """Measure the pages and return the number of slow or large ones."""
        client = self._app.test_client()
        client.set_cookie("sid", self._cookies.seal(InBrowser(title, tokens)))
        return sum(
            self._measure(client, title, name, path.format(**filling))
            for name, path in pages.items()
        )

    def _measure(self, client: Client, title: str, name: str, path: str) -> bool:
        taken = []
        for number in range(self._rounds + 1):
            if number == 1:
                self.asked.calls, self.asked.seconds = 0, 0.0
                before = {part: busy() for part, busy in self._parts.items()}
            started = time.perf_counter()
            answer = client.get(path, headers={"Accept-Encoding": "gzip"})
            taken.append((time.perf_counter() - started) * 1000)
            assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[:500]}"
        used = "  ".join(
            f"{part} {(busy() - before[part]) / self._rounds:5.1f}"
            for part, busy in self._parts.items()
        )
        size = first_load(client, answer.text, len(answer.data)) / 1000
        middle = median(taken[1:])
        calls, in_api = self.asked.calls // self._rounds, self.asked.seconds * 1000 / self._rounds
        is_bad = middle > AIM_MS or size > AIM_KB
        self.found.append(Visit(title, name, middle, size, calls))
        print(
            f"{title:18} {name:22} median {middle:6.1f} ms  worst {max(taken[1:]):6.1f}  first "
            f"{taken[0]:6.1f}  "
            f"{calls} calls {in_api:5.1f} ms  processor: {used}  page "
            f"{len(answer.data) / 1000:5.1f} KB, first load {size:5.1f} KB"
            f"{'  ABOVE' if is_bad else ''}",
            flush=True,
        )
        return is_bad


async def main(engine: str, store: Path, rounds: int) -> int:
    async with visits(engine, store, rounds) as (made, people):
        return await asyncio.to_thread(_all, made, people)


@asynccontextmanager
async def visits(
    engine: str, store: Path, rounds: int, size: Size = WHOLE
) -> AsyncIterator[tuple[Visits, People]]:
    """Yield the web in front of an api with a filled store, and its visitors."""
    with sandbox_server() as sandbox, tempfile.TemporaryDirectory() as folder:
        async with filled(engine, store, size) as database:
            data = Path(folder)
            people = await prepared(database)
            with running_api(data, database, sandbox.url) as (address, pid):
                own = {"web": lambda: processor(os.getpid()), "api": lambda: processor(pid)}
                if engine == "postgresql":
                    server = int((store / "pg" / "postmaster.pid").read_text().split()[0])
                    own["database"] = lambda: sum(map(processor, children(server)))
                await asyncio.to_thread(await_calm, own["api"])
                settings = WebSettings(_env_file=None, api_url=address, web_session_key="w" * 40)
                yield Visits(create_app(settings), settings, own, rounds), people


async def bench(into: Measured) -> None:
    """Every page of members and admins, visited by a member with a usual account, by one with a
    twentieth of all generations, and by an admin. The api is a process of its own. Pages above the
    target are named. The size is that of all that a browser loads at a first visit, except pictures
    and videos of users.
    """
    rows, rounds = (100_000, 2) if into.quick else (1_000_000, 5)
    into.parameter("generations in the store (DuckDB)", f"{rows:,}")
    into.parameter("visits of each page", rounds)
    with tempfile.TemporaryDirectory(prefix="pages-") as folder:
        opened = visits("duckdb", Path(folder), rounds, Size.of(rows))
        async with opened as (made, people):
            await asyncio.to_thread(_all, made, people)
    for visitor in dict.fromkeys(each.visitor for each in made.found):
        own = [each for each in made.found if each.visitor == visitor]
        slow = [each for each in own if each.median > AIM_MS]
        into.add(visitor, "pages", len(own), "")
        into.add(visitor, f"above {AIM_MS:.0f} ms", len(slow), "")
        into.add(visitor, "most calls of the api", max(each.calls for each in own), "")
        into.add(visitor, "middle", median(each.median for each in own), "ms", at_most=AIM_MS)
        into.add(
            visitor, "largest first visit", max(e.first_load for e in own), "KB", at_most=AIM_KB
        )
        for each in slow:
            into.add(f"{visitor}: {each.page}", "middle", each.median, "ms", at_most=AIM_MS)


def _all(made: Visits, people: People) -> int:
    bad = made.visit("usual member", *people[USUAL], MEMBER)
    bad += made.visit("member with 50,000", *people[HEAVY], MEMBER)
    return bad + made.visit("admin", *people[ADMIN_ID], ADMIN)


if __name__ == "__main__":
    raise SystemExit(told(main))
