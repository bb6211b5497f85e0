"""Bad settings are reported in one line, and each process gets only its own secrets."""

import os
from pathlib import Path

import pytest

from admin_web.settings import WebSettings
from api.secrets import ensure_secrets
from api.settings import Settings, reachable
from bots.settings import BotSettings
from cli.settings import BadSetting, LaunchSettings, check_names, environment_names, load
from sandbox.settings import SandboxSettings


@pytest.fixture(autouse=True)
def clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the settings and the `.env` of the developer who runs the tests."""
    monkeypatch.chdir(tmp_path)
    for settings in (Settings, WebSettings, BotSettings, LaunchSettings, SandboxSettings):
        for name in environment_names(settings).values():
            monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("API_PORT", "eight", "API_PORT should be a valid integer"),
        ("API_PORT", "70000", "API_PORT should be less than or equal to 65535"),
        ("PUBLIC_URL", "http://example.com", "PUBLIC_URL must be an https:// address"),
        ("PUBLIC_URL", "https://example.com/?a=b", "PUBLIC_URL must be an address without ?, #"),
        ("PUBLIC_URL", "https://exam ple.com", "PUBLIC_URL must be an address without ?, #"),
        ("TRUSTED_PROXIES", "proxy", "TRUSTED_PROXIES must be addresses or networks"),
        ("SSL_CERT_FILE", "/none.pem", "SSL_CERT_FILE: /none.pem cannot be read: No such file"),
        ("SSL_CERT_FILE", "/etc/hosts", "SSL_CERT_FILE: /etc/hosts holds no certificates"),
        ("AWS_ENDPOINT_URL", "127.0.0.1:9000", "AWS_ENDPOINT_URL must begin with https:// or"),
        ("SSL_CERT_DIR", "/none", "SSL_CERT_DIR: /none is no folder"),
        ("WORKER", "off", "WORKER=off needs DATABASE_URL"),
        ("CHAT_SIGNUP", "everybody", "CHAT_SIGNUP should be 'link' or 'open'"),
        ("DATABASE_URL", "mysql://x", "DATABASE_URL must begin with"),
    ],
)
def test_one_line_names_the_setting_and_what_it_should_be(
    name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BadSetting) as caught:
        load(Settings)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("WEB_PORT=1\nthis is nonsense\n", "Line 2 of .env is no setting: write NAME=value"),
        ("PUBLIC_URL\n", "Line 1 of .env is no setting: write NAME=value"),
        ('# a\n\nSMTP_HOST="mail\n', "Line 3 of .env is no setting: write NAME=value"),
        (None, ".env cannot be read: Is a directory"),
    ],
)
def test_a_line_that_would_be_left_out_is_named(content: str | None, said: str) -> None:
    if content is None:
        Path(".env").mkdir()
    else:
        Path(".env").write_text(content)
    with pytest.raises(BadSetting) as caught:
        load(Settings)
    assert str(caught.value) == said


def test_lines_of_all_usual_forms_are_read() -> None:
    lines = ["\ufeffAPI_PORT=9000", "", "# said", "export WEB_PORT = 9001 # here", "SMTP_HOST="]
    Path(".env").write_text("\r\n".join(lines), encoding="utf-8")
    assert load(LaunchSettings).web_port == 9001


def test_a_name_with_a_prefix_is_told_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_VIDEO_SECONDS", "-1")
    with pytest.raises(BadSetting, match=r"^SANDBOX_VIDEO_SECONDS should be greater"):
        load(SandboxSettings)
    assert environment_names(SandboxSettings)["webhook_secret"] == "OPENROUTER_WEBHOOK_SECRET"


def test_a_bad_secret_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "hunter2")
    with pytest.raises(BadSetting, match="SECRET_KEY must be at least 32 bytes long") as caught:
        load(Settings)
    assert "hunter2" not in str(caught.value)


def test_a_missing_setting_is_named() -> None:
    with pytest.raises(BadSetting, match="WEB_SESSION_KEY is missing"):
        load(WebSettings)


def test_two_bad_settings_are_both_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_PORT", "x")
    monkeypatch.setenv("DEFAULT_MONTHLY_USD", "-1")
    with pytest.raises(BadSetting, match=r"API_PORT.*; DEFAULT_MONTHLY_USD"):
        load(Settings)


def test_each_process_gets_its_own_secret_and_the_address_of_the_api(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = ensure_secrets(tmp_path)
    monkeypatch.setenv("API_HOST", "0.0.0.0")
    monkeypatch.setenv("API_PORT", "8123")
    launch = load(LaunchSettings)
    api_url = {"api_url": "http://127.0.0.1:8123"}
    assert launch.given("api", secrets) == {**api_url, "secret_key": secrets.secret_key}
    assert launch.given("web", secrets) == {**api_url, "web_session_key": secrets.web_session_key}
    assert launch.given("telegram", secrets) == {**api_url, "bot_key": secrets.bot_keys["telegram"]}
    assert launch.given("sandbox", secrets) == api_url


def test_a_secret_that_is_set_wins_over_a_generated_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text(f"SECRET_KEY={'k' * 40}\nAPI_URL=http://api:8000\n")
    monkeypatch.setenv("WEB_SESSION_KEY", "w" * 40)
    monkeypatch.setenv("BOT_KEY", "b" * 40)
    launch = load(LaunchSettings)
    for process in ("api", "web", "discord"):
        assert launch.given(process, ensure_secrets(tmp_path)) == {}


def test_a_bot_without_a_token_and_a_sandbox_beside_a_provider_are_idle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    launch = load(LaunchSettings)
    assert "TELEGRAM_BOT_TOKEN" in str(launch.idle("telegram"))
    assert "DISCORD_BOT_TOKEN" in str(launch.idle("discord"))
    assert [name for name in ("sandbox", "api", "web", "terminal") if launch.idle(name)] == []
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-1")
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", "1:x")
    launch = load(LaunchSettings)
    assert launch.idle("sandbox")
    assert launch.idle("telegram") is None


def test_an_empty_value_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", "")
    assert load(LaunchSettings).idle("sandbox") is None
    assert "OPENROUTER_API_KEY" in os.environ


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("OPENROUTR_API_KEY", "OPENROUTER_API_KEY"),
        ("telegram_token", "TELEGRAM_BOT_TOKEN"),
        ("export DISCORD_TOKEN", "DISCORD_BOT_TOKEN"),
        ("SMTP_PASS", "SMTP_PASSWORD"),
        ("API_HOSTS", "API_HOST"),
    ],
)
def test_a_name_in_the_file_that_is_nearly_a_setting_is_refused(
    name: str, meant: str, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text(f"# {meant}=1\n{name} = 1\n")
    with pytest.raises(
        BadSetting,
        match=rf"^{name.rsplit(maxsplit=1)[-1].upper()} in \.env is no setting: did you mean "
        rf"{meant}\?$",
    ):
        check_names()


def test_names_of_other_programs_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names in a shell's environment may resemble ours; beside the right name, a similar one is no
    typing error."""
    (tmp_path / ".env").write_text(
        "AWS_REGION=x\nCOMPOSE_PROJECT_NAME=x\nOPENAI_API_KEY=x\nSMTP_PASS=x\nSMTP_PASSWORD=x\nAPI_PORT=1\n"
    )
    for name in ("APP_PORT", "DB_HOST", "WORKERS", "DATABASE_PORT", "POSTGRES_PORT", "WEB_HOSTS"):
        monkeypatch.setenv(name, "1")
    check_names()
    monkeypatch.setenv("OPENROUTR_API_KEY", "1")
    with pytest.raises(
        BadSetting,
        match="OPENROUTR_API_KEY in the environment is no setting: did you mean OPENROUTER_API_KEY",
    ):
        check_names()
    monkeypatch.setenv("OPENROUTER_API_KEY", "1")
    check_names()


