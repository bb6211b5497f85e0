from hypothesis import given
from hypothesis import strategies as st

from bots.core.splitting import shorten, split, utf16_units

TEXTS = st.text(alphabet=st.sampled_from("ab cé😀\n"), max_size=200)


@given(TEXTS, st.integers(min_value=2, max_value=40))
def test_no_part_is_too_long_and_nothing_but_space_is_lost(text: str, limit: int) -> None:
    parts = split(text, limit, utf16_units)
    assert all(0 < utf16_units(part) <= limit for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())


def test_a_text_that_fits_stays_whole() -> None:
    assert split("one\n\ntwo", 8) == ["one\n\ntwo"]
    assert split("  \n ", 8) == []


def test_cuts_between_paragraphs_before_lines_before_words() -> None:
    assert split("first part\n\nsecond line\nx", 15) == ["first part", "second line\nx"]
    assert split("first line\nsecond word", 14) == ["first line", "second word"]
    assert split("several words here", 13) == ["several words", "here"]
    assert split("abcdefghij", 4) == ["abcd", "efgh", "ij"]


def test_a_cut_that_wastes_more_than_half_a_message_is_not_taken() -> None:
    assert split("a\n\nbbbb bbbb bbbb", 12) == ["a\n\nbbbb bbbb", "bbbb"]


def test_keeps_the_indentation_of_the_next_part() -> None:
    assert split("def f():\n    return 1", 10) == ["def f():", "    return", "1"]


def test_counts_as_the_platform_does() -> None:
    assert utf16_units("a😀") == 3
    assert split("😀😀😀", 4, utf16_units) == ["😀😀", "😀"]


def test_shorten_cuts_at_a_word_and_keeps_one_line() -> None:
    assert shorten("a fox\nin snow", 20) == "a fox in snow"
    assert shorten("a fox in deep snow", 13) == "a fox in…"
    assert shorten("abcdefghij", 5) == "abcd…"
