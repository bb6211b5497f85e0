"""`./run doctor`: everything that this installation needs, tried once, and what to do about it."""

import asyncio
import json
import platform
from collections.abc import Sequence

from api.check_up.at_rest import look_at_rest
from api.version import VERSION
from cli import tokens
from cli.errors import CommandRefused
from cli.ready import HostPort, get
from cli.running_api import NoApiRuns, call_api
from cli.settings import BadSetting, LaunchSettings, api_settings, load
from cli.supervisor import LaunchPlan, check_ports, make_plan
from client import calls
from client.schemas.check_up import FindingOut, State, Subject
from client.words import amounts
from client.words import check_up as words
from client.words.errors import Voice
from client.words.language import DEFAULT

SIGNS: dict[State, str] = {"good": "ok", "warn": "soon", "bad": "WRONG", "off": "-"}
SERVED: dict[str, tuple[Subject, str, bytes]] = {
    "API_PORT": ("api", "/healthz", b'"alive"'),
    "WEB_PORT": ("web", "/healthz", b'"ok"'),
    "SANDBOX_PORT": ("sandbox", "/_sandbox/faults", b"["),
}
"""By the setting of the port: the process, and the answer by which it is known."""
VOICE = Voice(DEFAULT, lambda usd: amounts.dollars(usd, DEFAULT), str, str)


def examine() -> list[FindingOut]:
    """Return the findings: of the settings, the processes of this machine, all that the api uses,
    and the bots' tokens. With a wrong setting nothing else can be looked at."""
    try:
        plan = make_plan()
    except BadSetting as error:
        return [FindingOut.of("settings", "bad", "setting_wrong", said=str(error))]
    launch = load(LaunchSettings)
    here = FindingOut.of(
        "version", "good", "version_here", version=VERSION, python=platform.python_version()
    )
    found = [
        FindingOut.of("settings", "good", "settings_read"),
        here,
        *asyncio.run(_processes(plan)),
    ]
    try:
        checked = call_api(launch, calls.check_up_from_shell())
    except NoApiRuns:
        found += asyncio.run(look_at_rest(api_settings(launch)))
    except CommandRefused as error:
        found.append(FindingOut.of("api", "bad", "failed", said=str(error)))
    else:
        if checked.version != VERSION:
            facts = {"running": checked.version, "version": VERSION}
            found.append(FindingOut.of("version", "warn", "version_differs", **facts))
        found += checked.findings
    return [*found, *asyncio.run(tokens.look(plan.bots))]


async def _processes(plan: LaunchPlan) -> list[FindingOut]:
    ports = {name: place for name, place in plan.ports.items() if name in SERVED}
    return list(await asyncio.gather(*(_process(*each) for each in ports.items())))


async def _process(name: str, place: HostPort) -> FindingOut:
    subject, path, sign = SERVED[name]
    answer = await get(place, path)
    if answer is not None and answer[0] == 200 and sign in answer[1]:
        return FindingOut.of(subject, "good", "runs", url=place.url)
    try:
        check_ports({name: place})
    except BadSetting:
        return FindingOut.of(subject, "bad", "port_taken", url=place.url, setting=name)
    return FindingOut.of(subject, "off", "runs_not", url=place.url)


def lines(found: Sequence[FindingOut]) -> list[str]:
    """Return a line for each finding, and one that sums up."""
    width = max(len(words.subject(VOICE, one.subject)) for one in found)
    told = [
        f"{SIGNS[one.state]:<6}{words.subject(VOICE, one.subject):<{width}}  "
        f"{words.sentence(VOICE, one)}"
        for one in found
    ]
    wrong, soon = (sum(one.state == state for one in found) for state in ("bad", "warn"))
    if not wrong and not soon:
        return [*told, "", "All is well."]
    return [*told, "", f"{wrong} wrong, {soon} to look at soon."]


def as_json(found: Sequence[FindingOut]) -> str:
    """Return the findings with their English sentences, for programs."""
    told = [{**one.model_dump(mode="json"), "said": words.sentence(VOICE, one)} for one in found]
    return json.dumps(told, indent=2, ensure_ascii=False)
