"""/jobs, /cancel and /gallery, and the buttons of a waiting card."""

from bots.core import texts
from bots.core.activity import ACTIVITY
from bots.core.cards import in_rows, waiting_card
from bots.core.commands.ask import stop_in_chat
from bots.core.commands.command import Command, Context, Replies
from bots.core.commands.sources import named
from bots.core.options import Mistake
from bots.core.types import Button, Inbound, Reply
from client import calls
from client.errors import ApiError
from client.schemas.generations import GenerationOut
from client.words.language import N_

LISTED = 8
PICKED = 6
IN_A_ROW = 3
UNFINISHED = ("queued", "processing")


async def _jobs(_inbound: Inbound, context: Context) -> Replies:
    made = (await context.user.send(calls.generations(limit=LISTED))).items
    if not made:
        yield Reply(texts.no_jobs(), secret=True)
        return
    running = [one for one in made if one.status in UNFINISHED]
    cancel = [Button(texts.cancel_one(one), "cancel", one.id, "danger") for one in running]
    refresh = (Button(texts.refresh_button(), "jobs", ""),)
    buttons = (*in_rows(cancel, IN_A_ROW), refresh) if running else ()
    yield Reply(texts.jobs(made), buttons=buttons, secret=True)


async def _gallery(_inbound: Inbound, context: Context) -> Replies:
    made = (await context.user.send(calls.generations(limit=PICKED, status="completed"))).items
    if not made:
        raise Mistake(texts.no_gallery())
    show = in_rows([Button(f"#{one.short_id}", "show", one.id) for one in made], IN_A_ROW)
    yield Reply(texts.gallery(made, context.public_url), buttons=show, secret=True)


async def _cancel(inbound: Inbound, context: Context) -> Replies:
    if inbound.pressed is None and not inbound.text.strip():
        writing = ACTIVITY.newest(inbound)
        if writing is not None:
            writing.stopped.set()
            return
        if await stop_in_chat(context, inbound):
            return
    wanted = (named(inbound.text.lower()).generation_id or inbound.text).strip().lower()
    if not wanted:
        running = await _newest_running(context)
        if running is None:
            raise Mistake(texts.nothing_runs())
        wanted = running.id
    try:
        yield Reply(texts.cancelled(await context.user.send(calls.cancel(wanted))))
    except ApiError as error:
        if error.code != "already_finished" or inbound.pressed is None:
            raise
        # the card outlived its job: close it
        yield Reply(texts.card_closed(await context.user.send(calls.generation(wanted))))


async def _refresh(inbound: Inbound, context: Context) -> Replies:
    made = await context.user.send(calls.generation(inbound.text.strip()))
    yield waiting_card(made) if made.status in UNFINISHED else Reply(texts.card_closed(made))


async def _newest_running(context: Context) -> GenerationOut | None:
    running = [
        *(await context.user.send(calls.generations(limit=1, status="processing"))).items,
        *(await context.user.send(calls.generations(limit=1, status="queued"))).items,
    ]
    return max(running, key=lambda one: one.created_at, default=None)


JOBS = Command("jobs", N_("Your last jobs"), _jobs, secret=True)
GALLERY = Command(
    "gallery", N_("Your last results, and where all of them are"), _gallery, secret=True
)
CANCEL = Command(
    "cancel",
    N_("Stop a job or an answer, the newest one if you name none"),
    _cancel,
    argument="id",
    argument_description=N_("The short id of the job"),
)
REFRESH = Command("refresh", "", _refresh, listed=False)
