"""Addresses of results, and the outbox as the bots see it."""

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, StringConstraints, model_validator

from api.generations.schemas import GenerationOut
from api.schemas import In, Out, Page, Platform, Time

DeliverySort = Literal["newest", "oldest", "tries", "due"]
State = Literal["pending", "done", "dead", "inbox"]
"""`inbox`: no chat took it, it waits on the web for its owner. `dead`: nobody can be told; an
operator sees it."""
FileKind = Literal["photo", "video", "document"]
DeliveryReason = Literal[
    "account_gone",
    "answered_elsewhere",
    "api_refused",
    "blocked_by_user",
    "bot_broke",
    "bot_removed",
    "bot_stopped",
    "channel_gone",
    "channel_hidden",
    "chat_gone",
    "chat_not_started",
    "direct_messages_closed",
    "earlier",
    "file_refused",
    "flood",
    "generation_deleted",
    "interaction_over",
    "message_gone",
    "moderated",
    "moved_by_operator",
    "no_permission",
    "no_shared_server",
    "not_sent_in_time",
    "platform_failed",
    "platform_unreachable",
    "request_refused",
    "restored",
    "retried_by_operator",
    "token_refused",
    "too_large",
    "topic_closed",
    "topic_gone",
    "unclear",
]
"""Why a chat did not take something, or what came between. `client/words` has the sentences.
`earlier`: from before reasons were kept, in words only."""
REASONS: frozenset[str] = frozenset(get_args(DeliveryReason))
SAID_MAX = 500


class GenerationCompleted(Out):
    """`generation` is as it stood at the claim, with fresh media links."""

    type: Literal["generation_completed"] = "generation_completed"
    generation: GenerationOut


class GenerationFailed(Out):
    """Failed, or cancelled: then nothing is said, and the waiting card is closed."""

    type: Literal["generation_failed"] = "generation_failed"
    generation: GenerationOut


class Notice(Out):
    """A fact to tell a chat: `code` names the sentence, `facts` fill it. Codes: `linked`
    {account_hint}, `link_conflict` {}, `unlinked` {account_hint}, `chat_unlinked` {platform, name},
    `link_refused` {platform, name, account_hint}, `broadcast` {text}, `report` {name, reason,
    short_id}, `join_asked` {id, name, platform, place}, `join_approved` and `join_declined` {name,
    language}, `budget_own_80`, `budget_own_100`, `budget_place_80` and `budget_place_100`
    {spent_usd, limit_usd}, `digest` {days, spent_usd, failed, waiting, undelivered}."""

    type: Literal["notice"] = "notice"
    code: str
    facts: dict[str, str] = Field(default_factory=dict)


Event = Annotated[GenerationCompleted | GenerationFailed | Notice, Field(discriminator="type")]


class AddressOut(Out):
    """`message_id` is the request to answer, `card_message_id` the waiting card to close; both may
    be missing."""

    platform: str
    chat_id: str
    thread_id: str | None = None
    message_id: str | None = None
    card_message_id: str | None = None
    user_name: str | None = None
    private: bool = False


class OpenCardsIn(In):
    """`known`: generations whose cards the caller has moved and not yet seen closed. `seconds`: the
    time for which the turn to move all others is the caller's."""

    known: list[Annotated[str, StringConstraints(max_length=36)]] = Field(
        default_factory=list, max_length=200
    )
    seconds: float = Field(default=4.0, ge=0.05, le=60.0)


class OpenCardOut(Out):
    """A waiting card and the generation that it is about. `language` is the owner's. `closed`: the
    result is shown, or nobody waits for one any more."""

    address: AddressOut
    generation: GenerationOut
    language: str | None = None
    closed: bool = False


class FileRef(Out):
    """The platform's own name of a file that it was given before as `kind`."""

    media_id: str
    kind: FileKind
    ref: str


class DeliveryOut(Out):
    """A leased outbox row. `attempt` starts at 1.

    `maybe_shown`: an earlier try had an unclear end, so this may be a second copy. `shown`: the
    result stands in the chat, only the waiting card is left to close. `moved`: the chat that asked
    did not take it, this is the owner's private chat. `language` is the place's or the
    owner's, `spoiler` the wish for groups of the owner or of the place. `quiet`: without a ring,
    for it is quiet there now. `refs` are files that the platform has already. `request_id` names
    the request that it answers, in the log.
    """

    id: str
    lease: str
    attempt: int
    address: AddressOut
    event: Event
    language: str | None = None
    spoiler: bool = False
    quiet: bool = False
    maybe_shown: bool = False
    shown: bool = False
    moved: bool = False
    refs: list[FileRef] = Field(default_factory=list)
    request_id: str | None = None


