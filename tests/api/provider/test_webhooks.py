"""The signature of the provider's webhooks."""

import pytest

from api.provider.webhooks import verify
from sandbox.webhooks import sign

BODY = (
    b'{"type":"video.generation.completed","created_at":"2026-04-24T12:00:00.000Z",'
    b'"data":{"id":"job_test","status":"completed"}}'
)
HEADER = "t=1700000000,v1=f8d5efd0983c114076b34fa582bfafa97963110e7a488cae78b253674b7c365a"
THEN = 1_700_000_000


def test_the_published_vector_fits() -> None:
    assert verify("dev_secret", HEADER, BODY, THEN)
    assert sign("dev_secret", BODY, THEN) == HEADER


@pytest.mark.parametrize("away", [-300, 300])
def test_a_clock_may_be_five_minutes_off(away: int) -> None:
    assert verify("dev_secret", HEADER, BODY, THEN + away)
    assert not verify("dev_secret", HEADER, BODY, THEN + away + (1 if away > 0 else -1))


@pytest.mark.parametrize(
    ("secret", "header", "body"),
    [
        ("other", HEADER, BODY),
        ("", HEADER, BODY),
        ("dev_secret", HEADER, BODY + b" "),
        ("dev_secret", HEADER.replace("t=1700000000", "t=1700000001"), BODY),
        ("dev_secret", HEADER[:-1] + "b", BODY),
        ("dev_secret", HEADER.split(",", maxsplit=1)[0], BODY),
        ("dev_secret", HEADER.split(",")[1], BODY),
        ("dev_secret", "t=now,v1=00", BODY),
        ("dev_secret", "t=1700000000,v1=é", BODY),
        ("dev_secret", "", BODY),
        ("dev_secret", None, BODY),
    ],
)
def test_everything_else_is_refused(secret: str, header: str | None, body: bytes) -> None:
    assert not verify(secret, header, body, THEN)
