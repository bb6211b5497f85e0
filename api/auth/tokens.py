"""Access and act tokens: short-lived JWTs that say who asks, and nothing that must be fresh (role,
status, session are rows)."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any, Literal, TypeVar

import jwt
from pydantic import BaseModel, ConfigDict, ValidationError

from api import ids
from api.errors import NotAuthenticated

ACCESS_LIFE = timedelta(minutes=15)
ACT_LIFE = timedelta(seconds=120)
LONGEST_LIFE = timedelta(minutes=20)
SHORTEST_KEY = 32
KEPT = 1024
"""The number of tokens whose signature is not checked again."""
ISSUER = "allucanget"
AUDIENCE = "allucanget-api"
ALGORITHM = "HS256"

_Type = Literal["at+jwt", "act+jwt"]


class _Claims(BaseModel):
    """Strict: PyJWT lets numbers written as text pass."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    sub: str
    iat: int
    exp: int
    jti: str


class AccessClaims(_Claims):
    sid: str


class Actor(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

    sub: str


class ActClaims(_Claims):
    """`act` names the bot that speaks for `sub` (RFC 8693)."""

    act: Actor
    platform: str
    platform_user_id: str
    chat_id: str
    place_id: str | None = None


C = TypeVar("C", AccessClaims, ActClaims)


@dataclass(frozen=True, slots=True)
class _SigningKey:
    id: str
    secret: bytes


def _derive(secret: str) -> _SigningKey:
    """The same setting keys other things too: each use gets a key of its own."""
    if len(secret.encode()) < SHORTEST_KEY:
        raise ValueError(f"the signing key must be at least {SHORTEST_KEY} bytes long")
    key = hashlib.blake2b(secret.encode(), digest_size=32, person=b"access-jwt").digest()
    return _SigningKey(hashlib.sha256(key).hexdigest()[:12], key)


class TokenSigner:
    """Signs with the first secret and verifies with any of them, chosen by `kid`: that is how a key
    is changed."""

    def __init__(self, secrets: Sequence[str]) -> None:
        keys = [_derive(secret) for secret in secrets]
        self._signing = keys[0]
        self._secrets = {key.id: key.secret for key in keys}
        self._verified = lru_cache(KEPT)(self._verify)

    def access(self, user_id: str, session_id: str) -> str:
        return self._sign("at+jwt", ACCESS_LIFE, {"sub": user_id, "sid": session_id})

    def act(
        self,
        user_id: str,
        *,
        platform: str,
        platform_user_id: str,
        chat_id: str,
        place_id: str | None = None,
    ) -> str:
        """For a linked user, in one chat, spoken for by that platform's bot."""
        claims = {
            "sub": user_id,
            "act": {"sub": f"bot:{platform}"},
            "platform": platform,
            "platform_user_id": platform_user_id,
            "chat_id": chat_id,
            "place_id": place_id,
        }
        return self._sign("act+jwt", ACT_LIFE, claims)

    def read(self, token: str) -> AccessClaims | ActClaims:
        """Raises `NotAuthenticated` for anything that we did not sign just like this, and for what
        has expired."""
        claims = self._verified(token)
        if claims.exp <= ids.now().timestamp():
            raise _refused()
        return claims

    def _verify(self, token: str) -> AccessClaims | ActClaims:
        """Check everything except the expiry, and remember it: a check takes a millisecond, and
        each token is read many times."""
        try:
            header = jwt.get_unverified_header(token)
            kid, typ = header.get("kid"), header.get("typ")
            secret = self._secrets.get(kid) if isinstance(kid, str) else None
            if secret is None:
                raise _refused()
            payload = jwt.decode(
                token,
                secret,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                options={
                    "require": ["iss", "aud", "exp", "iat", "jti", "sub"],
                    "verify_exp": False,
                },
            )
        except jwt.InvalidTokenError as error:
            raise _refused() from error
        if typ == "at+jwt":
            return _claims(AccessClaims, payload)
        if typ == "act+jwt":
            return _claims(ActClaims, payload)
        raise _refused()

    def _sign(self, typ: _Type, life: timedelta, claims: dict[str, Any]) -> str:
        issued = int(ids.now().timestamp())
        payload = claims | {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "iat": issued,
            "exp": issued + int(life.total_seconds()),
            "jti": ids.new_id(),
        }
        return jwt.encode(
            payload, self._signing.secret, ALGORITHM, headers={"kid": self._signing.id, "typ": typ}
        )


def _claims(model: type[C], payload: dict[str, Any]) -> C:
    try:
        claims = model.model_validate(payload)
    except ValidationError as error:
        raise _refused() from error
    if claims.exp - claims.iat > LONGEST_LIFE.total_seconds():
        raise _refused()
    return claims


def _refused() -> NotAuthenticated:
    return NotAuthenticated("sign_in_again")
