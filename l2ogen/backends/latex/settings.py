"""What LaTeX calls things: letters, abbreviations, relations, characters that text must escape."""

from __future__ import annotations

import re

from ...syntax.build import GREEK

LETTERS = {name: f"\\{name}" for name in GREEK.values()} | {"omicron": "o"}
LETTERS |= {"lam": r"\lambda", "eps": r"\varepsilon", "inf": r"\infty"}
del LETTERS["R"]
"""Names that are one symbol on paper; `lam` because Python keeps `lambda`."""

RELATIONS = {"<": "<", ">": ">", "<=": r"\leq", ">=": r"\geq"}
LOEWNER = {"<": r"\prec", ">": r"\succ", "<=": r"\preceq", ">=": r"\succeq"}
"""Between symmetric matrices."""

CELLS = {"lstm": "an LSTM", "gru": "a GRU", "mlp": "a multilayer perceptron", "any": "any map"}

ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "`": r"\textasciigrave{}",
}  # fmt: skip
ESCAPES |= {letter: f"${LETTERS[name]}$" for letter, name in GREEK.items() if name in LETTERS}
ESCAPES |= {
    "ℝ": r"$\mathbb{R}$", "∇": r"$\nabla$", "∂": r"$\partial$", "⁺": "$^+$", "ᵀ": r"$^\top$", "†": r"$^\dagger$",
    "²": "$^2$", "·": r"$\cdot$", "⊙": r"$\odot$", "‖": r"$\|$", "≤": r"$\leq$", "≥": r"$\geq$", "→": r"$\to$",
    "∈": r"$\in$",
    "−": "$-$", "∞": r"$\infty$", "×": r"$\times$", "½": r"$\frac{1}{2}$",
}  # fmt: skip

FRAGMENT = "% needs \\usepackage{amsmath, amssymb}\n"
STANDALONE = r"""\documentclass{article}
\usepackage[utf8]{inputenc}
\usepackage{amsmath, amssymb}
\begin{document}
%s\end{document}
"""


def escape(text: str) -> str:
    """Text as LaTeX sets it outside formulas."""
    return "".join(ESCAPES.get(c, c) for c in text)


def prose(text: str) -> str:
    """A documentation string, in which code stands in backticks."""
    return re.sub(r"\\textasciigrave{}(.+?)\\textasciigrave{}", r"\\texttt{\1}", escape(text))
