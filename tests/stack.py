"""The real processes on free loopback ports: the sandbox, the api, the web and, where a platform is
given, the bots. `api 2` is a second api, `worker 3` a third worker."""

import contextlib
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from api.secrets import ensure_secrets
from tests import canaries
from tests.forking import Forked

ROOT = Path(__file__).parent.parent
START_WITHIN = 60.0
STOP_WITHIN = 12.0
TAIL = 4000
# Variables of the test's environment that a process gets: none of the settings of the developer who
# runs the tests.
INHERITED = ["PATH", "HOME", "LANG", "LC_ALL", "TMPDIR"]
PORTS = {"sandbox": "SANDBOX_PORT", "api": "API_PORT", "web": "WEB_PORT"}


class TelegramSide(Protocol):
    """A fake of the Bot API: its root and the one token it knows."""

    @property
    def api_url(self) -> str: ...
    @property
    def token(self) -> str: ...


class DiscordSide(TelegramSide, Protocol):
    """A fake of Discord; `api_url` is the REST root without a version."""

    @property
    def gateway_url(self) -> str: ...


def free_ports(number: int) -> list[int]:
    """Return free ports below the range out of which the kernel hands out ports for connections."""
    with contextlib.ExitStack() as held:
        ports: list[int] = []
        while len(ports) < number:
            probe = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", random.SystemRandom().randint(20_000, 32_000)))
                ports.append(probe.getsockname()[1])
        return ports


