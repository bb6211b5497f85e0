"""`./run invariants`: all that has to be true of rows and files at any moment, looked at once."""

import asyncio
import json
from collections.abc import Sequence
from textwrap import wrap
from typing import NamedTuple

from api.check_up.at_rest import invariants_at_rest
from api.db import DbUnavailable
from api.start_errors import CannotStart
from cli.errors import CommandRefused
from cli.running_api import NoApiRuns, call_api
from cli.settings import LaunchSettings, api_settings, load
from client import calls
from client.schemas.check_up import InvariantName, InvariantOut, InvariantsOut

SIGNS = {"holds": "ok", "broken": "BROKEN", "skipped": "-"}
SKIPPED = {
    "begun_lately": "It has not run for an hour.",
    "store_shared": "Another installation uses the same store.",
    "store_away": "The store does not answer: ./run doctor says why.",
}
BOOKS = (
    "Nothing corrects it by itself. Report it with the log of that time; until then the limits are "
    "wrong by the difference."
)


class Said(NamedTuple):
    """`promise`: true while the invariant holds. `advice`: the act when it is broken."""

    promise: str
    advice: str


SENTENCES: dict[InvariantName, Said] = {
    "counters_add_up": Said(
        "Each budget holds the sum of its open holds, and has spent the sum of its ledger.",
        BOOKS,
    ),
    "limits_kept": Said(
        "No month is above its limit, except for costs above their holds.",
        "Look at these jobs under Admin, Money. A limit that was lowered meanwhile explains "
        "nothing here, as the limits of the time are compared.",
    ),
    "holds_booked": Said(
        "Each settled hold is in the ledger once, with its amount, and no other hold is.",
        BOOKS,
    ),
    "holds_have_work": Said(
        "Each open hold belongs to a job that is there, or to an answer of the last two hours.",
        "Start the product anew, which frees holds of answers. One of a job is freed by nobody: "
        "report it.",
    ),
    "days_add_up": Said(
        "The sums of days are those of the ledger.",
        "Only the pages of costs are wrong, no limit is. Report it.",
    ),
    "states_known": Said(
        "Each job is in a state that there is.",
        "Look at these jobs under Admin, Jobs, and report them.",
    ),
    "paid_once": Said(
        "No job has two ids of the provider, and no id has two jobs.",
        "Compare these jobs with the provider's list of calls: one may have been paid twice.",
    ),
    "jobs_settled": Said(
        "The money of each ended job is settled once, and that of any other is held.",
        "The sweep closes holds of ended jobs every five minutes, and logs leaked_hold. Report "
        "what stays.",
    ),
    "jobs_told": Said(
        "Each ended or cancelled job of a chat has one delivery for it, and no other has one.",
        "The person finds the result in the gallery. Report it with the log of that time.",
    ),
    "jobs_have_files": Said(
        "Each completed job has a file.",
        "The file's row is gone. Look for rows_without_file_deleted in the log, and into a backup.",
    ),
    "parts_have_jobs": Said(
        "Links to share, webhooks and keys of requests belong to jobs that are there.",
        "They harm nobody. Report them.",
    ),
    "deliveries_end": Said(
        "No delivery waits for longer than two days.",
        "Look at them under Admin, Deliveries: retry them, or send them to the private chat.",
    ),
    "copies_within_promise": Said(
        "No chat was shown a result again after two sends with an unclear end.",
        "The chat may show a result three times. Report it with the delivery's trail.",
    ),
    "deliveries_have_jobs": Said(
        "Deliveries, and files known to a platform, belong to jobs that are there.",
        "They harm nobody. Report them.",
    ),
    "messages_have_conversations": Said(
        "Each message has its conversation.",
        "Nobody sees these messages, and nobody can delete them. Report them.",
    ),
    "media_have_owners": Said(
        "Each file that a job made has its job, each thumbnail its picture.",
        "Nobody sees these files, and they stay on the disk. Report them.",
    ),
    "one_refresh_token": Said(
        "Each session that lives has one unused refresh token.",
        "Let these people sign out everywhere and in again. Report it.",
    ),
    "rows_have_accounts": Said(
        "Nothing is left of accounts that are gone.",
        "Report it: what was to be deleted is still there.",
    ),
    "rows_have_files": Said(
        "Each file that is shown is in the store.",
        "Bring the files back from a backup or the store before: see Pictures and videos in the "
        "guide. ./run media forget gives up what is lost.",
    ),
    "files_have_rows": Said(
        "Each file in the store is shown somewhere.",
        "The sweep moves them into the trash every six hours. Look for files_unknown in the log "
        "when they stay.",
    ),
}
WIDTH = 100
INDENT = " " * 8


def look() -> InvariantsOut:
    """Ask the running api, else look into a store that nobody has open. Raises `CommandRefused`,
    `BadSetting`."""
    launch = load(LaunchSettings)
    try:
        return call_api(launch, calls.invariants())
    except NoApiRuns:
        pass
    try:
        return asyncio.run(invariants_at_rest(api_settings(launch)))
    except (CannotStart, DbUnavailable) as error:
        raise CommandRefused(str(error)) from error


def lines(found: InvariantsOut) -> list[str]:
    """Return a line for each invariant, the rows that break it, and a line that sums up."""
    told = [line for one in found.invariants for line in _of_one(one)]
    wrong = sum(one.state == "broken" for one in found.invariants)
    return [*told, "", f"{wrong} broken." if wrong else "All hold."]


def _of_one(one: InvariantOut) -> Sequence[str]:
    promise, advice = SENTENCES[one.name]
    told = [f"{SIGNS[one.state]:<8}{promise}"]
    if one.skipped is not None:
        return [*told, f"{INDENT}{SKIPPED[one.skipped]}"]
    if one.state == "holds":
        return told
    rows = [f"{INDENT}{row.id}: {row.facts}" for row in one.rows]
    more = [f"{INDENT}and {one.count - len(rows)} more"] if one.count > len(rows) else []
    return [*told, *rows, *more, *(INDENT + line for line in wrap(advice, WIDTH - len(INDENT)))]


def as_json(found: InvariantsOut) -> str:
    """Return the invariants with their sentences, for programs."""
    told = [
        {
            **one.model_dump(mode="json"),
            "said": SENTENCES[one.name].promise,
            "advice": SENTENCES[one.name].advice if one.state == "broken" else None,
        }
        for one in found.invariants
    ]
    return json.dumps(told, indent=2, ensure_ascii=False)
