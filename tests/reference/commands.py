"""The page of chat commands, options and buttons."""

from collections.abc import Iterator
from textwrap import wrap

from bots.core.commands import ALIASES, COMMANDS, Command
from bots.core.options import Option

SHOWS = {
    "ask": "the answer as it grows, with Stop; a picture that is sent along or answered is looked "
    "at, and words that are answered are put "
    "before the question",
    "say": "a voice message, with its voice and cost; without a text the answered message is read",
    "transcribe": "what was said in the answered or attached recording, a long one as a file",
    "image": "a card with Refresh and Cancel, then the pictures with their buttons",
    "video": "a card with Refresh and Cancel, then the video with its buttons",
    "edit": "the same, for a changed picture; a video is filmed anew with the new words",
    "animate": "the same, for a video that begins with the picture",
    "again": "the same, once more; options change it",
    "new": "that the conversation of this chat and thread begins anew",
    "model": "the models in use with a button for each kind; behind it a list to choose from; "
    "with a name the model is chosen at once",
    "settings": "language, from which price on I ask, hidden results in groups, voice, with "
    "buttons; they hold in all chats",
    "jobs": "the last jobs with state and cost, Cancel for those that run, Refresh",
    "cancel": "that the job is cancelled, and whether it costs something; without an id it stops "
    "the answer that is being written, "
    "else the newest job",
    "gallery": "the last results with a button to show each again, and the address of the gallery",
    "find": "own results and conversations with these words, a few to a page, with buttons that "
    "show one again or go on with a conversation; for its person alone",
    "balance": "what is left, spent and reserved this month",
    "link": "the account's masked address with Yes and No; then the web asks, too",
    "unlink": "a question with Yes and No, then that the chat is unlinked",
    "studio": "how the bot works in this group or server, with buttons and forms for each setting; "
    "only for those whom the platform calls admins there",
    "privacy": "what is kept, and how to get or delete it",
    "help": "all commands, the options, and in groups who is heard there",
    "start": "a greeting, and how to link if the chat is not linked; with a code it links",
}
"""The chat's answer to each command."""

BUTTONS = {
    "read_aloud": ("🔊 Read aloud", "an answer", "the answer as a voice message"),
    "voices": ("🔊 Voice: …", "the settings", "the voices to choose from"),
    "again": ("🔁 Again", "a result", "the same request as a new job with a card"),
    "other": (
        "🧠 Other model",
        "a result, a failure that another model may not have",
        "the models that could do it",
    ),
    "with": (
        "a model's name",
        "that list",
        "the same request with that model, as a new job with a card",
    ),
    "repeat": (
        "🔁 Again",
        "an error that may not come again",
        "what was asked for, once more; only for who asked",
    ),
    "tell": (
        "🔔 Tell the admin",
        "a failure that only an admin can mend",
        "that the admins know it; once an hour for the same thing",
    ),
    "vary": (
        "🎲 Vary, V1 to V10",
        "a result, each picture of a set",
        (
            "the same request with another seed; "
            "one picture of several is what the new one begins with"
        ),
    ),
    "larger": (
        "U1 to U10, 🔍 In 2K",
        "pictures, where their model offers a larger size",
        "that picture again in the next larger size, as a new job with a card",
    ),
    "edit": (
        "✏️ Edit",
        "a result",
        (
            "asks which of several pictures, what should be different (a form, or a message to "
            "answer), then a job with a card"
        ),
    ),
    "animate": (
        "🎬 Animate",
        "a picture",
        "asks what should happen (a dash leaves it to the model), then a job with a card",
    ),
    "original": (
        "⬇️ Original",
        "a result",
        "the file as it was made, as a document; its address when it is too large for the chat",
    ),
    "favourite": (
        "⭐ Favourite",
        "a result",
        "marks it, or takes the mark away; only its owner reads the note",
    ),
    "delete": (
        "🗑️ Delete",
        "a result",
        "asks once; a moderator of the chat who does not own it only removes the message",
    ),
    "delete_yes": ("Yes, delete it", "that question", "deletes the result in chat and gallery"),
    "keep": ("Keep it", "that question", "the result's buttons again"),
    "refresh": ("🔄 Refresh", "a card", "state, place in the queue and time as they are now"),
    "cancel": ("Cancel", "a card, /jobs", "stops the job and closes the card"),
    "jobs": ("🔄 Refresh", "/jobs", "the list as it is now"),
    "find_page": ("‹ Back, More ›", "/find", "another page of what was found"),
    "take_up": (
        "💬 a conversation's title",
        "/find",
        "that the next question here goes on with that conversation",
    ),
    "show": ("#k7m2pqx", "/gallery, /find", "that result again, with its buttons"),
    "confirm": (
        "Yes, for $…",
        "a question about a price",
        "makes it; pressed twice it is made once",
    ),
    "decline": ("No", "a question about a price", "leaves it; only for who asked"),
    "stop_answer": (
        "⏹ Stop",
        "an answer that is being written",
        "ends it, at the provider, too; what was written stays",
    ),
    "go_on": (
        "▶️ Go on",
        "an answer that was cut at its limit",
        "goes on with it in a new message, however old it is; only for who asked",
    ),
    "model": ("Models …", "/settings", "the models in use"),
    "models": (
        "Answers, Images, Videos, More, Back",
        "/model",
        "a page of the models of that kind",
    ),
    "use_model": (
        "a model's name, The studio's choice",
        "/model",
        "that model is used from now on",
    ),
    "join": (
        "Ask to join",
        "the sentence for somebody without an account",
        "that the admins are asked",
    ),
    "join_yes": ("Approve", "a request to join, in an admin's private chat", "that they are in"),
    "join_no": ("Decline", "the same", "that they are not"),
    "studio_set": (
        "a setting of the group or server",
        "/studio",
        "the page with the new setting; only for admins of the chat",
    ),
    "studio_ask": (
        "Models …, Budget …, Blocked words …, Quiet hours …, Roles …",
        "/studio",
        "a question whose answer is written; only for admins of the chat",
    ),
    "set": (
        "a language, a price, Hide, Show",
        "/settings",
        "the page with the new setting; only for its owner",
    ),
    "link_yes": ("Yes", "/link", "asks to confirm on the web"),
    "link_no": ("No", "/link", "the code is not valid any more"),
    "unlink_yes": ("Yes", "/unlink", "unlinks the chat"),
    "unlink_no": ("No", "/unlink, a guest's question about deleting", "everything stays as it is"),
    "export": ("⬇️ Download everything", "a guest's /privacy", "all that is held, as a zip"),
    "erase": ("🗑️ Delete everything", "a guest's /privacy", "asks once"),
    "erase_yes": ("Yes, delete it", "that question", "deletes all but the chat and what was spent"),
}
"""By action: the label of the button, its place, and the answer to a press."""

