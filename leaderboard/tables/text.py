"""Text from models and data sets, made safe to show: in a terminal, Markdown or LaTeX.

HTML is escaped by Jinja. Control and bidirectional characters are made visible everywhere, since
they could rewrite a line (ANSI escapes) or show it in another order than it is stored in.
"""

from __future__ import annotations

import re
import unicodedata

MAX_NAME = 60
MAX_TEXT = 2000

_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Co", "Cs"})
_JOINERS = frozenset("\u200c\u200d")
_MARKDOWN = re.compile(r"([\\`*_\[\]#|~$])")
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "–": "--",
    "−": "$-$",
    "·": r"$\cdot$",
    "×": r"$\times$",
    "Δ": r"$\Delta$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "…": r"\ldots{}",
    "→": r"$\to$",
    "†": r"\textdagger{}",
    "±": r"$\pm$",
    "≈": r"$\approx$",
    "²": r"$^2$",
    "“": "``",
    "”": "''",
}


def clean(text: object, *, limit: int = MAX_TEXT) -> str:
    r"""One line of visible characters, at most ``limit`` of them.

    Parameters
    ----------
    text : object
        Anything; its ``str`` is taken.
    limit : int, default 2000
        Longer text is cut and says by how much.

    Returns
    -------
    str
        White space collapsed; control and bidirectional characters as ``⟨U+202E⟩``.

    Examples
    --------
    >>> clean("a\nb" + chr(0x202E) + "c")
    'a b⟨U+202E⟩c'
    """
    raw = str(text)
    kept = "".join(_visible(char) for char in " ".join(raw[: 4 * limit].split()))
    if len(kept) <= limit and len(raw) <= 4 * limit:
        return kept
    return f"{kept[:limit]}… ({len(raw)} characters)"


def _visible(char: str) -> str:
    if unicodedata.category(char) in _HIDDEN_CATEGORIES and char not in _JOINERS:
        return f"⟨U+{ord(char):04X}⟩"
    return char


def escape_markdown(text: str) -> str:
    r"""Escape what GitHub's Markdown or HTML would interpret.

    Examples
    --------
    >>> escape_markdown("<b>|x_1|</b>")
    '&lt;b&gt;\\|x\\_1\\|&lt;/b&gt;'
    """
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKDOWN.sub(r"\\\1", text)


def escape_latex(text: str) -> str:
    r"""Escape what LaTeX would interpret; the signs of our own tables become math.

    Examples
    --------
    >>> escape_latex("50 % of a_b")
    '50 \\% of a\\_b'
    """
    return "".join(_LATEX.get(char, char) for char in text)
