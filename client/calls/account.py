"""Calls of people about their own account: signing in, profile, sessions, linked chats."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from client.schemas import Page, Platform, ReadyOut
from client.schemas.auth import InviteeOut, SessionOut, TokensOut
from client.schemas.links import BotsOut, CodeOut, CodeStateOut, LinkOut
from client.schemas.users import PreferencesIn, PreferencesOut, ProfileIn, UserOut
from client.sync import SLOW, ApiHttp, address, as_json, check, parse, parse_list, query


class AccountCalls(ApiHttp):
    def ready(self) -> ReadyOut:
        """Also answers when the api is up but not ready."""
        response = self.send("GET", "/readyz", good=(200, 503))
        return parse(ReadyOut, response)

    def setup(self, token: str, email: str, password: str) -> TokensOut:
        return parse(
            TokensOut,
            self.send(
                "POST", "/auth/setup", json={"token": token, "email": email, "password": password}
            ),
        )

    def login(self, email: str, password: str, device: str | None) -> TokensOut:
        body = {"email": email, "password": password, **({"device": device} if device else {})}
        return parse(TokensOut, self.send("POST", "/auth/login", json=body))

    def refresh(self, refresh_token: str) -> TokensOut:
        return parse(
            TokensOut, self.send("POST", "/auth/refresh", json={"refresh_token": refresh_token})
        )

    def logout(self) -> None:
        self.send("POST", "/auth/logout")

    def me(self) -> UserOut:
        return parse(UserOut, self.send("GET", "/users/me"))

    def update_me(self, change: ProfileIn, only: set[str] | None = None) -> UserOut:
        """`only`: these alone are sent, also when they are null, which takes a choice back."""
        body = as_json(change) if only is None else change.model_dump(mode="json", include=only)
        return parse(UserOut, self.send("PUT", "/users/me", json=body))

    def preferences(self) -> PreferencesOut:
        return parse(PreferencesOut, self.send("GET", "/users/me/preferences"))

    def prefer(self, change: PreferencesIn) -> PreferencesOut:
        """What is not given stays; null takes a choice back."""
        return parse(
            PreferencesOut,
            self.send(
                "PUT",
                "/users/me/preferences",
                json=change.model_dump(mode="json", exclude_unset=True),
            ),
        )

    # --- invitations, resets, proving who one is

    def invitee(self, invite: str) -> InviteeOut:
        return parse(InviteeOut, self.send("POST", "/auth/invitee", json={"invite": invite}))

    def register(self, email: str, password: str, invite: str | None) -> TokensOut:
        body = {"email": email, "password": password, **({"invite": invite} if invite else {})}
        return parse(TokensOut, self.send("POST", "/auth/register", json=body))

    def reset(self, token: str, password: str) -> None:
        self.send("POST", "/auth/reset", json={"token": token, "password": password})

    def reauth(self, password: str) -> None:
        self.send("POST", "/auth/reauth", json={"current_password": password})

    # --- where one is signed in

    def sessions(self, cursor: str | None = None, sort: str | None = None) -> Page[SessionOut]:
        return parse(
            Page[SessionOut],
            self.send("GET", "/auth/sessions", params=query(cursor=cursor, sort=sort)),
        )

    def end_session(self, session_id: str) -> None:
        self.send("DELETE", address("/auth/sessions/{}", session_id))

    def end_other_sessions(self) -> None:
        self.send("DELETE", "/auth/sessions")

    # --- one's own data

    @contextmanager
    def export(self) -> Iterator[httpx.Response]:
        """A zip with everything that is held about the person, streamed."""
        response = self.open("GET", "/users/me/export", timeout=SLOW)
        try:
            check(response, (200,))
            yield response
        finally:
            response.close()

    def delete_me(self) -> None:
        self.send("DELETE", "/users/me", timeout=SLOW)

    # --- chats

    def connected_bots(self) -> BotsOut:
        return parse(BotsOut, self.send("GET", "/links/bots"))

    def links(self) -> list[LinkOut]:
        return parse_list(LinkOut, self.send("GET", "/links"))

    def new_link_code(self, platform: Platform) -> CodeOut:
        return parse(CodeOut, self.send("POST", "/links/codes", json={"platform": platform}))

    def link_code(self, code_id: str) -> CodeStateOut:
        return parse(CodeStateOut, self.send("GET", address("/links/codes/{}", code_id)))

    def confirm_link(self, code_id: str) -> None:
        self.send("POST", address("/links/codes/{}/confirm", code_id))

    def unlink(self, platform: str, platform_user_id: str) -> None:
        self.send("DELETE", address("/links/{}/{}", platform, platform_user_id))
