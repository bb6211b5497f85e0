"""`./run`: the supervisor, which starts every process that has something to do, keeps them alive,
and stops them together."""

import asyncio
import errno
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from admin_web.settings import WebSettings
from api.secrets import Secrets
from api.settings import Settings
from bots.settings import BotSettings
from cli.child import RESTART_TIMES, Child, GaveUp, Say, SettingRefused, command_for
from cli.ready import HostPort, api_ready, web_ready
from cli.settings import EXIT_BAD_SETTING, BadSetting, LaunchSettings, check_names, load, secrets_of
from client.schemas import ReadyOut
from telemetry import logs
from telemetry.settings import LogFormat, TelemetrySettings

EXIT_GAVE_UP = 1
SERVED = ["sandbox", "api", "worker", "web", "telegram", "discord"]
BOTS = {"telegram", "discord"}
DRAINING = {"api", "worker", "web"}
"""Processes that wait for paid calls under way before they end."""
NEEDED_TO_DRAIN = "sandbox"
END_WITHIN = 15
"""Seconds that one of them may take when that time is over."""
OURS = "run"
"""The name of our own lines."""
COLOURS = {
    "sandbox": 35,
    "api": 36,
    "worker": 31,
    "web": 32,
    "telegram": 34,
    "discord": 33,
}
PROVIDER_PATIENCE = 15.0
SLOW_START = 10.0


@dataclass(frozen=True)
class LaunchPlan:
    """The processes to start, with all settings checked."""

    names: Sequence[str]
    secrets: Secrets
    settings: Settings
    api: HostPort
    web: HostPort
    bots: BotSettings

    @property
    def ports(self) -> dict[str, HostPort]:
        """Return the addresses by the setting that gives the port."""
        ports = {"API_PORT": self.api, "WEB_PORT": self.web}
        if "sandbox" in self.names:
            ports["SANDBOX_PORT"] = HostPort(self.settings.sandbox_host, self.settings.sandbox_port)
        if "telegram" in self.names and self.bots.telegram_updates == "webhook":
            ports["TELEGRAM_WEBHOOK_PORT"] = HostPort(
                self.bots.telegram_webhook_host, self.bots.telegram_webhook_port
            )
        return ports


def make_plan() -> LaunchPlan:
    """Raises `BadSetting`."""
    check_names()
    launch = load(LaunchSettings)
    names = [name for name in SERVED if launch.idle(name) is None]
    secrets = secrets_of(launch)
    settings = load(Settings, launch.given("api", secrets))
    web = load(WebSettings, launch.given("web", secrets))
    api, site = HostPort(settings.api_host, settings.api_port), HostPort(web.web_host, web.web_port)
    return LaunchPlan(names, secrets, settings, api, site, load(BotSettings))


def log_form(settings: TelemetrySettings) -> LogFormat:
    """Return the form of all lines. The processes write into pipes, so they are told."""
    form: LogFormat = "json" if logs.is_json(settings.log_format, sys.stdout) else "console"
    os.environ["LOG_FORMAT"] = form
    return form


def check_ports(ports: dict[str, HostPort]) -> None:
    """Raise `BadSetting` for a port that another program has, or that two settings share."""
    taken: dict[int, str] = {}
    for name, place in ports.items():
        if place.port in taken:
            raise BadSetting(
                f"{name} and {taken[place.port]} are both {place.port}: they must differ"
            )
        taken[place.port] = name
        try:
            _bind(place)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise BadSetting(
                    f"Port {place.port} ({name}) is taken: stop the program that has it, or set "
                    f"{name}"
                ) from error
            host = name.replace("PORT", "HOST")
            raise BadSetting(
                f"{place.host} ({host}) port {place.port} ({name}) cannot be listened on: "
                f"{error.strerror}"
            ) from error


