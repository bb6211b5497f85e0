"""Access tokens are accepted only if this installation signed them, in exactly its own way."""

from collections.abc import Callable
from typing import Any

import jwt
import pytest

from api import ids
from api.auth.tokens import AccessClaims, ActClaims, TokenSigner
from api.errors import NotAuthenticated

SECRET = "a secret key that is long enough to sign"


def forge(
    signer: TokenSigner,
    change: Callable[[dict[str, Any]], None],
    *,
    typ: str = "at+jwt",
    algorithm: str = "HS256",
) -> str:
    """Return a token signed with our own key that differs from a good one in one thing."""
    issued = int(ids.now().timestamp())
    payload: dict[str, Any] = {
        "iss": "allucanget",
        "aud": "allucanget-api",
        "sub": "u1",
        "sid": "s1",
        "jti": "j1",
        "iat": issued,
        "exp": issued + 900,
    }
    change(payload)
    key = signer._signing
    return jwt.encode(payload, key.secret, algorithm, headers={"kid": key.id, "typ": typ})


def nothing(payload: dict[str, Any]) -> None:
    """Leave the token good."""


@pytest.fixture
def signer() -> TokenSigner:
    return TokenSigner([SECRET])


def test_an_access_token_names_user_and_session(signer: TokenSigner) -> None:
    claims = signer.read(signer.access("u1", "s1"))
    assert isinstance(claims, AccessClaims)
    assert (claims.sub, claims.sid, claims.exp - claims.iat) == ("u1", "s1", 900)


def test_an_act_token_names_the_bot_and_lasts_two_minutes(signer: TokenSigner) -> None:
    claims = signer.read(signer.act("u1", platform="telegram", platform_user_id="7", chat_id="9"))
    assert isinstance(claims, ActClaims)
    seen = (claims.act.sub, claims.platform_user_id, claims.chat_id, claims.exp - claims.iat)
    assert seen == ("bot:telegram", "7", "9", 120)


def test_the_forge_makes_good_tokens_when_it_changes_nothing(signer: TokenSigner) -> None:
    assert signer.read(forge(signer, nothing)).sub == "u1"


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "sid", "jti", "iat", "exp"])
def test_every_claim_is_required(signer: TokenSigner, claim: str) -> None:
    with pytest.raises(NotAuthenticated):
        signer.read(forge(signer, lambda payload: payload.pop(claim)))


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("iss", "somebody"),
        ("aud", "somebody"),
        ("aud", ["x"]),
        ("exp", str(2**33)),
        ("exp", 10**12),
        ("exp", 1),
        ("iat", 2**33),
        ("sid", 5),
    ],
)
def test_a_wrong_claim_is_refused(signer: TokenSigner, claim: str, value: object) -> None:
    with pytest.raises(NotAuthenticated):
        signer.read(forge(signer, lambda payload: payload.update({claim: value})))


def test_a_token_that_was_read_before_is_refused_once_it_has_expired(signer: TokenSigner) -> None:
    good, ended = (
        forge(signer, nothing),
        forge(signer, lambda payload: payload.update(exp=payload["iat"] - 1)),
    )
    for _ in range(2):
        assert signer.read(good).sub == "u1"
        with pytest.raises(NotAuthenticated):
            signer.read(ended)
    assert signer._verified.cache_info().hits == 2


@pytest.mark.parametrize("typ", ["JWT", "rt+jwt", "act+jwt", ""])
def test_a_token_of_another_type_is_refused(signer: TokenSigner, typ: str) -> None:
    with pytest.raises(NotAuthenticated):
        signer.read(forge(signer, nothing, typ=typ))


# the key is long enough for HS256
@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_another_algorithm_is_refused(signer: TokenSigner) -> None:
    with pytest.raises(NotAuthenticated):
        signer.read(forge(signer, nothing, algorithm="HS384"))
    header = {"kid": signer._signing.id, "typ": "at+jwt"}
    with pytest.raises(NotAuthenticated):
        signer.read(jwt.encode({"sub": "u1"}, "", "none", headers=header))


def test_another_installations_token_is_refused(signer: TokenSigner) -> None:
    other = TokenSigner(["another secret key that is long enough"])
    with pytest.raises(NotAuthenticated):
        signer.read(other.access("u1", "s1"))
    key = signer._signing
    forged = jwt.encode(
        {"sub": "u1"}, other._signing.secret, "HS256", headers={"kid": key.id, "typ": "at+jwt"}
    )
    with pytest.raises(NotAuthenticated):
        signer.read(forged)


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "ü.ü.ü", "a" * 5000])
def test_malformed_tokens_are_refused(signer: TokenSigner, text: str) -> None:
    with pytest.raises(NotAuthenticated):
        signer.read(text)


def test_a_key_is_changed_without_signing_anybody_out(signer: TokenSigner) -> None:
    changed = TokenSigner(["a new secret key that is long enough", SECRET])
    assert changed.read(signer.access("u1", "s1")).sub == "u1"
    with pytest.raises(NotAuthenticated):
        signer.read(changed.access("u1", "s1"))


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        TokenSigner(["short"])
