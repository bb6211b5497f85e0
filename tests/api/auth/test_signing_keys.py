"""A new signing key signs nobody out while the previous one is known."""

from pathlib import Path

from pydantic import SecretStr

from api.secrets import ensure_secrets
from tests.api.harness import running_api
from tests.sandbox_server import Sandbox

OLD, NEW = (
    SecretStr("the old key of the server: long enough"),
    SecretStr("the new key of the server: long enough"),
)


async def test_the_previous_key_still_counts(sandbox: Sandbox, tmp_path: Path) -> None:
    async with (
        running_api(tmp_path, sandbox, refresh=False, secret_key=OLD) as api,
        await api.user() as user,
    ):
        token = user.headers["authorization"].removeprefix("Bearer ")
    for previous, status in ((OLD, 200), (None, 401)):
        async with running_api(
            tmp_path, sandbox, refresh=False, secret_key=NEW, secret_key_previous=previous
        ) as api:
            assert (await api.signed(token).get("/users/me")).status_code == status


async def test_a_bot_of_this_machine_finds_its_new_key_at_its_next_start(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    profile = {"name": "Studio"}
    async with running_api(tmp_path, sandbox, refresh=False) as api, await api.admin() as admin:
        first = api.bot()
        for _ in range(2):
            made = (await admin.post("/admin/bot-credentials/telegram/rotate")).json()
        assert ensure_secrets(api.data_dir).bot_keys["telegram"] == made["key"]
        assert (await first.put("/bot/profile", json=profile)).status_code == 401
    async with running_api(tmp_path, sandbox, refresh=False) as api:
        assert (await api.bot().put("/bot/profile", json=profile)).status_code == 204


async def test_the_purge_runs_by_itself(sandbox: Sandbox, tmp_path: Path) -> None:
    async with running_api(tmp_path, sandbox, refresh=False) as api:
        await api.user()
        await api.services.db.execute(
            "UPDATE sessions SET revoked_at = created_at - INTERVAL '31 days'"
        )
    async with running_api(tmp_path, sandbox, refresh=False) as api:
        while await api.services.db.fetch("SELECT id FROM sessions"):
            await api.services.db.execute("UPDATE marks SET name = name")  # a turn of the writer's
