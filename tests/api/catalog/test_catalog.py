"""The catalogue while the provider's lists change: vanished and kept models, and search by a few
words."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from api.background import Background
from api.catalog.schemas import NewModelIn
from api.catalog.service import Catalog, model_out
from api.db import Db
from api.errors import ModelUnavailable
from api.metrics import Metrics
from api.provider.types import ImageRoute, ModelInfo, ProviderError
from api.wake import Wake
from tests.api.catalog.samples import GPT_IMAGE, KLEIN, MINI, VEO, WAN, price


class Lists:
    """A source whose lists the test sets; None makes it unreachable."""

    def __init__(self, *infos: ModelInfo, sandbox: bool = False) -> None:
        self.infos: tuple[ModelInfo, ...] | None = infos
        self.asked = asyncio.Event()
        self.served = asyncio.Event()
        self.sandbox = sandbox

    @property
    def is_sandbox(self) -> bool:
        return self.sandbox

    async def models(self) -> Sequence[ModelInfo]:
        self.asked.set()
        if self.infos is None:
            raise ProviderError("provider_unavailable", "unreachable", outcome="not_sent")
        self.served.set()
        return self.infos

    def guess_route(self, model: str) -> ImageRoute:
        return "chat" if "flux" in model else "generations"


async def opened(db: Db, provider: Lists) -> Catalog:
    catalog = Catalog(db, provider, Wake())
    await catalog.load()
    await catalog.refresh()
    return catalog


def ids_of(catalog: Catalog) -> list[str]:
    return [model.id for model in catalog.list_models()]


async def test_lists_come_with_one_default_for_each_kind(db: Db) -> None:
    catalog = await opened(db, Lists(MINI, GPT_IMAGE, KLEIN, VEO, WAN))
    assert ids_of(catalog) == [MINI.id, KLEIN.id, GPT_IMAGE.id, VEO.id, WAN.id]
    assert [model.is_default for model in catalog.list_models()] == [True, True, False, True, False]
    assert catalog.resolve("image").info == KLEIN
    assert catalog.list_models("video")[1].info == WAN


async def test_the_cheapest_is_the_default_where_none_is_preferred(db: Db) -> None:
    dear, cheap = (
        replace(GPT_IMAGE, id=f"a/{usd}", price=price(("output_image", "image", usd)))
        for usd in ("0.3", "0.2")
    )
    unknown = replace(GPT_IMAGE, id="a/0", price=None)
    catalog = await opened(db, Lists(unknown, dear, cheap))
    assert catalog.resolve("image").id == "a/0.2"


async def test_a_price_that_cannot_be_read_keeps_the_old_one(db: Db) -> None:
    provider = Lists(GPT_IMAGE)
    catalog = await opened(db, provider)
    provider.infos = (replace(GPT_IMAGE, name="Renamed", price=None, price_read=False),)
    await catalog.refresh()
    seen = (catalog.resolve("image").info.price, catalog.resolve("image").name)
    assert seen == (GPT_IMAGE.price, "Renamed")
    provider.infos = (replace(GPT_IMAGE, price=None),)
    await catalog.refresh()
    assert catalog.resolve("image").info.price is None, (
        "one that is read and not there is not there"
    )


async def test_models_stay_while_the_provider_is_away_and_after_a_restart(db: Db) -> None:
    provider = Lists(MINI, KLEIN)
    catalog = await opened(db, provider)
    provider.infos = None
    with pytest.raises(ProviderError):
        await catalog.refresh()
    assert ids_of(catalog) == [MINI.id, KLEIN.id]
    again = Catalog(db, provider, Wake())
    await again.load()
    assert ids_of(again) == [MINI.id, KLEIN.id]
    assert again.resolve("text").info == MINI


async def test_empty_lists_are_not_believed(db: Db) -> None:
    provider = Lists(MINI)
    catalog = await opened(db, provider)
    provider.infos = ()
    with pytest.raises(ProviderError):
        await catalog.refresh()
    assert ids_of(catalog) == [MINI.id]


async def test_a_vanished_model_is_hidden_and_the_default_heals(db: Db) -> None:
    provider = Lists(KLEIN, GPT_IMAGE)
    catalog = await opened(db, provider)
    provider.infos = (GPT_IMAGE,)
    await catalog.refresh()
    assert catalog.resolve("image").info == GPT_IMAGE
    with pytest.raises(
        ModelUnavailable, match=r"There is no image model “black-forest-labs/flux.2-klein-4b”"
    ):
        catalog.resolve("image", KLEIN.id)
    provider.infos = (GPT_IMAGE, KLEIN)
    await catalog.refresh()
    assert catalog.resolve("image", "klein").info == KLEIN


async def test_new_prices_and_names_arrive_and_the_operators_decisions_stay(db: Db) -> None:
    provider = Lists(KLEIN, GPT_IMAGE)
    catalog = await opened(db, provider)
    await db.execute(
        "UPDATE models SET enabled = FALSE, price_override_micro = 5 WHERE id = $1", GPT_IMAGE.id
    )
    changed = replace(GPT_IMAGE, name="New name", price=price(("output_image", "image", "9")))
    provider.infos = (KLEIN, changed)
    await catalog.refresh()
    row = await db.fetch_one(
        "SELECT name, enabled, price_override_micro FROM models WHERE id = $1", GPT_IMAGE.id
    )
    assert row is not None
    assert tuple(row.values()) == ("New name", False, 5)
    assert ids_of(catalog) == [KLEIN.id]
    with pytest.raises(ModelUnavailable, match="switched New name off"):
        catalog.resolve("image", GPT_IMAGE.id)


@pytest.mark.parametrize(
    "words", [VEO.id, "Google/VEO-3.1-FAST", "veo 3.1 fast", "veo-3.1-fast", "veo", "fast"]
)
async def test_a_few_words_name_a_model(db: Db, words: str) -> None:
    catalog = await opened(db, Lists(MINI, VEO, WAN))
    assert catalog.resolve("video", words).info == VEO


async def test_words_that_fit_several_mean_the_default_or_are_asked_back(db: Db) -> None:
    pro, lite = (
        replace(VEO, id=f"google/veo-3.1-{end}", name=f"Veo 3.1 {end}") for end in ("pro", "lite")
    )
    catalog = await opened(db, Lists(VEO, pro, lite))
    assert catalog.resolve("video", "veo").id == "google/veo-3.1-lite"
    for model in (pro, VEO):
        assert catalog.resolve("video", model.id).info == model
    provider = Lists(
        replace(KLEIN, id="a/flux-1", name="F1"),
        replace(KLEIN, id="a/flux-2", name="F2"),
        replace(KLEIN, id="b/0", name="0"),
    )
    await db.execute("DELETE FROM models")
    several = await opened(db, provider)
    await db.execute("UPDATE models SET is_default = (id = 'b/0')")
    await several.refresh()
    with pytest.raises(
        ModelUnavailable,
        match=r"called “flux”. Please say which one. Possible: a/flux-1, a/flux-2",
    ):
        several.resolve("image", "flux")


async def test_a_wrong_kind_and_an_unknown_model_say_what_to_take(db: Db) -> None:
    catalog = await opened(db, Lists(MINI, KLEIN))
    with pytest.raises(
        ModelUnavailable, match=r"GPT-5 Mini makes text, not image. Possible: black-forest-labs"
    ):
        catalog.resolve("image", MINI.id)
    with pytest.raises(ModelUnavailable, match="There is no image model “nobody/nothing”"):
        catalog.resolve("image", "nobody/nothing")
    with pytest.raises(ModelUnavailable, match="There is no video model yet"):
        catalog.resolve("video")


async def test_without_any_list_an_image_model_is_guessed(db: Db) -> None:
    catalog = Catalog(db, Lists(), Wake())
    await catalog.load()
    assert catalog.resolve("image", "black-forest-labs/flux.2-pro").info.route == "chat"
    guessed = catalog.resolve("image", "openai/dall-e-3")
    assert (guessed.info.route, guessed.info.price, guessed.listed) == ("generations", None, False)
    with pytest.raises(ModelUnavailable):
        catalog.resolve("image", "dall-e")


async def test_the_sandbox_offers_a_model_that_no_list_has(db: Db) -> None:
    provider = Lists(KLEIN, sandbox=True)
    catalog = await opened(db, provider)
    await catalog.refresh()
    found = catalog.resolve("image", "dall-e-3")
    seen = (found.id, found.info.route, found.price_override_micro)
    assert seen == ("openai/dall-e-3", "generations", 80_000)
    assert catalog.resolve("image").info == KLEIN


async def test_an_operator_adds_a_model_by_hand(db: Db) -> None:
    catalog = await opened(db, Lists(KLEIN))
    await catalog.add(
        NewModelIn(id="own/painter", kind="image", price_override_usd=Decimal("0.03")), "admin"
    )
    assert model_out(catalog.resolve("image", "painter")).price.summary == "$0.03 an image"


async def test_it_refreshes_at_once_and_again_soon_while_the_provider_is_away(db: Db) -> None:
    provider = Lists()
    provider.infos = None
    catalog = Catalog(db, provider, Wake())
    background = Background(Metrics())
    background.add("models", catalog.keep_fresh, least=0.01)
    await provider.asked.wait()
    provider.infos = (MINI,)
    await provider.served.wait()
    await catalog.refreshed.wait()
    await background.close()
    assert ids_of(catalog) == [MINI.id]
