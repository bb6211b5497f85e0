"""`./run status`: the processes, the queue, the bots and the newest backup, in a few lines."""

import asyncio

from cli.errors import CommandRefused
from cli.ready import HostPort, get
from cli.running_api import NoApiRuns, call_api
from cli.settings import LaunchSettings, load
from client import calls
from client.schemas.check_up import InstallationOut

MINUTE, HOUR, DAY = 60, 3600, 86_400


def status() -> InstallationOut:
    """Raises `CommandRefused` when nothing runs, `BadSetting`."""
    launch = load(LaunchSettings)
    try:
        return call_api(launch, calls.status())
    except NoApiRuns as error:
        url = HostPort(launch.api_host, launch.api_port).url
        raise CommandRefused(
            f"It does not run: no api of this folder answers at {url}. ./run starts it."
        ) from error


def lines(found: InstallationOut) -> list[str]:
    """Return a line for each part."""
    launch = load(LaunchSettings)
    web = HostPort(launch.web_host, launch.web_port)
    answers = asyncio.run(get(web, "/healthz"))
    queued, made = (
        sum(one.queued for one in found.queue),
        sum(one.processing for one in found.queue),
    )
    oldest = max((one.waiting_seconds or 0 for one in found.queue), default=0)
    waits = f", the oldest for {_span(oldest)}" if queued else ""
    pending = sum(one.count for one in found.deliveries if one.state == "pending")
    dead = sum(one.count for one in found.deliveries if one.state == "dead")
    engine = "PostgreSQL" if found.engine == "postgresql" else "DuckDB"
    told = [
        f"Version     {found.version}, on {engine}{', with the sandbox' if found.sandbox else ''}",
        f"Web         {'answers' if answers else 'does not answer'} at {web.url}",
        f"Jobs        {queued} waiting{waits}; {made} being made",
        f"Deliveries  {pending} waiting; {dead} that no chat took",
    ]
    for bot in found.bots:
        if bot.since is not None:
            state = "connected" if bot.connected else "not connected"
            told.append(f"Bot         {bot.platform}: {state} since {bot.since:%Y-%m-%d %H:%M} UTC")
    if found.backup is None:
        told.append("Backup      none")
    else:
        age = _span((found.at - found.backup.created_at).total_seconds())
        told.append(f"Backup      {found.backup.name}, {age} old")
    warnings = [one.code.replace("_", " ") for one in found.warnings]
    return [*told, *(f"Warning     {one}: the board says more" for one in warnings)]


def _span(seconds: float) -> str:
    if seconds < HOUR:
        return f"{round(seconds / MINUTE)} minutes"
    return f"{round(seconds / HOUR)} hours" if seconds < 2 * DAY else f"{round(seconds / DAY)} days"
