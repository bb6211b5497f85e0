"""Bodies and answers about how long things are kept."""

from typing import Annotated, Literal

from pydantic import Field

from api.schemas import In, Out, Time

Kept = Literal["generations", "uploads", "conversations", "audit", "trash"]

Days = Annotated[int, Field(ge=1, le=3650)]


class RetentionIn(In):
    """Days after which things are deleted; null: never. `media_days`: images and videos from their
    end, except favourites and what an open link shares, and pictures that were sent along from
    their last use, once nothing uses them any more. `conversations_days` counts from the last
    message. `trash_days`: files without an owner, 30 days when it is null."""

    media_days: Days | None
    conversations_days: Days | None
    audit_days: Annotated[int, Field(ge=30, le=3650)] | None
    trash_days: Annotated[int, Field(ge=1, le=30)] | None


class RetentionOut(Out):
    media_days: int | None = None
    conversations_days: int | None = None
    audit_days: int | None = None
    trash_days: int | None = None


class DueOut(Out):
    """Things of one kind that are due, with their size where it is known, and the oldest of
    them. `kept`: as old ones that stay, because they are favourites or shared."""

    kind: Kept
    count: int
    bytes: int | None
    oldest: Time | None
    kept: int = 0


class PreviewOut(Out):
    """Things that would be deleted now. A kind that is kept for ever is left out."""

    items: list[DueOut]


class KeptDaysOut(Out):
    """Days for which members' things are kept; null: until they are deleted by hand."""

    media_days: int | None
    conversations_days: int | None
