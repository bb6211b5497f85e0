"""Where a result goes, and the outbox as the bots see it."""

from typing import Annotated, Literal

from pydantic import Field

from api.generations.schemas import GenerationOut
from api.schemas import In, Out


class GenerationCompleted(Out):
    """`generation` is as it stood at the claim, with fresh media links."""

    type: Literal["generation_completed"] = "generation_completed"
    generation: GenerationOut


class GenerationFailed(Out):
    """Failed, or cancelled: then there is nothing to say, but the waiting card is to be closed."""

    type: Literal["generation_failed"] = "generation_failed"
    generation: GenerationOut


class Notice(Out):
    """A fact to tell a chat: `code` names the sentence, `facts` fill it. Codes: `linked` {account_hint}, `link_conflict` {}, `unlinked`
    {account_hint}, `chat_unlinked` {platform, name}, `link_refused` {platform, name, account_hint}."""

    type: Literal["notice"] = "notice"
    code: str
    facts: dict[str, str] = Field(default_factory=dict)


Event = Annotated[GenerationCompleted | GenerationFailed | Notice, Field(discriminator="type")]


class AddressOut(Out):
    """`message_id` is the request to answer, `card_message_id` the waiting card to close; both may be missing."""

    platform: str
    chat_id: str
    thread_id: str | None = None
    message_id: str | None = None
    card_message_id: str | None = None
    user_name: str | None = None
    private: bool = False


class DeliveryOut(Out):
    """A leased outbox row. `attempt` starts at 1; above 1 an earlier try may have shown it already."""

    id: str
    lease: str
    attempt: int
    address: AddressOut
    event: Event


class AckIn(In):
    lease: str = Field(max_length=64)
    message_ids: list[str] = Field(default_factory=list, max_length=20)


class FailIn(In):
    """`final`: the chat can never take it. `uncertain`: it may have arrived. `retry_after`: seconds the platform asked to wait."""

    lease: str = Field(max_length=64)
    reason: str = Field(max_length=500)
    retry_after: float | None = Field(default=None, ge=0, le=86_400)
    final: bool = False
    uncertain: bool = False
