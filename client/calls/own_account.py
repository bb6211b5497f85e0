"""Calls of people about their own account: signing in, profile, sessions, own data."""

from typing import Unpack

from client.call import MAKING, Call, Paging, path, query
from client.schemas import Page, ReadyOut
from client.schemas.auth import InviteeOut, SessionOut, TokensOut
from client.schemas.budget import MySpendOut
from client.schemas.retention import KeptDaysOut
from client.schemas.users import Language, PreferencesIn, PreferencesOut, ProfileIn, UserOut


def alive() -> Call[dict[str, str]]:
    return Call("GET", "/healthz", dict[str, str], bare=True)


def ready() -> Call[ReadyOut]:
    """Also answers when the API is up but not ready."""
    return Call("GET", "/readyz", ReadyOut, also=frozenset({503}))


def kept() -> Call[KeptDaysOut]:
    """Ask for how many days what people make is kept."""
    return Call("GET", "/retention", KeptDaysOut)


# --- coming in


def setup(token: str, email: str, password: str) -> Call[TokensOut]:
    body = {"token": token, "email": email, "password": password}
    return Call("POST", "/auth/setup", TokensOut, body=body)


def login(email: str, password: str, device: str | None = None) -> Call[TokensOut]:
    """`device`: the token that the last sign-in from here has given."""
    body = {"email": email, "password": password, "device": device}
    return Call("POST", "/auth/login", TokensOut, body=body, bare=True)


def refresh(refresh_token: str) -> Call[TokensOut]:
    """Within a grace the same pair is given again."""
    body = {"refresh_token": refresh_token}
    return Call("POST", "/auth/refresh", TokensOut, body=body, harmless=True, bare=True)


def logout() -> Call[None]:
    return Call("POST", "/auth/logout")


def invitee(invite: str) -> Call[InviteeOut]:
    return Call("POST", "/auth/invitee", InviteeOut, body={"invite": invite})


def register(email: str, password: str, invite: str | None = None) -> Call[TokensOut]:
    body = {"email": email, "password": password, "invite": invite}
    return Call("POST", "/auth/register", TokensOut, body=body)


def reset(token: str, password: str) -> Call[None]:
    return Call("POST", "/auth/reset", body={"token": token, "password": password})


def forgot(email: str, language: Language) -> Call[None]:
    """`language`: for the mail to a person who has chosen none."""
    return Call("POST", "/auth/forgot", body={"email": email, "language": language}, bare=True)


def reauth(password: str) -> Call[None]:
    return Call("POST", "/auth/reauth", body={"current_password": password})


# --- sessions


def sessions(**asked: Unpack[Paging]) -> Call[Page[SessionOut]]:
    return Call("GET", "/auth/sessions", Page[SessionOut], query=query(**asked))


def end_session(session_id: str) -> Call[None]:
    return Call("DELETE", path("/auth/sessions/{}", session_id))


def end_other_sessions() -> Call[None]:
    return Call("DELETE", "/auth/sessions")


# --- the profile and own data


def me() -> Call[UserOut]:
    return Call("GET", "/users/me", UserOut)


def update_me(change: ProfileIn) -> Call[UserOut]:
    """Fields that are not given stay."""
    return Call("PUT", "/users/me", UserOut, body=change)


def preferences() -> Call[PreferencesOut]:
    return Call("GET", "/users/me/preferences", PreferencesOut)


def prefer(change: PreferencesIn) -> Call[PreferencesOut]:
    """Fields that are not given stay; null takes a choice back."""
    return Call("PUT", "/users/me/preferences", PreferencesOut, body=change)


def spend(days: int) -> Call[MySpendOut]:
    return Call("GET", "/users/me/spend", MySpendOut, query=query(days=days))


def export() -> Call[bytes]:
    """A zip with everything that is held about the person."""
    return Call("GET", "/users/me/export", bytes, within=MAKING)


def delete_me() -> Call[None]:
    return Call("DELETE", "/users/me", within=MAKING)
