"""The last weeks of a small community, for the picture of the board: its members' generations, a
lost answer, videos under way."""

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import httpx

from api.settings import Settings
from tests.stack import Stack

MEMBERS = {"maya": 13, "noah": 8, "lena": 6, "omar": 4, "ivy": 2}
"""Members, with the number of their images."""
DAYS = 21


def fill(stack: Stack, admin_email: str, password: str) -> None:
    _timing(stack, image=0.0)
    with httpx.Client(base_url=stack.api_url, timeout=60) as http:
        admin = _login(http, admin_email, password)
        people = {name: _member(http, admin, f"{name}@example.org", password) for name in MEMBERS}
        models = [
            each["id"] for each in _ask(http, "GET", "/models?kind=image", None, admin)["items"]
        ]
        for name, images in MEMBERS.items():
            for number in range(images):
                body = {
                    "prompt": f"A garden, {number}",
                    "model": models[(number * 3 + len(name)) % len(models)],
                }
                _ask(http, "POST", "/generate/image", body, people[name])
            _ask(http, "POST", "/generate/text", {"prompt": "A name for our garden?"}, people[name])
    stack.stop("api")
    _spread(stack)
    stack.start("api")
    with httpx.Client(base_url=stack.api_url, timeout=60) as http:
        _timing(stack, video=600.0, faults=[{"call": "videos.submit", "kind": "lost", "times": 1}])
        for name in ("noah", "maya", "lena"):
            _ask(
                http,
                "POST",
                "/generate/video",
                {"prompt": "A garden through the year"},
                _login(http, f"{name}@example.org", password),
            )


def _spread(stack: Stack) -> None:
    """Spread the spending of the last minutes over weeks: more towards their end, none on a few
    days."""
    with duckdb.connect(str(Settings(_env_file=None, data_dir=stack.data_dir).duckdb_path)) as db:
        for number, (entry,) in enumerate(
            db.execute("SELECT id FROM ledger ORDER BY id").fetchall()
        ):
            days = (number * number * 7 + number) % DAYS * (number * 5 % 11) // 10
            db.execute(
                "UPDATE ledger SET created_at = created_at - to_days($2) WHERE id = $1",
                [entry, days],
            )
        db.execute("DELETE FROM marks WHERE name = 'spend-days'")


def _timing(stack: Stack, faults: Sequence[Mapping[str, object]] = (), **timing: float) -> None:
    body = {"faults": list(faults), "timing": timing}
    httpx.put(f"{stack.sandbox_url}/_sandbox/faults", json=body).raise_for_status()


def _member(http: httpx.Client, admin: dict[str, str], email: str, password: str) -> dict[str, str]:
    invited = _ask(http, "POST", "/users", {"email": email}, admin)
    return _bearer(
        _ask(
            http,
            "POST",
            "/auth/register",
            {"email": email, "password": password, "invite": invited["token"]},
        )
    )


def _login(http: httpx.Client, email: str, password: str) -> dict[str, str]:
    return _bearer(_ask(http, "POST", "/auth/login", {"email": email, "password": password}))


def _bearer(tokens: dict[str, str]) -> dict[str, str]:
    return {"authorization": f"Bearer {tokens['access_token']}"}


def _ask(
    http: httpx.Client,
    method: str,
    path: str,
    json: object = None,
    headers: dict[str, str] | None = None,
) -> Any:
    answer = http.request(method, path, json=json, headers=headers)
    assert answer.is_success, f"{method} {path}: {answer.text}"
    return answer.json()
