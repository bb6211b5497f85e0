"""The buttons under a finished result, /again, and the answer to the question about a price."""

import hashlib
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from functools import partial

from bots.core import texts
from bots.core.activity import ACTIVITY
from bots.core.cards import delete_question, result_buttons, waiting_card
from bots.core.commands import image_video
from bots.core.commands.command import Command, Context, Replies
from bots.core.commands.preferences import digest, of_digest
from bots.core.commands.sources import named, of_result, quoted_result
from bots.core.options import Mistake, Parsed, Value, parse
from bots.core.rendering import file_of, stem_of
from bots.core.types import Button, Inbound, Reply, ReplyFile
from client import calls
from client.errors import ApiError
from client.schemas.catalog import ModelOut
from client.schemas.generations import AgainIn, Changes, GenerationOut, MediaOut
from client.schemas.links import ReportIn
from client.schemas.provider import OPTIONS as SPECS
from client.words.language import N_

OTHERS = 8
LARGER = "Keep the picture exactly as it is, with finer detail."
"""The words to a model that makes a picture again in a larger size."""
ABLE: dict[str, Callable[[ModelOut], bool]] = {
    "image_to_image": image_video.takes_images,
    "image_to_video": image_video.films_images,
}
"""By the mode of a generation: whether a model can do it."""


async def _again(inbound: Inbound, context: Context) -> Replies:
    _only_once(inbound)
    first = named(inbound.text)
    wanted = first.generation_id or quoted_result(inbound)
    if wanted is None:
        made = await _newest(context)
    else:
        made = await context.user.send(calls.generation(wanted))
    parsed = parse(first.text, inbound.options, image_video.OPTIONS[made.kind])
    yield await image_video.remade(inbound, context, made.id, made.kind, parsed)


async def _vary(inbound: Inbound, context: Context) -> Replies:
    """Make a result once more with another seed; a model that takes none varies by itself. One
    picture of several is the start of the new one."""
    _only_once(inbound)
    place, wanted, user = named(inbound.text).place, _id(inbound), context.user
    before = of_result(await user.send(calls.generation(wanted)), place)
    together = texts.all_again()
    which = image_video.which_picture(VARY.name, before, inbound, all_button=together)
    if place is None and which is not None:
        yield which
        return
    if before.place is not None and before.made is not None:
        same = Parsed(before.made.prompt, {})
        yield await image_video.make_image(inbound, context, before, same)
        return
    # the same press handled twice has to be the same request
    digits = hashlib.sha256(f"{inbound.update_id}:{wanted}".encode()).digest()[:8]
    seed = int.from_bytes(digits, "big") % (SPECS["seed"].most + 1)
    ask = AgainIn(changes=Changes(seed=seed), address=image_video.address(inbound))
    try:
        made = await user.send(calls.again(wanted, ask, user.key))
    except ApiError as error:
        if error.code != "option_unsupported":
            raise
        made = await user.send(calls.again(wanted, AgainIn(address=ask.address), user.key))
    yield waiting_card(made, fresh=True)


async def _larger(inbound: Inbound, context: Context) -> Replies:
    """Make one picture again in the next larger size of its model."""
    _only_once(inbound)
    place = named(inbound.text).place or 1
    before = of_result(await context.user.send(calls.generation(_id(inbound))), place)
    made = before.made
    if made is None or made.larger_size is None:
        raise Mistake(texts.no_larger())
    prompt = made.prompt if made.prompt.endswith(LARGER) else f"{made.prompt}\n\n{LARGER}"
    options: dict[str, Value] = {"model": made.model, "image_size": made.larger_size}
    if "aspect_ratio" in made.options:
        options["aspect_ratio"] = made.options["aspect_ratio"]
    yield await image_video.make_image(inbound, context, before, Parsed(prompt, options))


async def _other(inbound: Inbound, context: Context) -> Replies:
    """Offer the models that could do it instead of the failed one."""
    made = await context.user.send(calls.generation(_id(inbound)))
    models = await _others(made, context)
    if not models:
        raise Mistake(texts.no_other_model())
    rows = tuple((Button(one.name, "with", f"{made.id}:{digest(one)}"),) for one in models[:OTHERS])
    yield Reply(texts.other_which(made), buttons=rows, fresh=True)


async def _with(inbound: Inbound, context: Context) -> Replies:
    """Make it with the chosen model; the button names the generation and the model."""
    _only_once(inbound)
    generation_id, _, wanted = inbound.text.partition(":")
    made = await context.user.send(calls.generation(generation_id))
    changes = Parsed("", {"model": of_digest(wanted, await _others(made, context)).id})
    reply = await image_video.remade(inbound, context, made.id, made.kind, changes)
    yield replace(reply, fresh=False)


async def _others(made: GenerationOut, context: Context) -> list[ModelOut]:
    able = ABLE.get(made.mode)
    others = [
        one for one in await context.user.all(calls.models(made.kind)) if one.id != made.model
    ]
    return others if able is None else [one for one in others if able(one)]


