"""/start, /link, /unlink, /privacy and /balance, and the buttons of linking and unlinking."""

from dataclasses import replace
from functools import partial

from bots.core import texts
from bots.core.commands import ask
from bots.core.commands.command import Command, Context, Replies
from bots.core.commands.joining import ask_button
from bots.core.options import Mistake
from bots.core.types import Button, Inbound, Reply, ReplyFile
from client import calls
from client.errors import ApiError
from client.schemas.links import AnswerIn, RedeemIn
from client.words.language import N_

_REFUSED = {
    "not_found": texts.code_useless,
    "invalid_request": texts.code_useless,
    "conflict": texts.already_linked,
}
"""Sentences by the API's code. Wrong, old and used codes share one, so that nobody learns which it
was."""


async def _start(inbound: Inbound, context: Context) -> Replies:
    said = inbound.text.strip().lower()
    if said == ask.HELP.name:
        async for reply in ask.HELP.run(replace(inbound, text=""), context):
            yield reply
        return
    if said:
        async for reply in _link(inbound, context):
            yield reply
        return
    try:
        person = await context.user.send(calls.me())
    except ApiError as error:
        if error.code != "not_linked":
            raise
        greeting = texts.greeting(inbound.sender.name, context.public_url)
        yield Reply(greeting, buttons=ask_button())
    else:
        guest = f"\n\n{texts.guest()} {texts.balance(person)}" if person.guest else ""
        yield Reply(f"{texts.welcome_back(inbound.sender.name)}{guest}")


async def _link(inbound: Inbound, context: Context) -> Replies:
    code = inbound.text.strip()
    if not code:
        raise Mistake(texts.how_to_link(context.public_url))
    if len(code) > 100:
        raise Mistake(texts.code_useless())
    redeem = RedeemIn(
        code=code,
        platform_user_id=inbound.sender.id,
        display_name=inbound.sender.name[:120],
        chat_id=inbound.address.chat_id,
        private=inbound.address.private,
    )
    try:
        redeemed = await context.user.waiting.until_known(
            lambda: context.bot.send(calls.redeem(redeem)), harmless=True
        )
    except ApiError as error:
        if error.code not in _REFUSED:
            raise
        refusal = _REFUSED[error.code] if inbound.address.private else texts.code_burned
        raise Mistake(refusal()) from error
    if redeemed.state == "burned" or not inbound.address.private:
        yield Reply(texts.code_burned(), secret=True)
    elif redeemed.state != "redeemed" or redeemed.code_id is None or redeemed.account_hint is None:
        yield Reply(texts.code_useless(), secret=True)
    else:
        buttons = (
            Button(texts.yes(), LINK_YES.name, redeemed.code_id, "primary"),
            Button(texts.no(), LINK_NO.name, redeemed.code_id),
        )
        yield Reply(texts.link_question(redeemed.account_hint), buttons=(buttons,), secret=True)


async def _answer(inbound: Inbound, context: Context, *, accept: bool) -> Replies:
    said = AnswerIn(code_id=inbound.text, platform_user_id=inbound.sender.id, accept=accept)
    await context.user.waiting.until_known(
        lambda: context.bot.send(calls.answer_link(said)), harmless=True
    )
    yield Reply(texts.link_accepted() if accept else texts.link_declined(), secret=True)


async def _balance(_inbound: Inbound, context: Context) -> Replies:
    person = await context.user.send(calls.me())
    guest = f"\n\n{texts.guest()}" if person.guest else ""
    yield Reply(f"{texts.balance(person)}{guest}", secret=True)


async def _unlink(inbound: Inbound, context: Context) -> Replies:
    await context.user.send(calls.me())
    buttons = (
        Button(texts.yes(), UNLINK_YES.name, inbound.sender.id, "danger"),
        Button(texts.no(), UNLINK_NO.name, inbound.sender.id),
    )
    yield Reply(texts.unlink_question(), buttons=(buttons,), secret=True)


async def _unlink_yes(inbound: Inbound, context: Context) -> Replies:
    _only_for(inbound)
    await context.user.send(calls.unlink(inbound.address.platform, inbound.sender.id))
    yield Reply(texts.unlinked(), secret=True)


async def _unlink_no(inbound: Inbound, _context: Context) -> Replies:
    _only_for(inbound)
    yield Reply(texts.still_linked(), secret=True)


async def _privacy(inbound: Inbound, context: Context) -> Replies:
    try:
        guest = (await context.user.send(calls.me())).guest
    except ApiError:  # everybody may read what is kept about them, also while the API is away
        guest = False
    if not guest:
        yield Reply(texts.privacy(context.public_url), secret=True)
        return
    mine = inbound.sender.id
    buttons = (
        Button(texts.export_button(), EXPORT.name, mine),
        Button(texts.erase_button(), ERASE.name, mine, "danger"),
    )
    yield Reply(texts.privacy_of_guest(), buttons=(buttons,), secret=True)


async def _export(inbound: Inbound, context: Context) -> Replies:
    _only_for(inbound)
    if not inbound.address.private:
        raise Mistake(texts.only_in_private())
    try:
        data = await context.user.download(calls.export(), context.limits.upload_bytes)
    except ApiError as error:
        if error.code != "too_large":
            raise
        raise Mistake(texts.export_too_large()) from error
    file = ReplyFile("document", "allucanget-export.zip", "application/zip", data)
    yield Reply("", files=(file,), secret=True, fresh=True)


async def _erase(inbound: Inbound, _context: Context) -> Replies:
    _only_for(inbound)
    buttons = (
        Button(texts.delete_yes(), ERASE_YES.name, inbound.sender.id, "danger"),
        Button(texts.no(), UNLINK_NO.name, inbound.sender.id),
    )
    yield Reply(texts.erase_question(), buttons=(buttons,), secret=True)


async def _erase_yes(inbound: Inbound, context: Context) -> Replies:
    _only_for(inbound)
    await context.user.send(calls.delete_me())
    yield Reply(texts.erased(), secret=True)


def _only_for(inbound: Inbound) -> None:
    if inbound.text != inbound.sender.id:
        raise Mistake(texts.not_yours())


START = Command(
    "start",
    N_("Say hello"),
    _start,
    argument="code",
    argument_description=N_("The code from the web page"),
    listed=False,
    secret=True,
)
LINK = Command(
    "link",
    N_("Link this chat to your account"),
    _link,
    argument="code",
    argument_description=N_("The code from the web page"),
    private_only=True,
    secret=True,
)
UNLINK = Command("unlink", N_("Take this chat off your account"), _unlink, secret=True)
PRIVACY = Command(
    "privacy", N_("What is kept about you, and how to get or delete it"), _privacy, secret=True
)
BALANCE = Command("balance", N_("Your budget this month"), _balance, secret=True)
LINK_YES = Command("link_yes", "", partial(_answer, accept=True), secret=True, listed=False)
LINK_NO = Command("link_no", "", partial(_answer, accept=False), secret=True, listed=False)
UNLINK_YES = Command("unlink_yes", "", _unlink_yes, secret=True, listed=False)
UNLINK_NO = Command("unlink_no", "", _unlink_no, secret=True, listed=False)
EXPORT = Command("export", "", _export, secret=True, listed=False, slow=True)
ERASE = Command("erase", "", _erase, secret=True, listed=False)
ERASE_YES = Command("erase_yes", "", _erase_yes, secret=True, listed=False)
