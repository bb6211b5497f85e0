"""Formulas become plain signs; prose, money, addresses and code stay as they are."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bots.core.formulas import readable
from bots.discord.markdown import markdown_parts
from bots.telegram.markup import from_markdown

READABLE = {
    r"$x^{n+1}$": "xⁿ⁺¹",
    r"$\frac{a+b}{c}$": "(a+b)/c",
    r"$x = \frac{-b \pm \sqrt{b^2-4ac}}{2a}$": "x = (-b ± √(b²-4ac))/(2a)",
    r"$$\sum_{i=1}^n i = \frac{n(n+1)}{2}$$": "∑ᵢ₌₁ⁿ i = (n(n+1))/2",
    r"\(\int_0^1 f(x)\,dx\)": "∫₀¹ f(x) dx",
    r"\[ E = mc^2 \]": "E = mc²",
    r"$e^{i\pi}+1=0$": "e^(iπ)+1=0",
    r"$\mathbb{R}^n \to \mathbb{R}$": "ℝⁿ → ℝ",
    r"$\vec{F} = m\vec{a}$": "F⃗ = ma⃗",
    r"$\left(\frac12\right)$": "(1/2)",
    r"$\{1,2\}$, $10^{-3}$ and $90^\circ$": "{1,2}, 10⁻³ and 90°",
    r"$f'(x) = 2x$": "f′(x) = 2x",
    r"$$\begin{aligned}a &= b \\ c &= d\end{aligned}$$": "a = b\nc = d",
}
KEPT = (
    "It costs $5 and $6, or $5-$6.",
    "Between $2k-3k$ and US$ 5, $10m and 20$.",
    "echo $HOME and $PATH, $HOME/$USER, ${X}_$Y",
    "```\n$x^2$\n```",
    "~~~tex\n\\(x^2\\)\n~~~",
    "```\n$x^2$",
    "Write `$x^2$` or ``\\(a_1\\)``.",
    "So:\n\n    $x^2$ = y\n",
    "https://example.org/?a=$x^2$",
    "\\[not a link\\](https://example.org)",
    "A price of \\$5 and \\$6.",
)


@pytest.mark.parametrize("source", READABLE)
def test_a_formula_is_written_in_plain_signs(source: str) -> None:
    assert from_markdown(readable(source)).text == READABLE[source]


@pytest.mark.parametrize("text", KEPT)
def test_what_is_no_formula_stays(text: str) -> None:
    assert readable(text) == text


def test_what_would_lose_something_stays_as_code() -> None:
    assert readable(r"so $\binom{n}{k}$ ways") == r"so `\binom{n}{k}` ways"
    matrix = r"\begin{pmatrix}1&2\\3&4\end{pmatrix}"
    assert readable(f"Then\n$$\n{matrix}\n$$") == f"Then\n\n```latex\n{matrix}\n```\n"


def test_both_platforms_show_it() -> None:
    text = r"Then $a * b_1 \leq |x|$, for `$a$`."
    assert from_markdown(text).text == "Then a * b₁ ≤ |x|, for $a$."
    assert markdown_parts(text, 2000) == [r"Then a \* b₁ ≤ \|x\|, for `$a$`."]


words = st.lists(
    st.text(st.characters(categories=["L", "N", "P", "Zs"], exclude_characters="$\\"), min_size=1)
)
amounts = st.tuples(st.integers(0, 10**6), st.sampled_from(["", " ", ".50", "k", "-", ","]))


@settings(max_examples=150, deadline=None)
@given(words)
def test_prose_is_untouched(said: list[str]) -> None:
    text = " ".join(said)
    assert readable(text) == text


@settings(max_examples=150, deadline=None)
@given(
    st.lists(amounts, min_size=1, max_size=6), st.sampled_from([" and ", ", ", "-", " to ", "/"])
)
def test_money_is_untouched(prices: list[tuple[int, str]], between: str) -> None:
    text = between.join(f"${amount}{behind}" for amount, behind in prices)
    assert readable(text) == text


@settings(max_examples=150, deadline=None)
@given(st.text(st.sampled_from("$\\()[]{}^_x1 \nab&~-frac'"), max_size=60))
def test_anything_in_a_block_of_code_is_untouched_and_nothing_breaks(source: str) -> None:
    code = f"```\n{source}\n```"
    assert readable(code) == code
    readable(source)
    readable(f"$${source}$$ and \\({source}\\)")