INSIDE = {"studio_write", "unreadable"}
"""Actions that adapters send by themselves, without a button."""

HEAD = """# Commands and buttons

Telegram, Discord and the terminal have the same commands. Plain text in a private chat, an answer
to the bot or a mention is a question. An answer to one of the bot's results says what should be
different. A picture goes with a command as its caption, or by answering it with the command.
`#k7m2pqx` behind a command names a result, `#k7m2pqx/2` its second picture. Errors, budgets and
other notes are for the sender alone where the platform can do that. In a group, somebody without an
account is answered once an hour.
"""


def page() -> str:
    lines = [HEAD, "## Commands", "", "| command | what it does | what it shows |", "|---|---|---|"]
    lines += [
        f"| {_usage(one)} | {one.description} | {SHOWS.get(one.name, '')} |" for one in COMMANDS
    ]
    lines += [
        "",
        *wrap(f"Also understood: {'; '.join(_aliases())}.", 100),
        "",
    ]
    lines += ["## Options", "", "| option | what it does | values | with |", "|---|---|---|---|"]
    lines += [
        f"| {_flags(option)} | {option.description} | {_values(option)} | {', '.join(where)} |"
        for option, where in _options()
    ]
    lines += ["", "## Buttons", "", "| button | on | what it shows |", "|---|---|---|"]
    lines += [f"| {label} | {where} | {shows} |" for label, where, shows in BUTTONS.values()]
    return "\n".join(lines) + "\n"


def _aliases() -> Iterator[str]:
    for name in dict.fromkeys(ALIASES.values()):
        others = ", ".join(f"`/{alias}`" for alias, meant in ALIASES.items() if meant == name)
        yield f"{others} for `/{name}`"


def _usage(command: Command) -> str:
    argument = (
        ""
        if command.argument is None
        else f" {command.argument}"
        if command.argument_required
        else f" [{command.argument}]"
    )
    return f"`/{command.name}{argument}`"


def _options() -> list[tuple[Option, list[str]]]:
    found: dict[Option, list[str]] = {}
    for command in COMMANDS:
        for option in command.options:
            found.setdefault(option, []).append(f"`/{command.name}`")
    return list(found.items())


def _flags(option: Option) -> str:
    return ", ".join(f"`--{flag}`" for flag in option.flags)


def _values(option: Option) -> str:
    if option.type == "number":
        return f"{option.least} to {option.most}"
    if option.type == "switch":
        return "nothing, or `--no-` before its name"
    if option.choices:
        return ", ".join(option.choices) + (
            "" if option.pattern == "|".join(option.choices) else ", and others"
        )
    return f"such as `{option.example}`"