def _bind(place: HostPort) -> None:
    family, kind, protocol, _, address = socket.getaddrinfo(
        place.host or None, place.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
        probe.listen(1)


def make_say(form: LogFormat) -> Say:
    """Return a printer of the processes' lines, and of our own (`OURS`). They are JSON, or text
    behind the name of the process: in colour on a terminal, plain elsewhere or with NO_COLOR
    set."""
    if form == "json":
        return lambda name, text: print(logs.line(name, text), flush=True) if text else None
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def say(name: str, text: str) -> None:
        if name == OURS:
            print(text, flush=True)
            return
        prefix = f"\x1b[{COLOURS.get(name, 0)}m{name:<8}\x1b[0m" if colour else f"{name:<8}"
        print(f"{prefix} | {text}", flush=True)

    return say


def welcome(plan: LaunchPlan, state: ReadyOut) -> list[str]:
    """Return the lines that a person reads when all is up."""
    bots = [name for name in plan.names if name in BOTS]
    sandbox = "sandbox: sample results made on this machine; set OPENROUTER_API_KEY for real ones"
    lines = [
        "",
        "All You Can GET AI is ready."
        if state.ready
        else "All You Can GET AI is up, but not everything works:",
        *(
            f"  {name}: {check.detail or 'not working'}"
            for name, check in state.checks.items()
            if not check.ok
        ),
        f"  Web       {plan.web.url}",
        f"  API docs  {plan.api.url}/docs",
        "  Chat      ./run chat   (in another terminal)",
        f"  Provider  {sandbox if plan.settings.is_sandbox else plan.settings.provider_url}",
        f"  Bots      {', '.join(bots) or 'none; set TELEGRAM_BOT_TOKEN or DISCORD_BOT_TOKEN'}",
    ]
    if state.setup_needed:
        outside = plan.settings.public_url or plan.web.url
        lines += [
            "",
            f"First start: create the admin at {outside}/setup?token={plan.secrets.setup_token}",
        ]
    return [*lines, ""]


async def announce(plan: LaunchPlan, started: float, say: Say) -> None:
    """Print the welcome once the api and the web answer."""
    waiting = {
        "api": asyncio.create_task(api_ready(plan.api, PROVIDER_PATIENCE)),
        "web": asyncio.create_task(web_ready(plan.web)),
    }
    try:
        while True:
            await asyncio.wait(waiting.values(), timeout=SLOW_START)
            late = [name for name, task in waiting.items() if not task.done()]
            if not late:
                break
            say(OURS, f"Still waiting for: {', '.join(late)}")
        state = waiting["api"].result()
        assert isinstance(state, ReadyOut)
        seconds = time.monotonic() - started
        ready = f"Ready after {seconds:.1f} s. Ctrl-C stops everything."
        for line in [*welcome(plan, state), ready]:
            say(OURS, line)
    finally:
        for task in waiting.values():
            task.cancel()


async def supervise(children: Sequence[Child], announcement: asyncio.Task[None], say: Say) -> int:
    """Keep the children alive until SIGINT, SIGTERM or SIGHUP, and return the exit code."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()

    def ask() -> None:
        if asked.is_set():  # the second time
            for child in children:
                child.kill()
        else:
            say(
                OURS,
                "Stopping, once the provider has made what it is making. Ctrl-C again stops "
                "everything at once.",
            )
        asked.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup
            loop.add_signal_handler(number, ask)
    stop = asyncio.create_task(asked.wait())
    say(OURS, f"Starting {', '.join(child.name for child in children)} ...")
    lives = [child.start() for child in children]
    try:
        await asyncio.wait([stop, *lives], return_when=asyncio.FIRST_COMPLETED)
        return _outcome(lives)
    finally:
        stop.cancel()
        announcement.cancel()
        await asyncio.gather(*(child.stop() for child in children if child.name != NEEDED_TO_DRAIN))
        await asyncio.gather(*(child.stop() for child in children if child.name == NEEDED_TO_DRAIN))
        await asyncio.gather(stop, announcement, *lives, return_exceptions=True)


def _outcome(lives: Sequence[asyncio.Task[None]]) -> int:
    for task in lives:
        error = task.exception() if task.done() else None
        if isinstance(error, SettingRefused):
            return EXIT_BAD_SETTING
        if isinstance(error, GaveUp):
            return EXIT_GAVE_UP
        if error is not None:
            raise error
    return 0


async def serve(plan: LaunchPlan, started: float, say: Say) -> int:
    draining = replace(RESTART_TIMES, term_within=plan.settings.drain_seconds + END_WITHIN)

    def child(name: str) -> Child:
        times = draining if name in DRAINING else RESTART_TIMES
        return Child(name, command_for(name), say, times, may_be_missing=name in BOTS)

    announcement = asyncio.create_task(announce(plan, started, say))
    return await supervise([child(name) for name in plan.names], announcement, say)


def main() -> int:
    started = time.monotonic()
    try:
        plan = make_plan()
        check_ports(plan.ports)
        form = log_form(load(TelemetrySettings))
    except BadSetting as error:
        print(f"Cannot start: {error}", file=sys.stderr)
        return EXIT_BAD_SETTING
    say = make_say(form)
    code = asyncio.run(serve(plan, started, say))
    say(OURS, "Stopped.")
    return code


if __name__ == "__main__":
    sys.exit(main())
