"""Commands: values in, values out."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from bots.core.language import translated
from bots.core.options import Option
from bots.core.types import Inbound, Limits, Reply
from client.bot import BotApi
from client.person import UserApi
from client.schemas import Kind
from client.words.language import N_

Replies = AsyncGenerator[Reply, None]


@dataclass(frozen=True, slots=True)
class Context:
    """The services that a command may ask. `user` acts for the sender, `bot` only for linking.
    `public_url` is the web's address, when known; `limits` are the chat's."""

    bot: BotApi
    user: UserApi
    commands: "tuple[Command, ...]"
    limits: Limits

    @property
    def public_url(self) -> str | None:
        return self.bot.public_url


@dataclass(frozen=True, slots=True)
class Command:
    """`run` yields replies; each one replaces the message of the one before, except a `fresh` one.

    `argument` names the text behind the command, `options` are its options, `image` and `file`: an
    attached image or document is used. An adapter with native options offers all four.
    `private_only`: offer it only in a private chat. `secret`: its answers are for the sender only.
    `slow`: worth a sign of life. `personal`: nobody else may read the answer; where the person
    can't be reached alone, there is none. `listed`: shown in menus and in the help. `asks`: its
    first reply may be an `ask`, which some platforms take only as the very first answer.
    `on_message`: its title in the menu of a message, where a platform has those; that message is
    then `Inbound.quoted`. `argument_models`: the argument is the name of a model of these kinds.
    `afresh`: its replies leave the message alone whose button was pressed. `description` and
    `argument_description` are English; show `described(language)` and the like, with the keys of
    `LANGUAGES`.
    """

    name: str
    description: str
    run: Callable[[Inbound, Context], Replies]
    argument: str | None = None
    argument_description: str = ""
    argument_required: bool = False
    options: tuple[Option, ...] = ()
    image: bool = False
    file: bool = False
    private_only: bool = False
    secret: bool = False
    personal: bool = False
    slow: bool = False
    listed: bool = True
    asks: bool = False
    on_message: str = ""
    argument_models: tuple[Kind, ...] = ()
    afresh: bool = False

    def described(self, language: str) -> str:
        return translated(self.description, language)

    def argument_described(self, language: str) -> str:
        return translated(self.argument_description, language)

    def on_message_described(self, language: str) -> str:
        return translated(self.on_message, language)

    def image_described(self, language: str) -> str:
        """The description of the attached image, for a command with `image`."""
        return translated(N_("An image to start from"), language)

    def file_described(self, language: str) -> str:
        """The description of the attached file, for a command with `file`."""
        return translated(N_("A PDF, DOCX, CSV, text or code to ask about"), language)
