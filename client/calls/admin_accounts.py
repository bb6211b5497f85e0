"""Calls of admins about accounts, the audit log and the bots' credentials."""

from datetime import datetime
from decimal import Decimal
from typing import TypedDict, Unpack

from client.call import AS_IT_IS, MAKING, Call, Paging, path, query
from client.schemas import Page
from client.schemas.admin import AuditOut, BotCredentialOut, PurgeOut, RotatedOut
from client.schemas.auth import SessionOut
from client.schemas.budget import MySpendOut
from client.schemas.users import InvitedOut, NewUserIn, Role, SecretLinkOut, Status, UserOut


class Accounts(Paging, total=False):
    q: str | None
    role: str | None
    status: str | None


def users(**asked: Unpack[Accounts]) -> Call[Page[UserOut]]:
    return Call("GET", "/users", Page[UserOut], query=query(**asked))


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


def sessions_of(user_id: str, **asked: Unpack[Paging]) -> Call[Page[SessionOut]]:
    address = path("/users/{}/sessions", user_id)
    return Call("GET", address, Page[SessionOut], query=query(**asked))


def end_sessions_of(user_id: str) -> Call[None]:
    return Call("DELETE", path("/users/{}/sessions", user_id))


def end_session_of(user_id: str, session_id: str) -> Call[None]:
    return Call("DELETE", path("/users/{}/sessions/{}", user_id, session_id))


def delete_user(user_id: str) -> Call[None]:
    return Call("DELETE", path("/users/{}", user_id), within=MAKING)


def spend_of(user_id: str, days: int = 31) -> Call[MySpendOut]:
    return Call("GET", path("/admin/users/{}/spend", user_id), MySpendOut, query=query(days=days))


# --- the audit log


class AuditWanted(TypedDict, total=False):
    """`subject` is the id of what it was done to."""

    actor_id: str | None
    action: str | None
    subject: str | None
    since: datetime | None
    until: datetime | None
    sort: str | None


def audit(
    cursor: str | None = None, limit: int | None = None, **asked: Unpack[AuditWanted]
) -> Call[Page[AuditOut]]:
    wanted = query(cursor=cursor, limit=limit, **asked)
    return Call("GET", "/admin/audit", Page[AuditOut], query=wanted)


def audit_csv(**asked: Unpack[AuditWanted]) -> Call[bytes]:
    wanted = query(**asked)
    return Call("GET", "/admin/audit.csv", bytes, query=wanted, headers=AS_IT_IS, within=MAKING)


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
