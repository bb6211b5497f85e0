import pytest

from api.catalog.schemas import ModelOut, PriceOut
from api.provider.schemas import Capabilities
from bots.core.commands.ask import MODEL
from bots.core.commands.image_video import IMAGE_OPTIONS, VIDEO_OPTIONS
from bots.core.options import Mistake, find_model, parse


def test_options_go_anywhere_and_leave_the_prompt() -> None:
    parsed = parse("a fox --ar 16:9 in snow --n 2 --seed=7 --size 1024x1024", {}, IMAGE_OPTIONS)
    assert parsed.prompt == "a fox in snow"
    assert parsed.options == {"aspect_ratio": "16:9", "n": 2, "seed": 7, "size": "1024x1024"}


def test_video_options() -> None:
    parsed = parse("waves --duration 8s --res 720p --audio --model veo", {}, VIDEO_OPTIONS)
    assert parsed.options == {
        "duration": 8,
        "resolution": "720p",
        "generate_audio": True,
        "model": "veo",
    }
    assert parse("waves --no-audio", {}, VIDEO_OPTIONS).options == {"generate_audio": False}


def test_values_may_be_quoted_also_by_phones() -> None:
    assert parse('a fox --no "text, people"', {}, IMAGE_OPTIONS).options == {
        "negative_prompt": "text, people"
    }
    assert parse("a fox --no “text, people” now", {}, IMAGE_OPTIONS).prompt == "a fox now"


def test_the_long_dash_of_phones_is_an_option_only_before_a_known_word() -> None:
    assert parse("a fox —ar 16:9", {}, IMAGE_OPTIONS).options == {"aspect_ratio": "16:9"}
    assert parse("a fox —as seen –today", {}, IMAGE_OPTIONS).prompt == "a fox —as seen –today"


def test_hyphens_in_prose_are_prose() -> None:
    text = "black-and-white fox -- in snow - 2--3 foxes"
    assert parse(text, {}, IMAGE_OPTIONS) == parse(text, {}, ())
    assert parse(text, {}, IMAGE_OPTIONS).prompt == text


def test_a_question_may_be_about_options() -> None:
    asked = parse("what does git rebase --onto main do? --model gpt", {}, (MODEL,), prose=True)
    assert (asked.prompt, asked.options) == (
        "what does git rebase --onto main do?",
        {"model": "gpt"},
    )


def test_lines_of_a_prompt_stay() -> None:
    assert parse("one\ntwo --n 2", {}, IMAGE_OPTIONS).prompt == "one\ntwo"


def test_native_options_are_checked_alike_and_typed_ones_win() -> None:
    native = {"n": "2", "seed": "7", "unknown": "x"}
    assert parse("a fox --seed 8", native, IMAGE_OPTIONS).options == {"n": 2, "seed": 8}
    with pytest.raises(Mistake, match=r"^n should be a number from 1 to 10, not “99”"):
        parse("a fox", {"n": "99"}, IMAGE_OPTIONS)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a fox --arr 16:9", "I don't know the option --arr. Did you mean --ar?"),
        (
            "a fox --zzz",
            (
                "I don't know the option --zzz. I know --model, --ar, --n, --size, --res, "
                "--quality, "
                "--seed, --no."
            ),
        ),
        ("a fox --ar", "The option --ar needs a value, such as --ar 16:9."),
        ("a fox --ar --n 2", "The option --ar needs a value, such as --ar 16:9."),
        ("a fox --ar wide", "--ar should be like 16:9, not “wide”."),
        ("a fox --n two", "--n should be a number from 1 to 10, not “two”."),
        ("a fox --n 0", "--n should be a number from 1 to 10, not “0”."),
        ("a fox --seed ²", "--seed should be a number from 0 to 2147483647, not “²”."),
        ("a fox --n 2 --n 3", "The option --n is there twice."),
        ("a fox --size big", "--size should be like 1024x1024, not “big”."),
        ("a fox --duration 8", "I don't know the option --duration. I know"),
    ],
)
def test_mistakes_are_told_exactly(text: str, sentence: str) -> None:
    with pytest.raises(Mistake) as caught:
        parse(text, {}, IMAGE_OPTIONS)
    assert str(caught.value).startswith(sentence)


def test_a_switch_takes_the_platforms_words() -> None:
    assert parse("x", {"generate_audio": "True"}, VIDEO_OPTIONS).options == {"generate_audio": True}
    assert parse("x", {"generate_audio": "false"}, VIDEO_OPTIONS).options == {
        "generate_audio": False
    }
    with pytest.raises(Mistake, match="on or off"):
        parse("x", {"generate_audio": "maybe"}, VIDEO_OPTIONS)


def _model(id_: str, name: str) -> ModelOut:
    return ModelOut(
        id=id_,
        name=name,
        kind="image",
        capabilities=Capabilities(),
        price=PriceOut(items=[], summary=""),
        default=False,
    )


MODELS = [
    _model("bfl/flux-2-klein", "FLUX.2 Klein"),
    _model("bfl/flux-2", "FLUX.2"),
    _model("x/seedream", "Seedream"),
]


@pytest.mark.parametrize(
    ("said", "id_"),
    [
        ("seed", "x/seedream"),
        ("Klein", "bfl/flux-2-klein"),
        ("flux.2", "bfl/flux-2"),
        ("BFL/flux-2", "bfl/flux-2"),
    ],
)
def test_a_model_is_found_by_what_people_call_it(said: str, id_: str) -> None:
    assert find_model(said, MODELS) == id_


def test_a_model_that_is_not_clear_is_asked_for() -> None:
    with pytest.raises(Mistake, match=r"“flux” could be FLUX\.2 Klein or FLUX\.2\."):
        find_model("flux", MODELS)
    assert find_model("flux", MODELS, elsewhere={"bfl/flux-2"}) == "bfl/flux-2-klein", (
        "the one that does only this"
    )
    with pytest.raises(Mistake, match="FLUX"):
        find_model("flux", MODELS, elsewhere={"bfl/flux-2", "bfl/flux-2-klein"})
    with pytest.raises(Mistake, match=r"“veo”\. There are: FLUX\.2 Klein, FLUX\.2, Seedream\."):
        find_model("veo", MODELS)