def get(url: str, timeout: float = 5.0) -> tuple[int, bytes] | None:
    """Return status and body, or None when nobody answers."""
    place, _, path = url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(place, timeout=timeout)
    try:
        connection.request("GET", "/" + path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def program_of(name: str) -> str:
    return name.partition(" ")[0]


def replicas(program: str, number: int) -> list[str]:
    """Return the names of so many processes: `api`, `api 2`, `api 3`."""
    return [program, *(f"{program} {each}" for each in range(2, number + 1))][:number]


class Stack:
    """`names`: what starts at first, and what is stopped last to first. `apart`: each process has a
    data folder of its own, as on a machine of its own, with the same secrets. `prepare` is called
    in each process before its start."""

    def __init__(
        self,
        data_dir: Path,
        env: Mapping[str, str],
        names: list[str],
        *,
        apart: bool = False,
        prepare: Callable[[], None] | None = None,
    ) -> None:
        self._apart = apart
        self._prepare = prepare
        self._ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        self.data_dir = data_dir
        self.names = names
        self.sandbox_url = self.url("sandbox")
        self.api_url = self.url("api")
        self.web_url = self.url("web")
        self._env = {
            **{name: os.environ[name] for name in INHERITED if name in os.environ},
            "DATA_DIR": str(data_dir),
            "DRAIN_SECONDS": "0",
            **{variable: str(self._ports[program]) for program, variable in PORTS.items()},
            **env,
        }
        self._processes: dict[str, Forked] = {}
        self._ready: dict[str, Callable[[str], bool]] = {
            "sandbox": self._sandbox_answers,
            "api": self._api_is_ready,
            "web": self._web_answers,
        }

    def url(self, name: str) -> str:
        """Return the address at which a process answers, or will answer once it is started."""
        if name not in self._ports:
            self._ports[name] = free_ports(1)[0]
        return f"http://127.0.0.1:{self._ports[name]}"

    def port(self, name: str) -> int:
        return int(self.url(name).rpartition(":")[2])

    @property
    def setup_token(self) -> str:
        return ensure_secrets(self.data_dir).setup_token

    def start(
        self, name: str, *, wait: bool = True, extra_env: Mapping[str, str] | None = None
    ) -> None:
        """Start one process; `wait` until it answers (a bot has nothing to ask: its platform sees
        it come)."""
        if self.alive(name):
            raise RuntimeError(f"{name} is running")
        program, env = program_of(name), {**self._env, **(extra_env or {})}
        if name != program and (variable := PORTS.get(program)) is not None:
            env[variable] = str(self.port(name))
        folder = self.data_dir
        if self._apart:
            folder = self.folder_of(name)
            env["DATA_DIR"] = str(folder)
        # the folder hides the developer's .env
        self._processes[name] = Forked(program, folder, env, self.log_path(name), self._prepare)
        if wait:
            self.wait_ready(name)

    def kill(self, name: str) -> None:
        """Kill the process and all that it started at once, as a power cut does."""
        self._signal(name, signal.SIGKILL)
        self._processes.pop(name).wait()

    @contextmanager
    def stopped(self, name: str) -> Iterator[None]:
        """Let the process, and all that it started, do nothing until the end of the block."""
        self._signal(name, signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(name, signal.SIGCONT)

    def stop(self, name: str) -> int:
        """Ask the process to end, and return its exit code. Raises `subprocess.TimeoutExpired` when
        it does not."""
        self.ask(name)
        return self.ended(name)

    def ask(self, name: str) -> None:
        """Send the signal without waiting."""
        self._processes[name].send_signal(signal.SIGTERM)

    def ended(self, name: str) -> int:
        """Return the exit code of a process that was asked to end."""
        code = self._processes[name].wait(STOP_WITHIN)
        self._signal(name, signal.SIGKILL)
        del self._processes[name]
        return code

    def alive(self, name: str) -> bool:
        process = self._processes.get(name)
        return process is not None and process.returncode is None

    @property
    def pids(self) -> dict[str, int]:
        """Return the ids of the living processes by name."""
        return {
            name: process.pid
            for name, process in self._processes.items()
            if process.returncode is None
        }

    def folder_of(self, name: str) -> Path:
        """Return the data folder of a process that has one of its own."""
        folder = self.data_dir / name
        if not folder.exists():
            ensure_secrets(self.data_dir)
            folder.mkdir(mode=0o700)
            shutil.copy(self.data_dir / "secrets.json", folder)
        return folder

    def log_path(self, name: str) -> Path:
        return self.data_dir / f"{name}.log"

    def log(self, name: str) -> str:
        path = self.log_path(name)
        return path.read_text(errors="replace") if path.exists() else ""

    def wait_ready(self, name: str) -> None:
        is_ready = self._ready.get(program_of(name))
        if is_ready is None:
            return
        end = time.monotonic() + START_WITHIN
        while not is_ready(name):
            if not self.alive(name):
                raise AssertionError(
                    f"{name} ended with exit code {self._processes[name].returncode}:\n"
                    f"{self.log(name)[-TAIL:]}"
                )
            if time.monotonic() > end:
                raise AssertionError(
                    f"{name} is not ready after {START_WITHIN:g} s:\n{self.log(name)[-TAIL:]}"
                )
            time.sleep(0.05)

    def close(self) -> None:
        """End all processes, and kill and name those that do not end in time."""
        others = [name for name in self._processes if name not in self.names]
        running = [name for name in [*others, *reversed(self.names)] if self.alive(name)]
        for name in running:
            self._processes[name].send_signal(signal.SIGTERM)
        end = time.monotonic() + STOP_WITHIN
        stuck = []
        for name in running:
            try:
                self._processes[name].wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                stuck.append(name)
        for name in self._processes:
            self._signal(name, signal.SIGKILL)
            self._processes[name].wait()
        if stuck:
            raise AssertionError(
                f"did not stop within {STOP_WITHIN:g} s of SIGTERM: {', '.join(stuck)}"
            )
        if told := canaries.found_in(self.data_dir, self._env):
            raise AssertionError(f"a log holds what nobody may read there: {told}")

    def print_logs(self) -> None:
        for name in {**dict.fromkeys(self.names), **self._processes}:
            print(f"--- {name} ---\n{self.log(name)[-TAIL:]}")

    def _signal(self, name: str, number: signal.Signals) -> None:
        process = self._processes[name]
        with contextlib.suppress(ProcessLookupError):
            try:
                os.killpg(process.pid, number)
            except ProcessLookupError:
                # one that has just been started does not lead its group yet
                if process.returncode is None:
                    os.kill(process.pid, number)

    def _sandbox_answers(self, name: str) -> bool:
        answer = get(f"{self.url(name)}/_sandbox/faults")
        return answer is not None and answer[0] == 200

    def _api_is_ready(self, name: str) -> bool:
        """Tell whether the api is ready, together with a sandbox as its provider: a test that wants
        that down stops it afterwards."""
        answer = get(f"{self.url(name)}/readyz")
        if answer is None or answer[0] != 200:
            return False
        return not self.alive("sandbox") or bool(json.loads(answer[1])["checks"]["provider"]["ok"])

    def _web_answers(self, name: str) -> bool:
        answer = get(f"{self.url(name)}/healthz")
        return answer is not None and answer[0] == 200


def _platforms(telegram: TelegramSide | None, discord: DiscordSide | None) -> dict[str, str]:
    env: dict[str, str] = {}
    if telegram is not None:
        env |= {"TELEGRAM_API_URL": telegram.api_url, "TELEGRAM_BOT_TOKEN": telegram.token}
    if discord is not None:
        env |= {
            "DISCORD_API_URL": discord.api_url,
            "DISCORD_GATEWAY_URL": discord.gateway_url,
            "DISCORD_BOT_TOKEN": discord.token,
        }
    return env


@contextmanager
def running_stack(
    *,
    telegram: TelegramSide | None = None,
    discord: DiscordSide | None = None,
    extra_env: Mapping[str, str] | None = None,
    data_dir: Path | None = None,
    without: frozenset[str] = frozenset(),
    apis: int = 1,
    workers: int = 0,
    apart: bool = False,
    prepare: Callable[[], None] | None = None,
) -> Iterator[Stack]:
    """Run all that `./run` would start with these settings, except `without`. More `apis` and
    `workers` of their own need a `DATABASE_URL`; `apart` and `prepare` are those of `Stack`. Logs
    are shown when the block fails."""
    env = {**_platforms(telegram, discord), **(extra_env or {})}
    bots = [
        name for name, given in (("telegram", telegram), ("discord", discord)) if given is not None
    ]
    provider = [] if "OPENROUTER_API_KEY" in env or "OPENROUTER_BASE_URL" in env else ["sandbox"]
    names = [*provider, *replicas("api", apis), *replicas("worker", workers), "web", *bots]
    names = [name for name in names if name not in without]
    if workers:
        env["WORKER"] = "off"
    with contextlib.ExitStack() as cleanup:
        folder = data_dir or Path(
            cleanup.enter_context(
                tempfile.TemporaryDirectory(prefix="stack-", ignore_cleanup_errors=True)
            )
        )
        folder.mkdir(parents=True, exist_ok=True)
        stack = Stack(folder, env, names, apart=apart, prepare=prepare)
        cleanup.callback(stack.close)
        try:
            for name in names:
                stack.start(name, wait=False)
            for name in names:
                stack.wait_ready(name)
            yield stack
        except BaseException:
            stack.print_logs()
            raise
