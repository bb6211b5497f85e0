"""The bot's entry on Telegram, seen before anybody talks to it: its commands, by place and
language, and its introduction.

Telegram takes few such changes a day, so only differences are sent.
"""

import structlog
from telegram import Bot, BotCommand, BotCommandScopeAllPrivateChats, BotCommandScopeDefault
from telegram.error import BadRequest, RetryAfter

from bots.core.commands import COMMANDS
from bots.core.texts.introduction import about, about_short
from client.words.language import DEFAULT, LANGUAGES

log = structlog.get_logger()

DESCRIPTION = 256
ABOUT, ABOUT_SHORT = 512, 120


async def register(bot: Bot) -> None:
    """Register the bot, which works without it: a refusal is only logged. Raises `TelegramError`
    for trouble that may pass."""
    try:
        for language in LANGUAGES:
            # what is said for no language is shown to everybody whose language we do not speak
            code = "" if language == DEFAULT else language
            await _register_commands(bot, language, code)
            await _introduce(bot, language, code)
    except (BadRequest, RetryAfter) as error:
        log.warning("not_registered", reason=error.message)


async def _register_commands(bot: Bot, language: str, code: str) -> None:
    listed = [one for one in COMMANDS if one.listed]
    places = (
        (BotCommandScopeDefault(), [one for one in listed if not one.private_only]),
        (BotCommandScopeAllPrivateChats(), listed),
    )
    for scope, commands in places:
        wanted = tuple(
            BotCommand(one.name, one.described(language)[:DESCRIPTION]) for one in commands
        )
        if await bot.get_my_commands(scope=scope, language_code=code) != wanted:
            await bot.set_my_commands(wanted, scope=scope, language_code=code)
            log.info("commands_registered", scope=scope.type, language=language)


async def _introduce(bot: Bot, language: str, code: str) -> None:
    wanted = about(language)[:ABOUT]
    if (await bot.get_my_description(language_code=code)).description != wanted:
        await bot.set_my_description(wanted, language_code=code)
    wanted = about_short(language)[:ABOUT_SHORT]
    if (await bot.get_my_short_description(language_code=code)).short_description != wanted:
        await bot.set_my_short_description(wanted, language_code=code)
