"""docker-compose.yml, deploy/ and the Dockerfile name all files, settings and secrets that they
need, and none that do not exist."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr
from pydantic_settings import BaseSettings

from admin_web.settings import WebSettings
from api.settings import Settings
from bots.settings import BotSettings
from cli.health import PATHS
from cli.process import PROCESSES
from cli.settings import LaunchSettings, environment_names
from cli.supervisor import END_WITHIN
from sandbox.settings import SandboxSettings
from telemetry.settings import TelemetrySettings
from tests.rules.source import PRODUCT, ROOT
from tests.rules.test_settings import names


class _Loader(yaml.SafeLoader):
    """Takes `!reset` for nothing: the file below it has no such list then."""


_Loader.add_constructor("!reset", lambda loader, node: None)


def read(path: str) -> dict[str, Any]:
    return dict(yaml.load((ROOT / path).read_text(), _Loader))  # noqa: S506 - a safe loader


COMPOSE = read("docker-compose.yml")
SCALE = read("deploy/scale.yml")
DOCKERFILE = (ROOT / "Dockerfile").read_text()
OURS: dict[str, dict[str, Any]] = COMPOSE["services"]
THEIRS = {name: service for name, service in SCALE["services"].items() if "image" in service}
PINNED = r":\d+\.\d+\S*@sha256:[0-9a-f]{64}$"
"""An exact version, held by its content."""
# the terminal chat runs in a person's terminal, not as a service
SERVED = set(PROCESSES) - {"terminal"}
READERS: dict[str, type[BaseSettings]] = {
    "api": Settings,
    "worker": Settings,
    "cli": Settings,
    "web": WebSettings,
    "telegram": BotSettings,
    "discord": BotSettings,
    "sandbox": SandboxSettings,
}
# where each process listens is for that process, and for those who ask it
LISTENING = {"API_HOST", "API_PORT", "WEB_HOST", "WEB_PORT", "SANDBOX_HOST", "SANDBOX_PORT"}
# a bot's key has a name of its own here; the other bot's settings are not for this one
OTHERS = {"telegram": ("DISCORD_",), "discord": ("TELEGRAM_",)}
NOT_GIVEN = {"BOT_KEY"}
# what the command line reads beside the settings of the api
ALSO = {"cli": {"API_URL", "WEB_PORT"}, "api": {"API_URL"}, "worker": {"API_URL"}}
LIBRARIES = re.compile(r"AWS_\w+|(?:HTTPS?|ALL|NO)_PROXY")


def plain(names: set[str]) -> set[str]:
    return {name.removesuffix("_FILE") for name in names}


def test_every_process_is_a_service() -> None:
    assert set(OURS) == SERVED | {"cli"}
    assert [name for name in SERVED if OURS[name]["command"][0] != name] == []
    assert OURS["cli"]["profiles"] == ["cli"]
    assert OURS["cli"]["entrypoint"] == ["python", "-m", "cli"]


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_service_gets_the_settings_that_its_process_reads_and_no_others(name: str) -> None:
    given = plain(set(OURS[name]["environment"]))
    read = {
        setting
        for cls in (READERS[name], TelemetrySettings)
        for setting in environment_names(cls).values()
        if not setting.startswith(OTHERS.get(name, ()))
    } - NOT_GIVEN
    own_key = {f"{name.upper()}_BOT_KEY"} if name in OTHERS else set()
    ours = {setting for setting in given if not LIBRARIES.fullmatch(setting)}
    assert ours - read - own_key - ALSO.get(name, set()) - LISTENING == set()
    wanted = (read | own_key) - LISTENING - {"DATA_DIR"}
    assert wanted - given == set(), "name it in docker-compose.yml, a secret as NAME_FILE"


@pytest.mark.parametrize("name", sorted(OURS))
def test_secrets_come_from_files_and_from_nowhere_else(name: str) -> None:
    service = OURS[name]
    assert "env_file" not in service
    secret = {
        setting
        for cls in (READERS[name], LaunchSettings, TelemetrySettings)
        for field, setting in environment_names(cls).items()
        if SecretStr in (cls.model_fields[field].annotation, *args_of(cls, field))
    } | {"DATABASE_URL", "DATABASE_LISTEN_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    environment = service["environment"]
    assert secret & set(environment) == set()
    files = {key: value for key, value in environment.items() if key.endswith("_FILE")}
    assert files == {key: f"/run/secrets/{key.removesuffix('_FILE').lower()}" for key in files}
    assert {path.rsplit("/", 1)[1] for path in files.values()} == set(service.get("secrets", []))
    assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])


def args_of(cls: type[BaseSettings], field: str) -> tuple[Any, ...]:
    return tuple(getattr(cls.model_fields[field].annotation, "__args__", ()))


def test_every_secret_is_a_file_that_the_script_makes(tmp_path: Path) -> None:
    (tmp_path / "deploy").mkdir()
    script = tmp_path / "deploy/secrets.sh"
    script.write_text((ROOT / "deploy/secrets.sh").read_text())
    (tmp_path / ".env").write_text(
        "# OPENROUTER_API_KEY=no\nOPENROUTER_API_KEY=\"sk-or-1\"\nexport SMTP_PASSWORD = 'a b' \n"
    )
    folder = tmp_path / "secrets"
    subprocess.run(["sh", script], check=True, capture_output=True, cwd="/")
    assert {path.name for path in folder.iterdir()} == set(COMPOSE["secrets"])
    assert {
        name: secret["file"] for name, secret in {**COMPOSE["secrets"], **SCALE["secrets"]}.items()
    } == {name: f"secrets/{name}" for name in {**COMPOSE["secrets"], **SCALE["secrets"]}}
    found = {path.name: path.read_text() for path in folder.iterdir()}
    assert (found["openrouter_api_key"], found["smtp_password"]) == ("sk-or-1", "a b")
    made = {"web_session_key", "telegram_bot_key", "discord_bot_key"}
    assert {name for name, value in found.items() if len(value) == 64} == made
    assert len({found[name] for name in made}) == 3
    assert folder.stat().st_mode & 0o777 == 0o700

    subprocess.run(["sh", script, "scale"], check=True, capture_output=True)
    more = {path.name: path.read_text() for path in folder.iterdir()}
    assert set(more) == set(COMPOSE["secrets"]) | set(SCALE["secrets"])
    assert {name: more[name] for name, value in found.items() if value} == {
        name: value for name, value in found.items() if value
    }
    assert more["postgres_password"] in more["database_url"]
    [identity] = json.loads(more["s3.json"])["identities"]
    assert identity["credentials"] == [
        {"accessKey": more["aws_access_key_id"], "secretKey": more["aws_secret_access_key"]}
    ]


@pytest.mark.parametrize("name", sorted(OURS))
def test_each_container_is_bounded_and_hardened(name: str) -> None:
    service = OURS[name]
    assert service["image"] == "allucanget"
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert bounded(service)


def bounded(service: dict[str, Any]) -> bool:
    """Tell whether memory, cores, processes and the log have their limits."""
    return (
        {"mem_limit", "cpus", "pids_limit"} <= set(service)
        and {"max-size", "max-file"} <= set(service["logging"]["options"])
        and service["restart"] in {"unless-stopped", "no"}
    )


def test_only_those_who_keep_something_have_a_volume() -> None:
    kept = {name: service["volumes"] for name, service in OURS.items() if "volumes" in service}
    everything = ["data:/data"]
    assert kept == {
        "api": everything, "worker": everything, "cli": everything,
        "telegram": ["telegram:/data"], "discord": ["discord:/data"],
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(THEIRS))
def test_servers_of_others_are_pinned_bounded_and_checked(name: str) -> None:
    service = THEIRS[name]
    assert re.search(PINNED, service["image"])
    assert bounded(service)
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "healthcheck" in service
    assert {volume.partition(":")[0] for volume in service["volumes"]} <= {
        *SCALE["volumes"],
        "./deploy/Caddyfile",
    }


def test_health_checks_need_no_new_engine() -> None:
    services = [*OURS.values(), *THEIRS.values()]
    checks = [service["healthcheck"] for service in services if "healthcheck" in service]
    assert [check for check in checks if "start_interval" in check] == []
    listening = {name for name in OURS if not OURS[name]["healthcheck"].get("disable")}
    assert listening == {"api", "web"} <= set(PATHS)
    for name in listening:
        assert OURS[name]["healthcheck"]["test"] == ["CMD", "python", "-m", "cli.health", name]
    assert 'CMD ["python", "-m", "cli.health", "api"]' in DOCKERFILE


def test_scaled_services_have_no_fixed_ports_on_the_host() -> None:
    published = {name for name, service in OURS.items() if "ports" in service}
    assert published == {"api", "web", "telegram"}
    for name in published:
        assert SCALE["services"][name].get("ports", "published") is None
    assert {name for name in THEIRS if "ports" in THEIRS[name]} == {"caddy"}


def test_all_of_a_kind_share_the_stores() -> None:
    stores = {name: SCALE["services"][name]["environment"] for name in ("api", "worker", "cli")}
    assert stores["api"] == stores["worker"] == stores["cli"]
    assert stores["api"]["WORKER"] == "off"
    assert {name for name in stores["api"] if not LIBRARIES.fullmatch(name)} <= names()
    assert set(SCALE["services"]) - set(THEIRS) <= set(OURS)


def test_published_ports_are_those_the_processes_listen_on() -> None:
    for name in ("api", "web"):
        found = re.fullmatch(r"([\d.]+):\$\{(\w+):-(\d+)\}:(\d+)", OURS[name]["ports"][0])
        assert found is not None
        host, port, default, inside = found.groups()
        assert host == "127.0.0.1"
        assert OURS[name]["environment"][port] == inside
        assert str(LaunchSettings.model_fields[port.lower()].default) == default
        assert re.search(rf"^EXPOSE .*\b{inside}\b", DOCKERFILE, re.MULTILINE)


def test_processes_find_each_other() -> None:
    for name in SERVED - {"sandbox"}:
        assert OURS[name]["environment"]["API_URL"] == "http://api:8000"
    inside = OURS["api"]["environment"]
    assert OURS["sandbox"]["environment"]["SANDBOX_PORT"] == inside["SANDBOX_PORT"]
    found = Settings(
        sandbox_host=inside["SANDBOX_HOST"],
        sandbox_port=int(inside["SANDBOX_PORT"]),
        operator_networks=inside["OPERATOR_NETWORKS"],
        openrouter_base_url=None,
    )
    seen = found.model_copy(update={"openrouter_api_key": None}).provider_url
    assert seen == "http://sandbox:8010/api/v1"
    assert len(found.shell_networks) == 4


def test_a_stop_has_the_time_that_it_needs_and_the_order() -> None:
    longest = Settings.model_fields["drain_seconds"].default + END_WITHIN
    for name, service in OURS.items():
        assert int(service["stop_grace_period"].removesuffix("s")) > longest, name
    for unit in UNITS:
        if "cli.process" in unit.read_text() or unit.name == "allucanget.service":
            stop = re.search(r"^TimeoutStopSec=(\d+)$", unit.read_text(), re.MULTILINE)
            assert stop is not None
            assert int(stop[1]) > longest, unit.name
    assert "sandbox" in OURS["api"]["depends_on"], (
        "compose stops it after the api, which waits for what it makes"
    )


def test_bots_start_after_the_api_and_do_not_start_over_and_over_without_a_token() -> None:
    for name in ("telegram", "discord", "web", "worker"):
        assert OURS[name]["depends_on"] == {"api": {"condition": "service_healthy"}}
    found = {name for name in SERVED if "--stay" in OURS[name]["command"]}
    assert found == {"worker", "telegram", "discord"}


def test_image_holds_all_code_and_runs_as_nobody_special() -> None:
    last = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
    assert set(re.findall(r"^COPY (\w+)/ ", last, re.MULTILINE)) == set(PRODUCT)
    user = re.findall(r"^USER (.+)$", last, re.MULTILINE)
    assert user == ["10001"]
    assert last.index("USER ") < last.index("ENTRYPOINT ")
    assert "VOLUME /data" in last
    assert 'ENTRYPOINT ["python", "-m", "cli.process"]' in last
    assert re.search(r'^CMD \["(\w+)"\]$', last, re.MULTILINE)[1] in SERVED  # type: ignore[index]
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)[1:] == ["base", "base"]
    assert re.search(PINNED, re.findall(r"^FROM (\S+) AS base$", DOCKERFILE, re.MULTILINE)[0])


def test_installs_from_the_locks_only() -> None:
    installs = re.findall(r"pip (?:install|sync) .*", DOCKERFILE)
    assert len(installs) == 2
    assert all("--require-hashes" in line and "locks/" in line for line in installs)


def test_build_context_holds_what_is_copied_and_no_secret() -> None:
    kept = (ROOT / ".dockerignore").read_text().splitlines()
    assert kept[0] == "*"
    found = {line.removeprefix("!") for line in kept if line.startswith("!")}
    assert found == {*PRODUCT, "locks", "deploy/slim.sh", ".env.example"}
    copied = re.findall(r"^COPY (?!--from)(\S+) ", DOCKERFILE, re.MULTILINE)
    assert [path for path in copied if not (ROOT / path).exists()] == []
    assert "secrets/" in (ROOT / ".gitignore").read_text().splitlines()


UNITS = sorted((ROOT / "deploy/systemd").iterdir())
INSTALLED = Path("/opt/allucanget")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_takes_each_unit(unit: Path) -> None:
    text = unit.read_text()
    processes = re.findall(r"^ExecStart=.* -m cli\.process (\w+)$", text, re.MULTILINE)
    assert set(processes) <= SERVED
    if unit.suffix == ".service":
        assert "\nRestartPreventExitStatus=2\n" in text
        assert "\nProtectSystem=strict\n" in text
        assert "\nNoNewPrivileges=yes\n" in text
        assert re.search(r"^MemoryMax=\d+[MG]$", text, re.MULTILINE)
    for line in text.splitlines():
        assert re.fullmatch(r"#.*|\[\w+\]|[A-Z]\w*=.*|", line), line


def test_systemd_finds_nothing_to_say() -> None:
    if shutil.which("systemd-analyze") is None:
        return  # the test above has read their lines
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *UNITS],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SYSTEMD_LOG_COLOR": "0"},
    )
    said = done.stderr.splitlines()
    about_ours = [line for line in said if "allucanget" in line and str(INSTALLED) not in line]
    assert about_ours == []


def test_proxies_let_through_what_the_web_takes() -> None:
    for path in ("deploy/Caddyfile", "deploy/proxies/Caddyfile", "deploy/proxies/nginx.conf"):
        text = (ROOT / path).read_text()
        limits = re.findall(r"(?:max_size|client_max_body_size) (\d+)", text)
        assert limits == ["42", "42"], path
        assert "/internal/" in text
    routes = yaml.safe_load((ROOT / "deploy/proxies/traefik.yml").read_text())["http"]
    assert {router["service"] for router in routes["routers"].values()} == set(routes["services"])
    assert "/internal" in routes["routers"]["api"]["rule"]
