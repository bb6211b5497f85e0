"""Why a chat did not take something, in words. Bots tell it in English, and in the platform's own
words where it gave no code."""

from dataclasses import dataclass

from admin_web.words.language import _
from client.words.language import N_

_GONE = N_("The chat does not exist any more, or the bot is not in it.")
_ACCOUNT_GONE = N_("The account in the chat was deleted.")
_PLEASE_WAIT = N_("The chat asked the bot to wait; it sends again by itself.")
_MAY_BE_THERE = N_("The connection broke while it was sent. It may have arrived.")
_TOO_LARGE = N_("The file is too large for this chat.")
DISCORD = {
    10003: N_("The channel was deleted."),
    10004: _GONE,
    10008: N_("The message that it answers was deleted."),
    10013: _ACCOUNT_GONE,
    40005: _TOO_LARGE,
    50001: N_(
        "The bot cannot see this channel. Let it in again, or give it the permission View Channel."
    ),
    50007: N_("Direct messages from the bot are not accepted there."),
    50013: N_(
        "The bot lacks a permission in this channel: Send Messages, Attach Files or Read Message "
        "History."
    ),
    50278: N_("The person shares no server with the bot, so it cannot write to them."),
}
"""By Discord's own code, which the bot names."""
SIGNS = {
    "bot was blocked by the user": N_("The bot was blocked by the person it writes to."),
    "can't initiate conversation": N_(
        "The person has not started a private chat with the bot yet."
    ),
    "user is deactivated": _ACCOUNT_GONE,
    "bot was kicked": N_("The bot was removed from the group."),
    "bot is not a member": _GONE,
    "chat was deleted": _GONE,
    "chat not found": _GONE,
    "peer_id_invalid": _GONE,
    "not enough rights": N_(
        "The bot may not write or send files in this group. An admin of the group can allow it."
    ),
    "have no rights to send": N_(
        "The bot may not write or send files in this group. An admin of the group can allow it."
    ),
    "chat_write_forbidden": N_(
        "The bot may not write or send files in this group. An admin of the group can allow it."
    ),
    "topic_closed": N_("The topic in the group is closed."),
    "message thread not found": N_("The topic in the group was deleted."),
    "entity too large": _TOO_LARGE,
    "takes 50 mb from a bot": _TOO_LARGE,
    "asked to slow down": _PLEASE_WAIT,
    "too much for this chat at once": _PLEASE_WAIT,
    "discord has asked to wait": _PLEASE_WAIT,
    "discord asks to wait": _PLEASE_WAIT,
    "refuses the bot's token": N_(
        "Telegram refuses the bot's token. Set TELEGRAM_BOT_TOKEN anew and start the bot again."
    ),
    "telegram can't be reached": N_("Telegram cannot be reached from here."),
    "discord cannot be reached": N_("Discord cannot be reached from here."),
    "no clear answer from telegram": _MAY_BE_THERE,
    "discord did not answer in time": _MAY_BE_THERE,
    "the connection to discord broke": _MAY_BE_THERE,
    "discord answered without a message": _MAY_BE_THERE,
    "the interaction is over": N_(
        "The bot may not write into this channel, and the time for an answer to the command is "
        "over."
    ),
    "the bot broke": N_("A defect of the bot. Its log says more."),
    "the bot ended, or was cut off": N_("The bot was stopped or cut off while it had this."),
    "it could not be shown for days": N_("No bot could send it for two days."),
    "the generation was deleted": N_("The job was deleted."),
    "could not be shown": N_("The chat did not show it."),
    "an operator had it": "",
}
"""By what is in the reason, in small letters: bots' sentences, and what Telegram says, which has no
codes. Empty: what was done says it all."""
_CODE = "(discord's code "


@dataclass(frozen=True, slots=True)
class Why:
    """`words` is ours, `quote` the chat's own, in its language: where `words` are missing it is all
    there is."""

    words: str
    quote: str


def why(reason: str) -> Why:
    said = reason.casefold()
    _before, coded, rest = said.partition(_CODE)
    number = rest.partition(")")[0]
    if coded and number.isdigit() and int(number) in DISCORD:
        return Why(_(DISCORD[int(number)]), f"Discord {number}")
    for sign, words in SIGNS.items():
        if sign in said:
            return Why(_(words) if words else "", reason if words else "")
    return Why("", reason)
