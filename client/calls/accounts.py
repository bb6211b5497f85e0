"""Calls of admins about accounts, the audit log and the bots' credentials."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from client.call import AS_IT_IS, MAKING, Call, path, query
from client.schemas import Page
from client.schemas.admin import AuditOut, BotCredentialOut, PurgeOut, RotatedOut
from client.schemas.auth import SessionOut
from client.schemas.budget import MySpendOut
from client.schemas.users import InvitedOut, NewUserIn, Role, SecretLinkOut, Status, UserOut


def users(
    *,
    q: str | None = None,
    role: str | None = None,
    status: str | None = None,
    sort: str | None = None,
    cursor: str | None = None,
    limit: int = 25,
) -> Call[Page[UserOut]]:
    asked = query(q=q, role=role, status=status, sort=sort, cursor=cursor, limit=limit)
    return Call("GET", "/users", Page[UserOut], query=asked)


def user(user_id: str) -> Call[UserOut]:
    return Call("GET", path("/users/{}", user_id), UserOut)


def invite(person: NewUserIn) -> Call[InvitedOut]:
    return Call("POST", "/users", InvitedOut, body=person)


def invite_again(user_id: str) -> Call[InvitedOut]:
    return Call("POST", path("/users/{}/invite", user_id), InvitedOut)


def set_role(user_id: str, role: Role) -> Call[UserOut]:
    return Call("PUT", path("/users/{}/role", user_id), UserOut, body={"role": role})


def set_status(user_id: str, status: Status) -> Call[UserOut]:
    return Call("PUT", path("/users/{}/status", user_id), UserOut, body={"status": status})


def set_budget(user_id: str, monthly_usd: Decimal) -> Call[UserOut]:
    body = {"monthly_usd": monthly_usd}
    return Call("PUT", path("/users/{}/budget", user_id), UserOut, body=body)


def reset_link(user_id: str) -> Call[SecretLinkOut]:
    return Call("POST", path("/users/{}/password-reset", user_id), SecretLinkOut)


def sessions_of(
    user_id: str, sort: str | None = None, cursor: str | None = None, limit: int = 20
) -> Call[Page[SessionOut]]:
    asked = query(sort=sort, cursor=cursor, limit=limit)
    return Call("GET", path("/users/{}/sessions", user_id), Page[SessionOut], query=asked)


def end_sessions_of(user_id: str) -> Call[None]:
    return Call("DELETE", path("/users/{}/sessions", user_id))


def end_session_of(user_id: str, session_id: str) -> Call[None]:
    return Call("DELETE", path("/users/{}/sessions/{}", user_id, session_id))


def delete_user(user_id: str) -> Call[None]:
    return Call("DELETE", path("/users/{}", user_id), within=MAKING)


def spend_of(user_id: str, days: int = 31) -> Call[MySpendOut]:
    return Call("GET", path("/admin/users/{}/spend", user_id), MySpendOut, query=query(days=days))


# --- the audit log


@dataclass(frozen=True, slots=True)
class AuditWanted:
    """Empty and None: any. `subject` is the id of what it was done to."""

    actor_id: str = ""
    action: str = ""
    subject: str = ""
    since: datetime | None = None
    until: datetime | None = None
    sort: str = ""

    @property
    def query(self) -> dict[str, str]:
        return query(
            actor_id=self.actor_id,
            action=self.action,
            subject=self.subject,
            since=self.since,
            until=self.until,
            sort=self.sort,
        )


def audit(
    wanted: AuditWanted, *, cursor: str | None = None, limit: int = 25
) -> Call[Page[AuditOut]]:
    asked = wanted.query | query(cursor=cursor, limit=limit)
    return Call("GET", "/admin/audit", Page[AuditOut], query=asked)


def audit_csv(wanted: AuditWanted) -> Call[bytes]:
    return Call(
        "GET", "/admin/audit.csv", bytes, query=wanted.query, headers=AS_IT_IS, within=MAKING
    )


# --- credentials


def purge_tokens() -> Call[PurgeOut]:
    """Forget what has run out, now and not within the hour."""
    return Call("POST", "/admin/tokens/purge", PurgeOut)


def bot_credentials() -> Call[Page[BotCredentialOut]]:
    return Call("GET", "/admin/bot-credentials", Page[BotCredentialOut])


def rotate_bot_credential(platform: str) -> Call[RotatedOut]:
    return Call("POST", path("/admin/bot-credentials/{}/rotate", platform), RotatedOut)


def revoke_bot_credential(credential_id: str) -> Call[None]:
    return Call("DELETE", path("/admin/bot-credentials/{}", credential_id))