class BeginIn(In):
    """It is being sent from now on; the lease is good for another 60 seconds. `repeatable`: the
    platform shows it once, however often it is sent."""

    lease: str = Field(max_length=100)
    repeatable: bool = False


class LinkIn(In):
    lease: str = Field(max_length=100)


class FileRefIn(In):
    media_id: str = Field(max_length=64)
    kind: FileKind
    ref: str = Field(min_length=1, max_length=300)


class AckIn(In):
    """`card_open`: the result is shown, but the waiting card is not closed yet; another ack
    follows. `refs`: the platform's names of the files from now on."""

    lease: str = Field(max_length=100)
    message_ids: list[str] = Field(default_factory=list, max_length=20)
    card_open: bool = False
    refs: list[FileRefIn] = Field(default_factory=list, max_length=20)


class FailIn(In):
    """`final`: the chat can never take it. `uncertain`: it may have arrived. `retry_after`: seconds
    the platform asked to wait. `broke`: a defect of the bot's, no word of the platform. `untried`:
    nothing was tried, it goes back as it was; everything else has a reason. `said` has the
    platform's own words, for the operator."""

    lease: str = Field(max_length=100)
    reason: DeliveryReason | None = None
    said: str = Field(default="", max_length=SAID_MAX)
    retry_after: float | None = Field(default=None, ge=0, le=86_400)
    final: bool = False
    uncertain: bool = False
    broke: bool = False
    untried: bool = False

    @model_validator(mode="after")
    def _has_a_reason(self) -> Self:
        if self.reason is None and not self.untried:
            raise ValueError("a failed try has a reason")
        return self


class TryOut(Out):
    """An event of a delivery, `times` in a row. `outcome`: `failed` (tried again later), `final`
    (the chat can never take it), `uncertain` (it may have arrived), `broke` (a defect of the
    bot's), `lost` (the bot ended in the middle), `expired`, and what an operator did: `retry`,
    `to_dm`."""

    at: Time
    platform: str
    chat_id: str
    private: bool
    outcome: Literal["failed", "final", "uncertain", "broke", "lost", "expired", "retry", "to_dm"]
    reason: DeliveryReason
    said: str = ""
    times: int = 1


class DeliveryRowOut(Out):
    """An outbox row as an operator sees it. `leased`: a bot is showing it right now. `reason` and
    `said`, the platform's own words, are the last ones. `notice` is the code of a notice, None for
    results; `short_id` and `kind` are the generation's."""

    id: str
    state: State
    event: str
    notice: str | None
    generation_id: str | None
    short_id: str | None
    kind: str | None
    user_id: str | None
    user: str | None
    """E-mail address or name of the owner."""
    platform: str
    chat_id: str
    private: bool
    moved: bool
    attempt: int
    leased: bool
    maybe_shown: bool
    reason: DeliveryReason | None
    said: str
    trail: list[TryOut]
    due_at: Time
    created_at: Time
    done_at: Time | None


class ToDmIn(In):
    """Without a platform: the one it was meant for."""

    platform: Platform | None = None


class SendIn(In):
    """The choice of one of the caller's linked chats; `platform_user_id` where there is more than
    one on the platform."""

    platform: Platform
    platform_user_id: str | None = Field(default=None, max_length=64)


class SentOut(Out):
    """`chat` is the name of the chat identity it goes to."""

    delivery_id: str
    platform: str
    chat: str


class InboxItemOut(Out):
    """A result or notice that no chat took. `event` is what the bots get, with fresh media links.
    `reason` says why the last try failed, `said` in the platform's own words; `maybe_shown`: it may
    stand in the chat all the same."""

    id: str
    event: Event
    platform: str
    reason: DeliveryReason | None
    said: str
    maybe_shown: bool
    read: bool
    created_at: Time


class InboxOut(Page[InboxItemOut]):
    """Newest first. `unread` counts all of them, not only this page."""

    unread: int
