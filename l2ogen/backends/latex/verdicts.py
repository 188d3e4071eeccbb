r"""How documents of verdicts look in LaTeX. The checker writes its formulas in the language's notation, in which `x*`
is a solution and `phi(…)` a value that is not taken apart; they are parsed again and set as those of a file are, so
that `W1_k*A + W2_k - I -> 0` is W_{1,k} A + W_{2,k} - I \to 0."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ...core.operators import CALLS
from ...source import Source
from ...syntax import tree as t
from ...syntax.parser import parse
from .document import tidy
from .formulas import Formulas
from .names import Names
from .settings import LETTERS, LOEWNER, RELATIONS, escape

SIGNS = RELATIONS | {"->": r"\to", "=": "="}
STAR = re.compile(r"\b([A-Za-z])\*(?![\w(.*])")
"""`x*`: no product, which goes on behind the star."""
OPAQUE = re.compile(r"(o\(1\)|1/|\w*)\(…\)(\d*)")
BEFORE = re.compile(r"\b([A-Za-z])_(?!\w)")
"""`x_`: the iterate before."""
NAME = re.compile(r"[^\W\d]\w*")
REWRITTEN = (
    (re.compile(r"\*\*"), "^"), (re.compile(r"(?<!\|)\|([^|]+)\|(?!\|)"), r"abs(\1)"), (re.compile(r"\bAbs\b"), "abs"),
    (re.compile(r"\bMax\b"), "max"), (re.compile(r"\bMin\b"), "min"), (re.compile(r"^-(\d+/\d+)"), r"-(\1)"),
    (re.compile(r"prox_\{(\w+), (\w+)\}"), r"prox_\1,\2"), (re.compile(r"\b(\d+)([A-Z])"), r"\1*\2"),
    (STAR, r"\1_star"), (BEFORE, r"\1_before"),
)  # fmt: skip
"""SymPy's notation, and that of the checker's sentences, in the language's."""


