"""An operator's bad day, made over HTTP: a member with a script for a name, a video whose answer
was lost, a result that no chat took."""

from dataclasses import dataclass
from typing import Any

import httpx

from api.secrets import ensure_secrets
from tests.stack import Stack

EVIL = '<img src=x onerror="alert(1)"><script>alert(2)</script>'
MEMBER = "mallory@example.org"
CHAT, GROUP = "4711", "-100500"


@dataclass(frozen=True, slots=True)
class Mess:
    """Ids of the broken things. `lost` waits for a decision; `chatted` is an image whose delivery
    is `undelivered`."""

    user: str
    lost: str
    chatted: str
    undelivered: str


class Maker:
    def __init__(self, stack: Stack, http: httpx.Client, admin_email: str, password: str) -> None:
        self._stack = stack
        self._http = http
        self._password = password
        self._bot = {
            "authorization": f"Bearer {ensure_secrets(stack.data_dir).bot_keys['telegram']}"
        }
        self._admin = self._bearer(
            self.ask("POST", "/auth/login", {"email": admin_email, "password": password})
        )

    def make(self) -> Mess:
        invited = self.ask("POST", "/users", {"email": MEMBER}, self._admin)
        body = {"email": MEMBER, "password": self._password, "invite": invited["token"]}
        member = self._bearer(self.ask("POST", "/auth/register", body))
        self.ask("PUT", "/users/me", {"display_name": EVIL}, member)
        self._link(member)
        chatted, undelivered = self._undelivered()
        return Mess(invited["user"]["id"], self._lost(member), chatted, undelivered)

    def ask(
        self, method: str, path: str, json: object = None, headers: dict[str, str] | None = None
    ) -> Any:
        answer = self._http.request(method, path, json=json, headers=headers)
        assert answer.is_success, f"{method} {path}: {answer.text}"
        return answer.json() if answer.content else None

    def _bearer(self, tokens: dict[str, str]) -> dict[str, str]:
        return {"authorization": f"Bearer {tokens['access_token']}"}

    def _link(self, member: dict[str, str]) -> None:
        code = self.ask("POST", "/links/codes", {"platform": "telegram"}, member)
        identity = {"platform_user_id": CHAT, "display_name": EVIL, "chat_id": CHAT}
        self.ask(
            "POST",
            "/bot/links/redeem",
            {**identity, "code": code["code"], "private": True},
            self._bot,
        )
        self.ask(
            "POST",
            "/bot/links/answer",
            {"code_id": code["id"], "platform_user_id": CHAT, "accept": True},
            self._bot,
        )
        self.ask("POST", f"/links/codes/{code['id']}/confirm", headers=member)

    def _undelivered(self) -> tuple[str, str]:
        """Make an image in a group that refuses it; then the private chat refuses it, too."""
        act = self.ask(
            "POST",
            "/bot/act",
            {"platform_user_id": CHAT, "display_name": EVIL, "chat_id": GROUP},
            self._bot,
        )
        address = {"platform": "telegram", "chat_id": GROUP, "message_id": "1"}
        headers = {**self._bearer(act), "prefer": "respond-async"}
        job = self.ask(
            "POST", "/generate/image", {"prompt": f"A fox {EVIL}", "address": address}, headers
        )
        refused: list[str] = []
        while len(refused) < 2:
            for row in self.ask("POST", "/bot/deliveries/claim?wait=25", headers=self._bot):
                if row["event"]["type"] == "notice":
                    self.ask(
                        "POST",
                        f"/bot/deliveries/{row['id']}/ack",
                        {"lease": row["lease"]},
                        self._bot,
                    )
                    continue
                said = {"reason": "request_refused", "said": f"Forbidden: {EVIL}"}
                why = {"lease": row["lease"], **said, "final": True}
                self.ask("POST", f"/bot/deliveries/{row['id']}/fail", why, self._bot)
                refused.append(row["id"])
        return job["id"], refused[0]

    def _lost(self, member: dict[str, str]) -> str:
        faults = {"faults": [{"call": "videos.submit", "kind": "lost", "times": 1}]}
        httpx.put(f"{self._stack.sandbox_url}/_sandbox/faults", json=faults).raise_for_status()
        job: str = self.ask("POST", "/generate/video", {"prompt": f"Waves {EVIL}"}, member)["id"]
        return job
