from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from api.secrets import Secrets, SecretsUnusable, ensure_secrets, renew_bot_key


def test_made_once_and_for_the_owner_only(tmp_path: Path) -> None:
    made = ensure_secrets(tmp_path / "data")
    assert ensure_secrets(tmp_path / "data") == made
    assert (tmp_path / "data" / "secrets.json").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    assert set(made.bot_keys) == {"telegram", "discord", "terminal"}
    values = [
        made.secret_key,
        made.setup_token,
        made.web_session_key,
        made.operator_key,
        *made.bot_keys.values(),
    ]
    assert len(set(values)) == len(values)
    assert all(len(value.encode()) >= 32 for value in values)


def test_processes_that_start_together_get_the_same(tmp_path: Path) -> None:
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        made = list(pool.map(ensure_secrets, [tmp_path / "data"] * 16))
    assert made == [made[0]] * 16


def test_a_crash_while_writing_leaves_no_half_file(tmp_path: Path) -> None:
    (tmp_path / "secrets.new").write_text('{"secret_key": "ha')
    assert isinstance(ensure_secrets(tmp_path), Secrets)
    assert not (tmp_path / "secrets.new").exists()


def test_a_damaged_file_is_named_and_kept(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text("{}x")
    with pytest.raises(SecretsUnusable, match=r"secrets\.json is damaged"):
        ensure_secrets(tmp_path)
    assert (tmp_path / "secrets.json").read_text() == "{}x"


def test_a_short_secret_is_refused(tmp_path: Path) -> None:
    ensure_secrets(tmp_path)
    path = tmp_path / "secrets.json"
    path.write_text(
        Secrets.model_validate_json(path.read_text())
        .model_copy(update={"secret_key": "short"})
        .model_dump_json()
    )
    with pytest.raises(SecretsUnusable):
        ensure_secrets(tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SecretsUnusable, match="file"):
        ensure_secrets(tmp_path / "file" / "data")


def test_a_secret_of_a_newer_version_is_made_once_and_the_others_stay(tmp_path: Path) -> None:
    made = ensure_secrets(tmp_path)
    path = tmp_path / "secrets.json"
    path.write_text(made.model_dump_json(exclude={"operator_key"}))
    added = ensure_secrets(tmp_path)
    assert added == made.model_copy(update={"operator_key": added.operator_key})
    assert ensure_secrets(tmp_path) == added
    assert path.stat().st_mode & 0o777 == 0o600


def test_one_bots_key_is_renewed(tmp_path: Path) -> None:
    made = ensure_secrets(tmp_path)
    renewed = renew_bot_key(tmp_path, "discord")
    assert ensure_secrets(tmp_path) == renewed
    assert renewed.bot_keys["discord"] != made.bot_keys["discord"]
    assert renewed.made["bot_key_discord"] > made.made["bot_key_discord"]
    assert renewed == made.model_copy(
        update={
            "bot_keys": {**made.bot_keys, "discord": renewed.bot_keys["discord"]},
            "made": renewed.made,
        }
    )