async def _repeat(inbound: Inbound, context: Context) -> Replies:
    """Run a failed request once more."""
    before = ACTIVITY.failed_request(inbound.text.strip())
    command = (
        None
        if before is None
        else next((one for one in context.commands if one.name == before.command), None)
    )
    if before is None or command is None:
        raise Mistake(texts.say_it_again())
    if (before.sender.id, before.address.platform) != (inbound.sender.id, inbound.address.platform):
        raise Mistake(texts.not_yours())
    _only_once(inbound)
    same = replace(before, update_id=inbound.update_id)
    async with aclosing(command.run(same, context)) as replies:
        async for reply in replies:
            # in the place of a message that others read it would be no secret
            aside = reply.secret and not inbound.address.private
            yield replace(reply, fresh=reply.fresh or aside)


async def _tell(inbound: Inbound, context: Context) -> Replies:
    """Tell the admins about a failure; the button names the generation or the code."""
    about = named(inbound.text).generation_id
    code = None if about is not None else inbound.text.strip()
    told = await context.user.send(calls.report(ReportIn(generation_id=about, code=code)))
    yield Reply(texts.admin_told(told.chats), secret=True, fresh=True)


async def _show(inbound: Inbound, context: Context, *, as_document: bool = False) -> Replies:
    """The result once more, with its files. Files that the chat does not take are on the web."""
    made = await context.user.send(calls.generation(_id(inbound)))
    if made.status != "completed":
        raise Mistake(texts.not_ready(made))
    media: list[MediaOut] = [*made.images, *([made.video] if made.video is not None else [])]
    files: list[ReplyFile] = []
    for place, one in enumerate(media, start=1):
        if one.size <= context.limits.upload_bytes:
            file = await file_of(one, stem_of(made, place), context.bot, context.limits)
            files.append(replace(file, kind="document") if as_document else file)
    text = texts.caption(made)
    if len(files) < len(media):
        text = f"{text}\n{texts.too_large_to_send(made, context.public_url)}"
    buttons = () if as_document else result_buttons(made)
    yield Reply(text, files=tuple(files), buttons=buttons, fresh=True)


async def _favourite(inbound: Inbound, context: Context) -> Replies:
    made = await context.user.send(calls.generation(_id(inbound)))
    made = await context.user.send(calls.set_favourite(made.id, not made.favourite))
    said = texts.favourite_on(made) if made.favourite else texts.favourite_off(made)
    yield Reply(said, secret=True, fresh=True)


async def _delete(inbound: Inbound, context: Context) -> Replies:
    try:
        yield delete_question(await context.user.send(calls.generation(_id(inbound))))
    except ApiError as error:
        if error.code not in ("not_found", "not_linked"):
            raise
        if inbound.moderates is None or not await inbound.moderates():
            raise
        # a moderator takes somebody else's result out of the chat; it stays in its owner's gallery
        yield Reply("", gone=True)


async def _delete_yes(inbound: Inbound, context: Context) -> Replies:
    await context.user.send(calls.delete_generation(_id(inbound)))
    yield Reply("", gone=True)
    yield Reply(texts.deleted(), secret=True, fresh=True)


async def _keep(inbound: Inbound, context: Context) -> Replies:
    made = await context.user.send(calls.generation(_id(inbound)))
    yield Reply(texts.caption(made), buttons=result_buttons(made))


async def _confirm(inbound: Inbound, context: Context) -> Replies:
    yield waiting_card(await context.user.send(calls.confirm(inbound.text.strip())))


async def _decline(inbound: Inbound, _context: Context) -> Replies:
    mine = inbound.text == inbound.sender.id
    yield Reply(texts.declined() if mine else texts.not_yours(), secret=not mine, fresh=not mine)


async def _newest(context: Context) -> GenerationOut:
    made = (await context.user.send(calls.generations(limit=1))).items
    if not made:
        raise Mistake(texts.no_jobs())
    return made[0]


def _only_once(inbound: Inbound) -> None:
    if ACTIVITY.pressed_twice(inbound):
        raise Mistake(texts.pressed_twice())


def _id(inbound: Inbound) -> str:
    return named(inbound.text).generation_id or inbound.text.strip()


AGAIN = Command(
    "again",
    N_("Make the same once more: the last one, or the one you answer"),
    _again,
    argument="options",
    argument_description=N_("What should be different, such as --n 2"),
    slow=True,
)
LARGER_PICTURE = Command("larger", "", _larger, listed=False, slow=True)
OTHER = Command("other", "", _other, listed=False)
WITH = Command("with", "", _with, listed=False, slow=True)
REPEAT = Command("repeat", "", _repeat, listed=False, slow=True)
TELL = Command("tell", "", _tell, listed=False)
VARY = Command("vary", "", _vary, listed=False, slow=True)
ORIGINAL = Command("original", "", partial(_show, as_document=True), listed=False, slow=True)
SHOW = Command("show", "", _show, listed=False, slow=True)
FAVOURITE = Command("favourite", "", _favourite, listed=False)
DELETE = Command("delete", "", _delete, listed=False)
DELETE_YES = Command("delete_yes", "", _delete_yes, listed=False)
KEEP = Command("keep", "", _keep, listed=False)
CONFIRM = Command("confirm", "", _confirm, listed=False, slow=True)
DECLINE = Command("decline", "", _decline, listed=False)
