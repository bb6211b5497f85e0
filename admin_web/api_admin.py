"""Calls of admins: accounts, the audit log, the bots' credentials."""

from decimal import Decimal

from admin_web.api_http import SLOW, ApiHttp, address, parse, parse_list, query
from api.admin.schemas import AuditOut, BotCredentialOut, RotatedOut
from api.auth.schemas import SessionOut
from api.schemas import Page
from api.users.schemas import InvitedOut, NewUserIn, Role, SecretLinkOut, Status, UserOut


class AdminCalls(ApiHttp):
    def users(
        self,
        *,
        q: str | None,
        role: str | None,
        status: str | None = None,
        sort: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[UserOut]:
        params = query(q=q, role=role, status=status, sort=sort, cursor=cursor, limit=limit)
        return parse(Page[UserOut], self.send("GET", "/users", params=params))

    def user(self, user_id: str) -> UserOut:
        return parse(UserOut, self.send("GET", address("/users/{}", user_id)))

    def invite(self, person: NewUserIn) -> InvitedOut:
        return parse(InvitedOut, self.send("POST", "/users", json=person.model_dump(mode="json", exclude_none=True)))

    def invite_again(self, user_id: str) -> InvitedOut:
        return parse(InvitedOut, self.send("POST", address("/users/{}/invite", user_id)))

    def set_role(self, user_id: str, role: Role) -> None:
        self.send("PUT", address("/users/{}/role", user_id), json={"role": role})

    def set_status(self, user_id: str, status: Status) -> None:
        self.send("PUT", address("/users/{}/status", user_id), json={"status": status})

    def set_budget(self, user_id: str, monthly_usd: Decimal) -> None:
        self.send("PUT", address("/users/{}/budget", user_id), json={"monthly_usd": str(monthly_usd)})

    def reset_link(self, user_id: str) -> SecretLinkOut:
        return parse(SecretLinkOut, self.send("POST", address("/users/{}/password-reset", user_id)))

    def sessions_of(self, user_id: str) -> Page[SessionOut]:
        return parse(Page[SessionOut], self.send("GET", address("/users/{}/sessions", user_id)))

    def end_sessions_of(self, user_id: str) -> None:
        self.send("DELETE", address("/users/{}/sessions", user_id))

    def end_session_of(self, user_id: str, session_id: str) -> None:
        self.send("DELETE", address("/users/{}/sessions/{}", user_id, session_id))

    def delete_user(self, user_id: str) -> None:
        self.send("DELETE", address("/users/{}", user_id), timeout=SLOW)

    def audit(
        self, *, actor_id: str | None, action: str | None, subject: str | None, cursor: str | None, limit: int = 50
    ) -> Page[AuditOut]:
        params = query(actor_id=actor_id, action=action, subject=subject, cursor=cursor, limit=limit)
        return parse(Page[AuditOut], self.send("GET", "/admin/audit", params=params))

    def bot_credentials(self) -> list[BotCredentialOut]:
        return parse_list(BotCredentialOut, self.send("GET", "/admin/bot-credentials"))

    def rotate_bot_credential(self, platform: str) -> RotatedOut:
        return parse(RotatedOut, self.send("POST", address("/admin/bot-credentials/{}/rotate", platform)))

    def revoke_bot_credential(self, credential_id: str) -> None:
        self.send("DELETE", address("/admin/bot-credentials/{}", credential_id))
