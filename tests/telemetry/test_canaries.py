"""The search of logs finds what it is made for."""

import json
from pathlib import Path

import pytest
import structlog

from tests import canaries

TOKEN = "123456:" + "A" * 35


@pytest.mark.parametrize(
    "line",
    [
        '{"event": "asked", "said": "a \\"quoted\\" quokka sings"}',
        f"Bot token {TOKEN} is refused",
        "key of-the-provider is wrong",
        "signed by a-generated-secret",
        "Authorization: Bearer abcdefgh",
        "GET /media/1?exp=1&sig=abcdefghij",
    ],
)
def test_it_finds_texts_and_secrets(tmp_path: Path, line: str) -> None:
    canaries.said('/image a "quoted" quokka sings\nand dances')
    (tmp_path / "secrets.json").write_text(
        json.dumps({"secret_key": "a-generated-secret", "installation": "the-mark-of-the-store"})
    )
    log = tmp_path / "api.log"
    log.write_text("started in the-mark-of-the-store with 20 processes\n")
    env = {"OPENROUTER_API_KEY": "of-the-provider", "API_PORT": "20000"}
    assert canaries.found_in(tmp_path, env) == []
    log.write_text(f"started\n{line}\n")
    assert canaries.found_in(tmp_path, env)


@pytest.mark.parametrize("field", ["prompt", "password"])
def test_a_field_of_that_name_is_found(field: str) -> None:
    structlog.get_logger("api").info("asked", **{field: "x"})
    assert canaries.seen()
    structlog.get_logger("api").info("asked", model="x")
    assert canaries.seen() == []
