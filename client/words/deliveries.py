"""Sentences about deliveries: the reason why a chat did not take something."""

from client.schemas.deliveries import DeliveryReason
from client.words.errors import Voice
from client.words.language import N_

SENTENCES: dict[DeliveryReason, str] = {
    "account_gone": N_("The account in the chat was deleted."),
    "answered_elsewhere": N_("Another process of the bot answers this."),
    "api_refused": N_("The bot did not get what it needs for this from the server."),
    "blocked_by_user": N_("The bot was blocked by the person it writes to."),
    "bot_broke": N_("A defect of the bot. Its log says more."),
    "bot_removed": N_("The bot was removed from the group."),
    "bot_stopped": N_("The bot was stopped or cut off while it had this."),
    "channel_gone": N_("The channel was deleted."),
    "channel_hidden": N_(
        "The bot cannot see this channel. Let it in again, or give it the permission View Channel."
    ),
    "chat_gone": N_("The chat does not exist any more, or the bot is not in it."),
    "chat_not_started": N_("The person has not started a private chat with the bot yet."),
    "direct_messages_closed": N_("Direct messages from the bot are not accepted there."),
    "earlier": N_("%(said)s"),
    "file_refused": N_("The chat does not take this file."),
    "flood": N_("The chat asked the bot to wait; it sends again by itself."),
    "generation_deleted": N_("The job was deleted."),
    "interaction_over": N_(
        "The bot may not write into this channel, and the time for an answer to the command is "
        "over."
    ),
    "message_gone": N_("The message that it answers was deleted."),
    "moderated": N_("The moderation of the chat blocked it."),
    "moved_by_operator": N_("An operator had it sent to the private chat."),
    "no_permission": N_(
        "The bot may not write or send files there. An admin of the chat can allow it; on Discord "
        "it needs Send Messages, Attach Files and Read Message History."
    ),
    "no_shared_server": N_("The person shares no server with the bot, so it cannot write to them."),
    "not_sent_in_time": N_("No bot could send it for two days."),
    "platform_failed": N_("Something broke at the chat platform."),
    "platform_unreachable": N_("The chat platform cannot be reached from here."),
    "request_refused": N_("The chat refused it: “%(said)s”"),
    "restored": N_(
        "The database was restored from a backup of a time when this was on its way. It may have "
        "arrived."
    ),
    "retried_by_operator": N_("An operator had it tried again."),
    "token_refused": N_(
        "The platform refuses the bot's token. Set it anew and start the bot again."
    ),
    "too_large": N_("The file is too large for this chat."),
    "topic_closed": N_("The topic in the group is closed."),
    "topic_gone": N_("The topic in the group was deleted."),
    "unclear": N_("The connection broke while it was sent. It may have arrived."),
}


def why(voice: Voice, reason: DeliveryReason, said: str) -> tuple[str, str]:
    """Return the sentence, and the platform's own words where the sentence does not quote them."""
    sentence = SENTENCES[reason]
    if "%(said)s" in sentence:
        return voice.say(sentence, said=said), ""
    return voice.say(sentence), said
