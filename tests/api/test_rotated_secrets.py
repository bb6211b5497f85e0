"""Tokens and links that an earlier secret signed."""

from pathlib import Path

from api.secrets import rotate_secret
from tests.api.generations.test_jobs import SEEDREAM
from tests.api.harness import running_api
from tests.sandbox_server import Sandbox


async def test_links_and_sessions_outlive_a_rotation_and_links_end_with_a_leak(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with running_api(tmp_path, sandbox) as api, await api.user() as user:
        body = {"prompt": "a fox", "model": SEEDREAM}
        made = (await user.post("/generate/image", json=body)).json()
        link = (await user.post(f"/generations/{made['id']}/share", json={"hours": 24})).json()
        file, token = made["images"][0]["url"], user.headers["authorization"]
    for leaked, status in ((False, 200), (True, 404)):
        rotate_secret(tmp_path / "data", "secret_key", leaked=leaked)
        async with running_api(tmp_path, sandbox, refresh=False) as api:
            shown = await api.client.get(f"/shared/{link['token']}")
            assert shown.status_code == status
            asked = await api.client.get(file)
            assert asked.status_code == (401 if leaked else 200)
            me = await api.client.get("/users/me", headers={"authorization": token})
            assert me.status_code == (401 if leaked else 200)
