"""Calls of admins: accounts, the audit log, the bots' credentials."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import httpx

from client.schemas import Page
from client.schemas.admin import AuditOut, BotCredentialOut, RotatedOut, StudioIn, StudioOut
from client.schemas.auth import SessionOut
from client.schemas.users import InvitedOut, NewUserIn, Role, SecretLinkOut, Status, UserOut
from client.sync import SLOW, ApiHttp, address, check, parse, parse_list, query


@dataclass(frozen=True, slots=True)
class AuditWanted:
    """Empty and None: any. `subject` is the id of what it was done to."""

    actor_id: str = ""
    action: str = ""
    subject: str = ""
    since: datetime | None = None
    until: datetime | None = None
    sort: str = ""

    def params(self) -> dict[str, str]:
        times = {
            "since": self.since.isoformat() if self.since else None,
            "until": self.until.isoformat() if self.until else None,
        }
        return query(
            actor_id=self.actor_id,
            action=self.action,
            subject=self.subject,
            sort=self.sort,
            **times,
        )


class AdminCalls(ApiHttp):
    def users(
        self,
        *,
        q: str | None,
        role: str | None,
        status: str | None = None,
        sort: str | None = None,
        cursor: str | None = None,
        limit: int = 25,
    ) -> Page[UserOut]:
        params = query(q=q, role=role, status=status, sort=sort, cursor=cursor, limit=limit)
        return parse(Page[UserOut], self.send("GET", "/users", params=params))

    def user(self, user_id: str) -> UserOut:
        return parse(UserOut, self.send("GET", address("/users/{}", user_id)))

    def invite(self, person: NewUserIn) -> InvitedOut:
        return parse(
            InvitedOut,
            self.send("POST", "/users", json=person.model_dump(mode="json", exclude_none=True)),
        )

    def invite_again(self, user_id: str) -> InvitedOut:
        return parse(InvitedOut, self.send("POST", address("/users/{}/invite", user_id)))

    def set_role(self, user_id: str, role: Role) -> None:
        self.send("PUT", address("/users/{}/role", user_id), json={"role": role})

    def set_status(self, user_id: str, status: Status) -> None:
        self.send("PUT", address("/users/{}/status", user_id), json={"status": status})

    def set_budget(self, user_id: str, monthly_usd: Decimal) -> None:
        self.send(
            "PUT", address("/users/{}/budget", user_id), json={"monthly_usd": str(monthly_usd)}
        )

    def reset_link(self, user_id: str) -> SecretLinkOut:
        return parse(SecretLinkOut, self.send("POST", address("/users/{}/password-reset", user_id)))

    def sessions_of(
        self, user_id: str, sort: str | None = None, limit: int = 20
    ) -> Page[SessionOut]:
        return parse(
            Page[SessionOut],
            self.send(
                "GET", address("/users/{}/sessions", user_id), params=query(sort=sort, limit=limit)
            ),
        )

    def end_sessions_of(self, user_id: str) -> None:
        self.send("DELETE", address("/users/{}/sessions", user_id))

    def end_session_of(self, user_id: str, session_id: str) -> None:
        self.send("DELETE", address("/users/{}/sessions/{}", user_id, session_id))

    def delete_user(self, user_id: str) -> None:
        self.send("DELETE", address("/users/{}", user_id), timeout=SLOW)

    def audit(
        self, wanted: AuditWanted, *, cursor: str | None = None, limit: int = 25
    ) -> Page[AuditOut]:
        params = {**wanted.params(), **query(cursor=cursor, limit=limit)}
        return parse(Page[AuditOut], self.send("GET", "/admin/audit", params=params))

    @contextmanager
    def audit_csv(self, wanted: AuditWanted) -> Iterator[httpx.Response]:
        response = self.open(
            "GET",
            "/admin/audit.csv",
            params=wanted.params(),
            headers={"accept-encoding": "identity"},
            timeout=SLOW,
        )
        try:
            check(response, (200,))
            yield response
        finally:
            response.close()

    def studio(self) -> StudioOut:
        return parse(StudioOut, self.send("GET", "/admin/settings"))

    def change_studio(self, change: StudioIn) -> StudioOut:
        return parse(
            StudioOut, self.send("PUT", "/admin/settings", json=change.model_dump(mode="json"))
        )

    def bot_credentials(self) -> list[BotCredentialOut]:
        return parse_list(BotCredentialOut, self.send("GET", "/admin/bot-credentials"))

    def rotate_bot_credential(self, platform: str) -> RotatedOut:
        return parse(
            RotatedOut, self.send("POST", address("/admin/bot-credentials/{}/rotate", platform))
        )

    def revoke_bot_credential(self, credential_id: str) -> None:
        self.send("DELETE", address("/admin/bot-credentials/{}", credential_id))
