"""docker-compose.yml and the Dockerfile name all files and settings that they need, and none that
do not exist."""

import re
from typing import Any

import pytest
import yaml

from api.settings import Settings
from bots.settings import BotSettings
from cli.process import PROCESSES
from cli.settings import LaunchSettings, environment_names
from cli.supervisor import END_WITHIN
from tests.rules.source import PRODUCT, ROOT
from tests.rules.test_settings import NOT_OURS, names

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
OURS: dict[str, dict[str, Any]] = {
    name: service for name, service in COMPOSE["services"].items() if "build" in service
}
# the terminal chat runs in a person's terminal, not as a service
SERVED = set(PROCESSES) - {"terminal"}


def test_every_process_is_a_service() -> None:
    assert set(OURS) == SERVED
    assert [name for name, service in OURS.items() if service["command"][0] != name] == []


def test_other_services_are_in_a_profile() -> None:
    assert {
        name: service.get("profiles")
        for name, service in COMPOSE["services"].items()
        if name not in OURS
    } == {"postgres": ["postgres"]}


@pytest.mark.parametrize("name", sorted(OURS))
def test_environment_names_settings(name: str) -> None:
    assert set(OURS[name]["environment"]) <= names()


def test_interpolated_names_are_settings_with_their_defaults() -> None:
    used = dict(re.findall(r"\$\{([A-Z_]+):-([^}]*)\}", (ROOT / "docker-compose.yml").read_text()))
    assert len(re.findall(r"\$\{", (ROOT / "docker-compose.yml").read_text())) == len(used)
    assert set(used) - NOT_OURS <= names()
    given = (BotSettings, LaunchSettings)
    defaults = {
        env: cls.model_fields[field].default
        for cls in given
        for field, env in environment_names(cls).items()
    }
    assert {
        name: value
        for name, value in used.items()
        if name not in NOT_OURS and str(defaults[name]) != value
    } == {}


@pytest.mark.parametrize("name", sorted(OURS))
def test_one_image_one_volume_one_folder(name: str) -> None:
    service = OURS[name]
    assert service["image"] == "allucanget"
    assert service["volumes"] == ["data:/data"]
    assert service["environment"]["DATA_DIR"] == "/data"
    assert service["env_file"] == [{"path": ".env", "required": False}]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_setting_of_env_cannot_move_what_others_connect_to(name: str) -> None:
    """`.env` may name ports of the host; inside, each process listens where its neighbours look for
    it."""
    inside = OURS[name]["environment"]
    assert inside["API_URL"] == "http://api:8000"
    for prefix in {"api": ["API", "SANDBOX"], "web": ["WEB"], "sandbox": ["SANDBOX"]}.get(name, []):
        assert {f"{prefix}_HOST", f"{prefix}_PORT"} <= set(inside)


def test_published_ports_are_those_the_processes_listen_on() -> None:
    for name in ("api", "web"):
        host, port, inside = re.fullmatch(
            r"([\d.]+):\$\{(\w+):-\d+\}:(\d+)", OURS[name]["ports"][0]
        ).groups()  # type: ignore[union-attr]
        assert host == "127.0.0.1"
        assert OURS[name]["environment"][port] == inside
        assert re.search(rf"^EXPOSE .*\b{inside}\b", DOCKERFILE, re.MULTILINE)


def test_the_api_finds_the_sandbox() -> None:
    inside = OURS["api"]["environment"]
    assert OURS["sandbox"]["environment"]["SANDBOX_PORT"] == inside["SANDBOX_PORT"]
    found = Settings(
        sandbox_host=inside["SANDBOX_HOST"],
        sandbox_port=int(inside["SANDBOX_PORT"]),
        openrouter_base_url=None,
    )
    seen = found.model_copy(update={"openrouter_api_key": None}).provider_url
    assert seen == "http://sandbox:8010/api/v1"


def test_a_stop_has_the_time_that_it_needs_and_the_order() -> None:
    for name, service in OURS.items():
        assert (
            int(service["stop_grace_period"].removesuffix("s"))
            > Settings.model_fields["drain_seconds"].default + END_WITHIN
        ), name
    assert "sandbox" in OURS["api"]["depends_on"], (
        "compose stops it after the api, which waits for what it makes"
    )


def test_each_listening_process_has_a_health_check_of_its_own() -> None:
    for name in ("api", "web", "sandbox"):
        assert OURS[name]["healthcheck"]["test"] == ["CMD", "python", "-m", "cli.ready", name]
    assert 'CMD ["python", "-m", "cli.ready", "api"]' in DOCKERFILE


def test_bots_start_after_the_api_and_do_not_start_over_and_over_without_a_token() -> None:
    for name in ("telegram", "discord"):
        assert OURS[name]["depends_on"] == {"api": {"condition": "service_healthy"}}
        assert f"{name}_bot_token" in BotSettings.model_fields
    assert {service["restart"] for service in OURS.values()} == {"unless-stopped"}
    found = {name for name, service in OURS.items() if "--stay" in service["command"]}
    assert found == {"sandbox", "worker", "telegram", "discord"}


def test_image_holds_all_code_and_runs_as_nobody_special() -> None:
    last = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
    assert set(re.findall(r"^COPY (\w+)/ ", last, re.MULTILINE)) == set(PRODUCT)
    user = re.findall(r"^USER (.+)$", last, re.MULTILINE)
    assert user == ["10001"]
    assert last.index("USER ") < last.index("ENTRYPOINT ")
    assert "VOLUME /data" in last
    assert 'ENTRYPOINT ["python", "-m", "cli.process"]' in last
    assert re.search(r'^CMD \["(\w+)"\]$', last, re.MULTILINE)[1] in SERVED  # type: ignore[index]


def test_installs_from_the_locks_only() -> None:
    installs = re.findall(r"pip (?:install|sync) .*", DOCKERFILE)
    assert len(installs) == 2
    assert all("--require-hashes" in line and "locks/" in line for line in installs)


def test_build_context_holds_what_is_copied_and_no_secret() -> None:
    kept = (ROOT / ".dockerignore").read_text().splitlines()
    assert kept[0] == "*"
    found = {line.removeprefix("!") for line in kept if line.startswith("!")}
    assert found == {*PRODUCT, "locks", ".env.example"}
