"""A scripted day in one chat: a question, pictures by each of the provider's routes, and a video,
one after another."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, NamedTuple

from bots.core import texts
from tests.fakes.discord import FakeDiscord
from tests.fakes.discord_driver import Scene as DiscordScene
from tests.fakes.telegram import FakeTelegram
from tests.fakes.telegram import Scene as TelegramScene
from tests.topology.crowd import Ask, Kind

Platform = Literal["telegram", "discord"]
KLEIN = "black-forest-labs/flux.2-klein-4b"
SEEDREAM = "bytedance-seed/seedream-4.5"
DALLE = "openai/dall-e-3"
VIDEO = "kwaivgi/kling-v3.0-std"
ANSWERED_WITHIN = 70.0
"""Seconds for one command: a call that hangs, and another try. A video that the operator decides
about is answered later."""
_CANCEL = texts.cancel_button()


class Command(NamedTuple):
    kind: Kind
    model: str | None = None


DAY = (
    Command("text"),
    Command("image", SEEDREAM),
    Command("image", KLEIN),
    Command("image", DALLE),
    Command("video", VIDEO),
)


@dataclass
class Day:
    """`name` stands in all its prompts, and `number` makes a chat of its own. `waits`: those of
    commands that were not answered in time, to be called again. `twice`: the command that the
    platform brings twice."""

    platform: Platform
    number: int
    commands: tuple[Command, ...] = DAY
    twice: int | None = None
    asks: list[Ask] = field(default_factory=list)
    waits: list[Callable[[float], Awaitable[object]]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"day {self.number:05d} "

    @property
    def chat(self) -> str:
        return str(600_000_000 + self.number)

    async def live(self, telegram: FakeTelegram, discord: FakeDiscord) -> None:
        for turn, command in enumerate(self.commands):
            ask = Ask(f"{self.name}{turn}", command.kind, (self.platform, self.chat))
            self.asks.append(ask)
            repeated = turn == self.twice
            answered: Callable[[float], Awaitable[object]]
            if self.platform == "telegram":
                answered = partial(telegram.until, self._telegram(command, ask, telegram, repeated))
            else:
                answered = partial(discord.until, self._discord(command, ask, discord, repeated))
            try:
                await answered(ANSWERED_WITHIN)
            except AssertionError:
                self.waits.append(answered)

    def _telegram(
        self, command: Command, ask: Ask, fake: FakeTelegram, repeated: bool
    ) -> Callable[[TelegramScene], bool]:
        chat = int(self.chat)
        verb = "ask" if command.kind == "text" else command.kind
        model = f" --model {command.model}" if command.model else ""
        ask.message = str(fake.user_says(chat, chat, f"/{verb} {ask.marker}{model}"))
        if repeated:
            fake.again()

        def over(scene: TelegramScene) -> bool:
            shown = scene.by_bot(chat)
            if any(one.file and ask.marker in one.text for one in shown):
                return True
            words = [one.text for one in shown if one.message_id > int(ask.message)]
            return _final(words) and not any(_CANCEL in one.buttons for one in shown)

        return over

    def _discord(
        self, command: Command, ask: Ask, fake: FakeDiscord, repeated: bool
    ) -> Callable[[DiscordScene], bool]:
        verb, option = ("ask", "question") if command.kind == "text" else (command.kind, "prompt")
        options = {option: ask.marker} | ({"model": command.model} if command.model else {})
        ask.message = fake.slash(self.chat, self.chat, verb, options)
        if repeated:
            fake.again()

        def over(scene: DiscordScene) -> bool:
            shown = [one for one in scene.by_bot(self.chat) if not one.loading]
            if any(one.attachments and ask.marker in one.text for one in shown):
                return True
            words = [one.text for one in shown if int(one.id) > int(ask.message)]
            return _final(words) and not any(_CANCEL in one.buttons for one in shown)

        return over


def _final(words: list[str]) -> bool:
    """Tell whether the last of some messages is an answer, and no sign of work."""
    words = [each for each in words if each not in {"", texts.still_waiting()}]
    return bool(words) and not words[-1].endswith("…")