def test_a_file_of_settings_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes("API_HOST=straße".encode("latin-1"))
    with pytest.raises(BadSetting, match=r"^\.env cannot be read: it is not UTF-8 text$"):
        load(LaunchSettings)


def test_the_sandbox_is_found_wherever_it_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {}
    for host in ("127.0.0.1", "::1", "0.0.0.0", "::", "sandbox"):
        monkeypatch.setenv("SANDBOX_HOST", host)
        found[host] = load(Settings).provider_url.removesuffix(":8010/api/v1")
    assert found == {
        "127.0.0.1": "http://127.0.0.1", "::1": "http://[::1]", "0.0.0.0": "http://127.0.0.1",
        "::": "http://[::1]", "sandbox": "http://sandbox",
    }  # fmt: skip


def test_a_process_that_listens_everywhere_is_reached_on_loopback() -> None:
    found = [reachable(host) for host in ("0.0.0.0", "::", "::1", "10.0.0.1")]
    assert found == ["127.0.0.1", "[::1]", "[::1]", "10.0.0.1"]


def test_variables_of_libraries_may_stand_in_the_file_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_REGION", "HTTPS_PROXY", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_REGION", "of-the-environment")
    (tmp_path / ".env").write_text(
        "AWS_ACCESS_KEY_ID=ours\nAWS_REGION=of-the-file\nHTTPS_PROXY='http://proxy:3128'\nSSL_CERT_FILE=\nPATH=/nowhere\n"
    )
    load(LaunchSettings)
    assert os.environ["AWS_ACCESS_KEY_ID"] == "ours"
    assert os.environ["AWS_REGION"] == "of-the-environment"
    assert os.environ["HTTPS_PROXY"] == "http://proxy:3128"
    assert "SSL_CERT_FILE" not in os.environ
    assert os.environ["PATH"] != "/nowhere"


