"""The time of refused logins, with and without an account: `python -m tests.bench.login_timing
[tries]`.

Both kinds are tried in turns, with passwords hashed as strongly as in the product. Prints medians
and their difference; the aim is less than 5 ms. Nothing here fails on a slow machine: the figures
are for reading.
"""

import asyncio
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx

from api.app import create_app
from api.settings import Settings
from tests.api.harness import PASSWORD

TRIES = 200
AIM = 0.005


async def refused(client: httpx.AsyncClient, email: str) -> float:
    """Return the seconds that the refusal took."""
    body = {"email": email, "password": "not the right password"}
    started = time.perf_counter()
    answer = await client.post("/auth/login", json=body)
    taken = time.perf_counter() - started
    assert answer.status_code == 401, answer.text
    return taken


async def main(tries: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        # nobody listens at the provider's address: its lists are no part of this
        settings = Settings(
            _env_file=None,
            data_dir=Path(folder),
            web_signup="open",
            openrouter_base_url="http://127.0.0.1:9/api/v1",
        )
        app = create_app(settings)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client,
        ):
            db = app.state.services.db
            assert (
                await client.post(
                    "/auth/register", json={"email": "ana@example.org", "password": PASSWORD}
                )
            ).is_success
            taken: dict[str, list[float]] = {"ana@example.org": [], "bob@example.org": []}
            for number in range(tries + 5):
                await db.execute("DELETE FROM throttles")
                for email in random.sample(sorted(taken), 2):
                    seconds = await refused(client, email)
                    if number >= 5:  # the first ones warm up
                        taken[email].append(seconds)
    known, unknown = (statistics.median(values) for values in taken.values())
    spread = [statistics.stdev(values) for values in taken.values()]
    print(
        f"wrong password: median {known * 1000:.2f} ms (deviation {spread[0] * 1000:.1f} ms), "
        f"{tries} tries"
    )
    print(f"unknown user:   median {unknown * 1000:.2f} ms (deviation {spread[1] * 1000:.1f} ms)")
    difference = abs(known - unknown)
    print(
        f"difference:     {difference * 1000:.2f} ms, "
        f"{'within' if difference < AIM else 'OUTSIDE'} the aim of {AIM * 1000:.0f} ms"
    )


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else TRIES))
