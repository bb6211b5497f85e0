"""/jobs and /cancel, and the Cancel button of a waiting card."""

from api.generations.schemas import GenerationOut
from bots.core import texts
from bots.core.commands.command import Command, Context, Replies
from bots.core.http import ApiError
from bots.core.language import N_
from bots.core.types import Inbound, Reply

LISTED = 8


async def _jobs(_inbound: Inbound, context: Context) -> Replies:
    made = await context.user.generations(LISTED)
    yield Reply(texts.jobs(made) if made else texts.no_jobs(), secret=True)


async def _cancel(inbound: Inbound, context: Context) -> Replies:
    wanted = inbound.text.strip().lower()
    if not wanted:
        running = await _newest_running(context)
        if running is None:
            yield Reply(texts.nothing_runs(), secret=True)
            return
        wanted = running.id
    try:
        yield Reply(texts.cancelled(await context.user.cancel(wanted)))
    except ApiError as error:
        if error.code != "already_finished" or inbound.pressed is None:
            raise
        # the card outlived its job: close it
        yield Reply(texts.card_closed(await context.user.generation(wanted)))


async def _newest_running(context: Context) -> GenerationOut | None:
    running = [*await context.user.generations(1, "processing"), *await context.user.generations(1, "queued")]
    return max(running, key=lambda one: one.created_at, default=None)


JOBS = Command("jobs", N_("Your last jobs"), _jobs, secret=True)
CANCEL = Command(
    "cancel", N_("Stop a job, the newest one if you name none"), _cancel, argument="id", argument_description=N_("The short id of the job")
)