class Verdicts:
    """The style of one algorithm's document; a `report.Style`."""

    def __init__(self, file: t.Node) -> None:
        assert isinstance(file, t.File)
        self.names = _Names(file)
        self.known = {n.id for n in t.walk(file) if isinstance(n, t.Name)}
        self.known |= LETTERS.keys() | CALLS.keys() | {"grad", "subgrad"}

    def heading(self, text: str, level: int) -> str:
        name, colon, rest = text.partition(": ")
        return rf"\{'sub' * (level - 1)}section*{{{escape(name)}{colon}{self.sentence(rest)}}}"

    def table(self, head: list[str], rows: list[list[str]]) -> list[str]:
        columns = "l" * (len(head) - 1) + r"p{0.5\linewidth}" if len(head) > 2 else r"lp{0.8\linewidth}"
        columns = columns.replace("ll", r"p{0.24\linewidth}l", 1)
        body = [" & ".join(cells) + r" \\" for cells in rows]
        return [
            r"\noindent", rf"\begin{{tabular}}{{@{{}}{columns}@{{}}}}", r"\hline", " & ".join(head) + r" \\", r"\hline",
            *body, r"\hline", r"\end{tabular}",
        ]  # fmt: skip

    def items(self, texts: list[str]) -> list[str]:
        return [r"\begin{itemize}", *(rf"  \item {text}" for text in texts), r"\end{itemize}"]

    def formula(self, text: str) -> str:
        """Of what is no formula, such as "a denominator is positive", the words."""
        made = self.math(text)
        return self.sentence(text) if made is None else f"${made}$"

    def sentence(self, text: str) -> str:
        """Words, between them the longest formulas that parse; of what stands in backticks, all if it does."""
        if re.fullmatch(r"[A-Z]\d?", text):
            return self.formula(text)
        parts = text.split("`")
        return "".join(self.mixed(p) if i % 2 == 0 else self.code(p) for i, p in enumerate(parts))

    def code(self, text: str) -> str:
        made = None if re.fullmatch("[a-z]{3,}", text) and text not in LETTERS else self.math(text, running=False)
        return rf"\texttt{{{escape(text)}}}" if made is None else f"${made}$"

    def mixed(self, text: str) -> str:
        words, out = text.split(" "), []
        while words:
            taken = 1
            for count in range(len(words), 0, -1):
                made = self.within(" ".join(words[:count]))
                if made is not None:
                    taken = count
                    break
            out.append(escape(words[0]) if made is None else made)
            words = words[taken:]
        return " ".join(out)

    def within(self, text: str) -> str | None:
        """A formula, with the punctuation around it."""
        for before, inner, after in _cores(text):
            made = self.math(inner, running=False) if self.is_formula(inner) else None
            if made is not None:
                return f"{escape(before)}${made}${escape(after)}"
        return None

    def is_formula(self, text: str) -> bool:
        """Whether it looks like one: a name of the file, a letter, or more; and no other word in it."""
        if NAME.fullmatch(text):
            letter = (len(text) == 1 and text not in "aAI") or re.fullmatch("[Pb][12]|[a-z]_[a-z]", text)
            named = text in self.known and text != "a" and (len(text) == 1 or "_" in text or text in LETTERS)
            return bool(letter) or named
        if re.fullmatch(r"grad \w", text):
            return True
        shown = re.search(r"[*^/<>=_…|]|\w\(|\w[+-]| [+-] ", text) is not None
        words = [n for n in NAME.findall(text) if len(n) > 1 and n not in self.known and not re.search("[_0-9]", n)]
        return shown and not words and not re.search(r"\w \(", text)

    def math(self, text: str, running: bool = True) -> str | None:
        """The formula, or None where it is none. `running`: states carry the iteration."""
        self.names.opaque.clear()
        if gradient := re.fullmatch(r"grad (\w)", text):
            return rf"\nabla {gradient[1]}"
        pieces = re.split(r"\s(->|<=|>=|<|>|=)\s", text)
        sides = [self.expression(side) for side in pieces[::2]]
        if not all(sides):
            return None
        formulas = Formulas(self.names, running)
        matrix = any(isinstance(s, t.Name) and s.id in self.names.symmetric for s in sides)
        signs = SIGNS | LOEWNER if matrix else SIGNS
        out = formulas(sides[0])  # type: ignore[arg-type]
        for sign, side in zip(pieces[1::2], sides[1:], strict=True):
            out += f" {signs[sign]} {formulas(side)}"  # type: ignore[arg-type]
        return tidy(out)

    def expression(self, text: str) -> t.Expr | None:
        """The tree of an expression in the checker's notation."""
        text = OPAQUE.sub(self.name_opaque, text.strip())
        for written, meant in REWRITTEN:
            text = written.sub(meant, text)
        if not text or "{" in text or "}" in text or ";" in text or "\n" in text:
            return None
        parsed = parse(Source("<formula>", f"algorithm T\nupdate {{ v_ = {text} }}"))
        blocks = [item for item in parsed.tree.items if isinstance(item, t.Block)]
        if parsed.diagnostics or len(blocks) != 1 or len(blocks[0].body) != 1:
            return None
        (line,) = blocks[0].body
        return line.value if isinstance(line, t.Assignment) and line.implicit is None else None

    def name_opaque(self, found: re.Match[str]) -> str:
        """A name that stands for a value like `elu(…)2`."""
        stem, index = found[1], found[2]
        id = f"opaque{len(self.names.opaque)}q"
        mark = f"_{{{index}}}" if index else ""
        if stem == "o(1)":
            shown = f"o{mark}(1)"
        elif stem == "1/":
            shown = rf"D{mark}^{{-1}}"
        else:
            shown = f"{self.names.function(stem)}{mark}(\\cdots)"
        self.names.opaque[id] = shown
        return id


class _Names(Names):
    """Those of a file, with solutions and values that are not taken apart."""

    def __init__(self, file: t.File) -> None:
        self.opaque: dict[str, str] = {}
        super().__init__(file)

    def symbol(self, id: str, index: str = "") -> str:
        if id in self.opaque:
            return self.opaque[id]
        for ending, mark in (("_star", "^*"), ("_before", "_-")):
            if id.endswith(ending):
                return super().symbol(id.removesuffix(ending)) + mark
        return super().symbol(id, index)

    def function(self, stem: str) -> str:
        symbol = super().symbol(stem) if stem else ""
        return symbol.replace(r"\mathrm", r"\operatorname") if "_" not in symbol else rf"\operatorname{{{stem}}}"


def _cores(text: str) -> Iterator[tuple[str, str, str]]:
    """A piece of a sentence without the punctuation around it; with, then without, parentheses around all of it."""
    before, after = "", ""
    while text and (text[-1] in ",;:." or (text[-1] == ")" and text.count(")") > text.count("("))):
        text, after = text[:-1], text[-1] + after
    while text and text[0] == "(" and text.count("(") > text.count(")"):
        text, before = text[1:], before + text[0]
    yield before, text, after
    if text.startswith("(") and text.endswith(")"):
        yield before + "(", text[1:-1], ")" + after
