"""/start, /link and /balance, and the two buttons of linking."""

from api.links.schemas import AnswerIn, RedeemIn
from bots.core import texts
from bots.core.commands.command import Command, Context, Replies
from bots.core.http import ApiError
from bots.core.types import Button, Inbound, Reply

_REFUSED = {"not_found": texts.CODE_USELESS, "invalid_request": texts.CODE_USELESS, "conflict": texts.ALREADY_LINKED}
"""By the api's code. Wrong, old and used codes get one sentence, so that nobody learns which it was."""


async def _start(inbound: Inbound, context: Context) -> Replies:
    if inbound.text.strip():
        async for reply in _link(inbound, context):
            yield reply
        return
    try:
        await context.user.me()
    except ApiError as error:
        if error.code != "not_linked":
            raise
        yield Reply(texts.greeting(inbound.sender.name, context.public_url))
    else:
        yield Reply(texts.welcome_back(inbound.sender.name))


async def _link(inbound: Inbound, context: Context) -> Replies:
    code = inbound.text.strip()
    if not code:
        yield Reply(texts.how_to_link(context.public_url), secret=True)
        return
    if len(code) > 100:
        yield Reply(texts.CODE_USELESS, secret=True)
        return
    redeem = RedeemIn(
        code=code,
        platform_user_id=inbound.sender.id,
        display_name=inbound.sender.name[:120],
        chat_id=inbound.address.chat_id,
        private=inbound.address.private,
    )
    try:
        redeemed = await context.bot.redeem(redeem)
    except ApiError as error:
        if error.code not in _REFUSED:
            raise
        yield Reply(_REFUSED[error.code] if inbound.address.private else texts.CODE_BURNED, secret=True)
        return
    if redeemed.state == "burned" or not inbound.address.private:
        yield Reply(texts.CODE_BURNED, secret=True)
    elif redeemed.state != "redeemed" or redeemed.code_id is None or redeemed.account_hint is None:
        yield Reply(texts.CODE_USELESS, secret=True)
    else:
        buttons = (
            Button(texts.YES, LINK_YES.name, redeemed.code_id, "primary"),
            Button(texts.NO, LINK_NO.name, redeemed.code_id),
        )
        yield Reply(texts.link_question(redeemed.account_hint), buttons=(buttons,), secret=True)


async def _yes(inbound: Inbound, context: Context) -> Replies:
    await context.bot.answer_link(AnswerIn(code_id=inbound.text, platform_user_id=inbound.sender.id, accept=True))
    yield Reply(texts.LINK_ACCEPTED, secret=True)


async def _no(inbound: Inbound, context: Context) -> Replies:
    await context.bot.answer_link(AnswerIn(code_id=inbound.text, platform_user_id=inbound.sender.id, accept=False))
    yield Reply(texts.LINK_DECLINED, secret=True)


async def _balance(_inbound: Inbound, context: Context) -> Replies:
    yield Reply(texts.balance(await context.user.me()), secret=True)


START = Command("start", "Say hello", _start, argument="code", listed=False, secret=True)
LINK = Command("link", "Link this chat to your account", _link, argument="code", private_only=True, secret=True)
BALANCE = Command("balance", "Your budget this month", _balance, secret=True)
LINK_YES = Command("link_yes", "", _yes, secret=True, listed=False)
LINK_NO = Command("link_no", "", _no, secret=True, listed=False)
