"""Formulas of a model's Markdown as plain signs: LaTeX becomes Unicode where nothing is lost, and
stays as code where something would be. For adapters that show Markdown.

`pylatexenc` reads the LaTeX and knows the signs. Its own way of writing them loses the extent of
powers and fractions (`x^{n+1}` would be `x^n+1`), so these are written here.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

_CODE = re.compile(
    r"^(?P<fence> {0,3}(?P<mark>`{3,}|~{3,})[^\n]*(?:\n.*?(?:^ {0,3}(?P=mark)[`~]*[ \t]*$|\Z)|\Z))"
    r"|(?P<ticks>`+)(?!`).{1,2000}?(?<!`)(?P=ticks)(?!`)"
    r"|(?<=\n\n)(?:(?: {4}|\t)[^\n]*(?:\n|\Z))+"
    r"|https?://\S+",
    re.MULTILINE | re.DOTALL,
)
"""Parts that stay as they are: code, and addresses."""
_FORMULA = re.compile(
    r"(?<!\\)\$\$(?P<dollars>(?:[^$]|\\\$){1,2000}?)\$\$"
    r"|(?<!\\)\\\[(?P<square>.{1,2000}?)(?<!\\)\\\]"
    r"|(?<!\\)\\\((?P<round>.{1,2000}?)(?<!\\)\\\)"
    r"|(?<![\w$\\])\$(?=[^\s$])(?P<inline>(?:[^$\n\\]|\\[^\n]){1,1000}?)(?<!\s)\$(?![\w$])",
    re.DOTALL,
)
_LATEX = re.compile(r"\\[A-Za-z{}]|[\^_]")
_TERM = re.compile(r"-?\d*[A-Za-z]{1,2}\d?'*")
_NAMES = re.compile(r"\b(?:sin|cos|tan|log|exp|min|max|gcd|mod|det|dim|ker|lim|sup|inf)\b")
_WORD = re.compile(r"[^\W\d_]{3,}")
_AMOUNT = re.compile(r"^\s*[\d.,]+\s?(?:[kKmMbB]|bn)?\b(?!\s*[=<>+*/^\\])")
_SIGNS = re.compile(r"[=<>+*/()|'-]")
_ESCAPED = re.compile(r"[\\`*_\[\]|]")
_LINE_START = re.compile(r"^(?=[-+#>])", re.MULTILINE)
_SIMPLE = re.compile(r"\d+(?:\.\d+)?|[^\W\d_][′⁰¹²³⁴-⁹₀-₉ᵢⱼₙₘₖ]*")
_INDEX = re.compile(r"\w+")
_SUPER = dict(
    zip(
        "0123456789+-=()abcdefghijklmnoprstuvwxyzβγδθφ′* ",
        "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻᵝᵞᵟᶿᵠ′* ",
        strict=True,
    )
) | {"T": "ᵀ", "°": "°", "∘": "°"}
_SUB = dict(
    zip("0123456789+-=()aehijklmnoprstuvx ", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ ", strict=True)
)
_BRACKET = "\0"
"""A mark behind which a dot is a bracket that is not there."""
_SIZES = ("big", "Big", "bigg", "Bigg")
_LEFT_OUT = ("displaystyle", "limits", "nolimits", "!", *_SIZES)
_SPACES = {**dict.fromkeys(",;:> ", " "), "quad": "  ", "qquad": "  ", "\\": "\n"}
_FIXED = dict.fromkeys([*_LEFT_OUT, *(f"{one}{side}" for one in _SIZES for side in "lrm")], "")
_FIXED |= _SPACES | {one: one for one in "%${}_#&"} | {"left": _BRACKET, "right": _BRACKET}
_AS_TEXT = {"text", "mathrm", "mathbf", "mathit", "mathsf", "textbf", "textit", "textrm", "boxed"}
_AS_TEXT |= {"operatorname", "boldsymbol", "mathtt", "mbox", "bm"}
_BY_LIBRARY = {"mathbb", "mathcal", "mathfrak", "mathscr"}
_MARKED = {"vec": "\u20d7", "hat": "\u0302", "bar": "\u0304", "tilde": "\u0303", "dot": "\u0307"}
_MARKED |= {"ddot": "\u0308", "overline": "\u0304"}
_LINES = {"align", "align*", "aligned", "gather", "gather*", "gathered", "equation", "equation*"}
_OWN_NAMES = {"implies": "⟹", "iff": "⟺", "lVert": "‖", "rVert": "‖", "lvert": "|", "rvert": "|"}
_OWN_NAMES |= {"dots": "…", "ldots": "…", "cdots": "⋯", "mid": "|", "to": "→", "gets": "←"}


class _Lost(Exception):
    """Something would be lost in plain signs."""


def readable(markdown: str) -> str:
    """The Markdown with its formulas as plain signs. Code, addresses and amounts of money stay as
    they are."""
    if "$" not in markdown and "\\(" not in markdown and "\\[" not in markdown:
        return markdown
    made, place = [], 0
    for code in _CODE.finditer(markdown):
        made += [_FORMULA.sub(_written, markdown[place : code.start()]), code[0]]
        place = code.end()
    return "".join([*made, _FORMULA.sub(_written, markdown[place:])])


def _written(found: re.Match[str]) -> str:
    source = next(one for one in found.groups() if one is not None).strip()
    if not source or not _is_formula(source, strict=found["inline"] is not None):
        return found[0]
    display = found["dollars"] is not None or found["square"] is not None
    try:
        return _LINE_START.sub(r"\\", _ESCAPED.sub(r"\\\g<0>", _plain(source)))
    except (_Lost, RecursionError):
        pass
    if "`" in source:
        return found[0]
    line_start = found.string.rfind("\n", 0, found.start()) + 1
    alone = not found.string[line_start : found.start()].strip()
    if display and alone:
        return f"\n```latex\n{source}\n```\n"
    return f"`{' '.join(source.split())}`"


def _is_formula(source: str, *, strict: bool) -> bool:
    """Whether it is more than prose with dollars or brackets around it."""
    if "\\" in source and _LATEX.search(source):
        return True
    bare = _NAMES.sub("", re.sub(r"\{[^{}]*\}", "", source))
    if _WORD.search(bare) or not re.search(r"[^\W\d_]", source):
        return "^" in source or (not strict and "=" in source)
    if strict and _AMOUNT.match(source):
        return False
    signs = _LATEX.search(source) or _SIGNS.search(source) or _TERM.fullmatch(source)
    return signs is not None


def _plain(source: str) -> str:
    """Raises `_Lost`."""
    from pylatexenc.latexwalker import LatexWalker, LatexWalkerError

    try:
        nodes, _, _ = LatexWalker(source, tolerant_parsing=False).get_latex_nodes()
    except LatexWalkerError as error:
        raise _Lost from error
    lines = (" ".join(line.split()) for line in _text(nodes).split("\n"))
    text = "\n".join(line for line in lines if line)
    if not text:
        raise _Lost
    return text


def _text(nodes: list[Any]) -> str:
    """The signs of some nodes. A power or index belongs to whatever follows it."""
    made: list[str] = []
    pieces = _pieces(nodes)
    for piece in pieces:
        if isinstance(piece, str) and piece in "^_":
            operand = next(pieces, None)
            while isinstance(operand, str) and operand == " ":
                operand = next(pieces, None)
            if operand is None:
                raise _Lost
            made.append(_script(piece, _one(operand)))
        elif made and made[-1] == _BRACKET and isinstance(piece, str) and piece == ".":
            made.pop()  # `\left.`: a bracket that is not there
        else:
            one = _one(piece)
            if made and made[-1] == _BRACKET and one:
                made.pop()
            made.append(one)
    return "".join(made).replace(_BRACKET, "")


def _pieces(nodes: list[Any]) -> Iterator[Any]:
    """Single characters, and nodes that are no characters."""
    for node in nodes:
        if type(node).__name__ == "LatexCharsNode":
            yield from node.chars
        else:
            yield node


def _one(piece: Any) -> str:
    if isinstance(piece, str):
        return {"'": "′", "\n": " "}.get(piece, piece)
    match type(piece).__name__:
        case "LatexGroupNode":
            inner = _text(piece.nodelist)
            return inner if piece.delimiters[0] == "{" else inner.join(piece.delimiters)
        case "LatexMacroNode":
            return _macro(piece)
        case "LatexSpecialsNode" if piece.specials_chars in ("~", "&"):
            return " " if piece.specials_chars == "~" else ""
        case "LatexSpecialsNode" if piece.specials_chars == "''":
            return "″"
        case "LatexEnvironmentNode" if piece.environmentname in _LINES:
            return _text(piece.nodelist)
        case "LatexMathNode":
            return _text(piece.nodelist)
    raise _Lost


def _macro(node: Any) -> str:
    name, after = str(node.macroname), str(node.macro_post_space)
    given = node.nodeargd.argnlist if node.nodeargd is not None else []
    arguments = [one for one in given or [] if one is not None]
    if name in _FIXED or name in _OWN_NAMES:
        return _FIXED[name] if name in _FIXED else _OWN_NAMES[name] + after
    if name in ("frac", "dfrac", "tfrac", "cfrac") and len(arguments) == 2:
        return "/".join(_grouped(_one_of(one)) for one in arguments)
    if name == "sqrt" and arguments:
        index = "" if len(arguments) == 1 else _script("^", _one_of(arguments[0]).strip("[]"))
        return f"{index}√{_grouped(_one_of(arguments[-1]))}"
    if name in _AS_TEXT and len(arguments) == 1:
        return _one_of(arguments[0])
    if name in _MARKED and len(arguments) == 1:
        return _with_mark(_one_of(arguments[0]), _MARKED[name])
    if arguments and name not in _BY_LIBRARY:
        raise _Lost
    return _sign(node.latex_verbatim().strip()) + after


def _one_of(node: Any) -> str:
    """An argument, which is a single sign without braces or a group."""
    return _text([node])


def _with_mark(text: str, mark: str) -> str:
    if len(text) != 1:
        raise _Lost
    return text + mark


@cache
def _sign(latex: str) -> str:
    """Return the sign of a macro, as the library knows it. Raises `_Lost`."""
    from pylatexenc.latex2text import LatexNodes2Text, get_default_latex_context_db

    name = re.match(r"\\([A-Za-z]+)", latex)
    known = get_default_latex_context_db().get_macro_spec(name[1]) if name else None
    if known is None or not known.macroname:
        raise _Lost
    sign = str(LatexNodes2Text(math_mode="text").latex_to_text(f"${latex}$")).strip()
    if not sign or "\\" in sign:
        raise _Lost
    return sign


def _grouped(text: str) -> str:
    text = text.strip()
    return text if _SIMPLE.fullmatch(text) or len(text) == 1 else f"({text})"


def _script(kind: str, text: str) -> str:
    signs, text = _SUPER if kind == "^" else _SUB, text.strip()
    if not text:
        raise _Lost
    if all(one in signs for one in text):
        return "".join(signs[one] for one in text).replace(" ", "")
    bare = _SIMPLE if kind == "^" else _INDEX
    return kind + (text if bare.fullmatch(text) or len(text) == 1 else f"({text})")