def test_any_setting_may_be_read_from_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, port, signing = (tmp_path / name for name in ("key", "port", "signing"))
    key.write_text(f"{'k' * 40}\n")
    port.write_text(" 8123 ")
    signing.write_text("secret of the provider\n")
    monkeypatch.setenv("SECRET_KEY_FILE", str(key))
    monkeypatch.setenv("OPENROUTER_WEBHOOK_SECRET_FILE", str(signing))
    (tmp_path / ".env").write_text(f"API_PORT_FILE={port}\nWEB_SESSION_KEY_FILE={key}\n")
    check_names()
    api, web, launch = load(Settings), load(WebSettings), load(LaunchSettings)
    assert api.secret_key is not None
    assert api.secret_key.get_secret_value() == "k" * 40
    assert web.web_session_key.get_secret_value() == "k" * 40
    assert (api.api_port, launch.api_port) == (8123, 8123)
    assert launch.given("api", ensure_secrets(tmp_path)).keys() == {"api_url"}
    secret = load(SandboxSettings).webhook_secret
    assert secret is not None
    assert secret.get_secret_value() == "secret of the provider"


def test_a_bot_takes_the_key_that_is_named_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TELEGRAM_BOT_KEY", "t" * 40)
    launch, secrets = load(LaunchSettings), ensure_secrets(tmp_path)
    assert (launch.missing_secret("telegram"), launch.missing_secret("discord")) == (
        None,
        "bot_key",
    )
    assert launch.given("telegram", None)["bot_key"] == "t" * 40
    assert launch.given("discord", secrets)["bot_key"] == secrets.bot_keys["discord"]
    assert load(Settings).bot_keys == {"telegram": "t" * 40}
    monkeypatch.setenv("BOT_KEY", "b" * 40)
    assert "bot_key" not in load(LaunchSettings).given("telegram", None)


def test_an_empty_file_counts_as_not_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = tmp_path / "empty"
    empty.write_text("\n")
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN_FILE", str(empty))
    assert load(LaunchSettings).telegram_bot_token is None
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", "1:token")
    assert load(LaunchSettings).telegram_bot_token is not None


@pytest.mark.parametrize("where", ["environment", "file"])
def test_a_value_and_a_file_of_the_same_setting_are_refused(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "key"
    key.write_text("sk-or-of-the-file")
    monkeypatch.setenv("OPENROUTER_API_KEY_FILE", str(key))
    if where == "environment":
        monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-other")
    else:
        (tmp_path / ".env").write_text("OPENROUTER_API_KEY=sk-or-other\n")
    with pytest.raises(BadSetting) as caught:
        load(Settings)
    assert str(caught.value) == (
        "OPENROUTER_API_KEY and OPENROUTER_API_KEY_FILE are both set: keep one of them"
    )


def test_a_file_that_cannot_be_used_is_named_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large, binary = tmp_path / "large", tmp_path / "binary"
    large.write_bytes(b"x" * 70_000)
    binary.write_bytes(b"\xff\xfe\x00")
    said = {}
    for path in (tmp_path / "nowhere", tmp_path, large, binary):
        monkeypatch.setenv("DATABASE_URL_FILE", str(path))
        with pytest.raises(BadSetting) as caught:
            load(Settings)
        said[path.name] = str(caught.value).replace(str(path), "PATH")
    assert said == {
        "nowhere": "DATABASE_URL_FILE: PATH cannot be read: No such file or directory",
        tmp_path.name: "DATABASE_URL_FILE: PATH cannot be read: Is a directory",
        "large": "DATABASE_URL_FILE: PATH is too large to hold one value",
        "binary": "DATABASE_URL_FILE: PATH is not UTF-8 text",
    }


def test_a_misspelt_name_of_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("OPENROUTR_API_KEY_FILE=/run/secrets/key\n")
    with pytest.raises(BadSetting, match="did you mean OPENROUTER_API_KEY_FILE"):
        check_names()


def test_keys_of_the_store_go_on_from_their_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "key"
    key.write_text("s3-secret\n")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    (tmp_path / ".env").write_text(f"AWS_SECRET_ACCESS_KEY_FILE={key}\n")
    for _ in range(2):  # a process reads more than one class
        load(LaunchSettings)
        assert os.environ["AWS_SECRET_ACCESS_KEY"] == "s3-secret"
