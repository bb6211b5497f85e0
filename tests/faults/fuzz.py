"""The HTTP API called with made-up requests, by everybody, on a real process.

Schemathesis makes the requests out of `/openapi.json`, good ones and bad ones; half of the ids in
them are real. No answer may be a 5xx, or of a status or a shape that the document does not name;
who may not do something is refused, and reads nothing of what is another's.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode, checks
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.secrets import ensure_secrets
from tests.api.roles import ROWS, Access
from tests.conftest import run, running_postgres
from tests.faults.studio import CALLERS, MARK, Studio
from tests.faults.things import Things, make_things
from tests.stack import Stack, running_stack

CASES = 20_000
FRESH_THINGS = 20
"""Operations after which the things they are about are made anew."""
GOVERN = ("/admin", "/users", "/auth")
"""Addresses whose calls end accounts and sessions, and change what everybody may do."""
ENV = {
    "WEB_SIGNUP": "open",
    "DEFAULT_MONTHLY_USD": "100000",
    **{f"SANDBOX_{each}_SECONDS": "0" for each in ("FIRST_TOKEN", "TOKEN", "IMAGE", "VIDEO")},
}
CHATS = {"chat of the member", "bot for the member"}
PEOPLE = {"member", "other member", "admin"}
MAY: dict[Access, set[str]] = {
    Access.PUBLIC: set(CALLERS),
    Access.USER: PEOPLE | CHATS,
    Access.SESSION: PEOPLE,
    Access.RECENT: PEOPLE,
    Access.ADMIN: {"admin"},
    Access.BOT: {"bot", "other bot", "bot for the member"},
}
OF_CHATS = {
    ("DELETE", "/links/{platform}/{platform_user_id}"),
    ("DELETE", "/users/me"),
    ("GET", "/users/me/export"),
}
"""Routes that ask a person for a recent password, and a chat for none."""
OF_THE_MEMBER = {"member", *CHATS, "admin", "bot"}
"""Callers who may read what is the member's; bots by the deliveries of their platform."""
RARELY = {
    "POST /admin/backups": 0.02,
    "POST /admin/check-up": 0.02,
    "POST /admin/models/refresh": 0.05,
    "POST /auth/login": 0.2,
    "POST /auth/register": 0.2,
    "POST /auth/setup": 0.2,
    "POST /generate/image": 0.5,
}
"""The part of an operation's cases that its work leaves time for."""
REFUSALS = {401, 403}
NO_AUTH_YET = {400, 404, 413, 422}
UNREAD = (
    "address_not_text", "address_unknown", "body_unreadable", "json_invalid", "request_too_large"
)  # fmt: skip
"""Statuses and reasons of requests that could not be read, before anybody was asked for."""
CHECKS = [
    checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@dataclass
class Findings:
    """Calls made by status, and what is wrong: one example for each operation and kind."""

    calls: Counter[int] = field(default_factory=Counter)
    wrong: dict[tuple[str, str], str] = field(default_factory=dict)

    def note(self, operation: str, kind: str, example: str) -> None:
        """Print it at once: a run takes long, and may be stopped."""
        if (operation, kind) not in self.wrong:
            self.wrong[operation, kind] = example
            print(f"{operation}: {kind}\n    {example}", flush=True)


def operations(schema: Any) -> list[Any]:
    """Return all operations, those last that end accounts and change what others may do."""
    found = [each.ok() for each in schema.get_all_operations()]
    return sorted(found, key=_order)


def _order(operation: Any) -> tuple[bool, bool, str]:
    changes = operation.method.upper() != "GET"
    governs = operation.path.startswith(GOVERN)
    return changes and governs, operation.method.upper() == "DELETE", operation.path


def access_of(operation: Any) -> Access:
    """Return the rule of the role table; a route with several has the widest first."""
    route = operation.method.upper(), operation.path
    if "security" not in operation.definition.raw:
        return Access.PUBLIC  # `/media/{media_id}` asks for itself, after it has read its link
    if route in OF_CHATS:
        return Access.USER
    return next((row.access for row in ROWS if row.route == route), Access.PUBLIC)


class Fuzz:
    def __init__(self, studio: Studio, findings: Findings, seed: int) -> None:
        self.studio = studio
        self.findings = findings
        self.seed = seed
        self.session = requests.Session()
        self.session.trust_env = False

    def run(self, cases: int) -> None:
        document = self.studio.http.get("/openapi.json").json()
        schema = schemathesis.openapi.from_dict(document)
        wanted, things = operations(schema), make_things(self.studio, {})
        for number, operation in enumerate(wanted):
            name = f"{operation.method.upper()} {operation.path}"
            share = max(1, round(cases / len(wanted) * RARELY.get(name, 1)))
            if number and number % FRESH_THINGS == 0:
                self.studio.renew()
                things = make_things(self.studio, things)
            self._operation(operation, name, things, share)

    def _operation(self, operation: Any, name: str, things: Things, cases: int) -> None:
        access = access_of(operation)
        may = sorted(MAY.get(access, set()))
        callers = [*CALLERS, *may * round(len(CALLERS) / max(1, len(may)))]
        made = st.one_of(
            operation.as_strategy(GenerationMode.POSITIVE),
            operation.as_strategy(GenerationMode.NEGATIVE),
        )

        @seed(self.seed)
        @settings(
            max_examples=cases,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=made, caller=st.sampled_from(callers), chance=st.integers(0, 2**32))
        def one(case: Case[Any], caller: str, chance: int) -> None:
            put_in(case, things, Random(chance))
            self._call(case, name, access, caller)

        try:
            one()
        except Unsatisfiable:
            self.findings.note(name, "no request can be made", "")

    def _call(self, case: Case[Any], name: str, access: Access, caller: str) -> None:
        headers = self.studio.headers(caller)
        case.headers.pop("Authorization", None)
        try:
            response = case.call(
                base_url=self.studio.stack.api_url,
                session=self.session,
                headers=headers,
                timeout=60,
                allow_redirects=False,
            )
        except (ValueError, requests.exceptions.InvalidHeader):
            return  # no client sends it
        except requests.RequestException as error:
            self.findings.note(name, f"no answer: {type(error).__name__}", f"as {caller}: {case!r}")
            return
        status, text = response.status_code, response.content.decode(errors="replace")
        self.findings.calls[status] += 1
        kinds = [f"{kind} {status}" for kind in _undeclared(case, response)]
        unread = status in NO_AUTH_YET and any(each in text for each in UNREAD)
        if caller not in MAY.get(access, set()) and status not in REFUSALS and not unread:
            kinds.append(f"{caller} is answered {status}")
        if caller not in OF_THE_MEMBER and MARK in text and not case.path.startswith("/shared"):
            kinds.append(f"{caller} reads what is the member's")
        for kind in kinds:
            example = f"as {caller}: {case.as_curl_command()[:1500]}\n    -> {status} {text[:500]}"
            self.findings.note(name, kind, example)
        if case.method.upper() != "GET" and status < 300 and case.path.startswith(GOVERN):
            self.studio.renew()


def _undeclared(case: Case[Any], response: Any) -> list[str]:
    """Return the names of what the document does not say of this answer."""
    try:
        case.validate_response(response, checks=CHECKS)
    except FailureGroup as group:
        return [type(failure).__name__ for failure in group.exceptions]
    return []


def put_in(case: Case[Any], things: Things, chance: Random) -> None:
    """Put real things in place of half of the made-up ones."""

    def real(name: str, value: object) -> object:
        if name in things and things[name] and chance.random() < 0.5:
            return chance.choice(things[name])
        return value

    for place in (case.path_parameters, case.query, case.headers):
        for name in list(place or {}):
            place[name] = str(real(name, place[name])) if name in things else place[name]
    if case.query and "wait" in case.query:
        case.query["wait"] = 0
    body: Any = case.body
    if isinstance(body, dict):
        for name in list(body):
            body[name] = real(name, body[name])


def draw_little() -> None:
    """Draw pictures and videos in a small size, in the sandbox's process."""
    from sandbox import media
    from tests.sandbox_server import ROUGH

    for name, value in ROUGH.items():
        setattr(media, name, value)


@contextmanager
def running(*, postgresql: bool) -> Iterator[Stack]:
    with ExitStack() as stack:
        env = dict(ENV)
        if postgresql:
            server = stack.enter_context(running_postgres())
            env["DATABASE_URL"] = server.url(run(server.take()))
        yield stack.enter_context(
            running_stack(extra_env=env, without=frozenset({"web"}), prepare=draw_little)
        )


def fuzz(cases: int, seed: int, *, postgresql: bool = False) -> Findings:
    findings = Findings()
    with running(postgresql=postgresql) as stack:
        studio = Studio(stack)
        Fuzz(studio, findings, seed).run(cases)
        assert stack.alive("api"), "the api has died"
        log = stack.log("api")
        if "Traceback" in log:
            first = log[log.index("Traceback") :].partition("\n")[0]
            findings.note("api", "its log holds a traceback", first[-3000:])
        _look(studio, findings)
    return findings


def _look(studio: Studio, findings: Findings) -> None:
    """Ask for all that may never be, as `./run invariants` does."""
    key = ensure_secrets(studio.stack.data_dir).operator_key
    for one in studio.good(key, "GET", "/internal/invariants")["invariants"]:
        if one["state"] == "broken":
            findings.note("invariants", one["name"], str(one))


def main(args: Sequence[str]) -> int:
    parser = argparse.ArgumentParser("./run faults fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=CASES)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--postgresql", action="store_true", help="instead of DuckDB")
    given = parser.parse_args(args)
    began = time.monotonic()
    found = fuzz(given.cases, given.seed, postgresql=given.postgresql)
    by_status = ", ".join(f"{status}: {number}" for status, number in sorted(found.calls.items()))
    print(
        f"{found.calls.total()} calls in {time.monotonic() - began:.0f} s with --seed {given.seed} "
        f"({by_status}); {len(found.wrong)} findings."
    )
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
