"""A file as LaTeX: the problem, the parameters, the start, the update rule; then its variants as differences."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ...syntax import tree as t
from .clauses import Clauses, listed
from .formulas import Formulas
from .names import Names
from .settings import FRAGMENT, STANDALONE, escape, prose


def text(file: t.File) -> str:
    """All that a file says, for people."""
    return tidy(_Document(file).text())


def rule(file: t.File) -> str:
    """The update rule alone; empty for a problem."""
    made = _Document(file)
    return tidy("".join(made.update(block) for block in made.blocks("update")))


def fragment(texts: Iterable[str]) -> str:
    r"""What a paper takes in with \input."""
    return FRAGMENT + "\n".join(texts)


def document(texts: Iterable[str]) -> str:
    """A whole document, for any LaTeX with amsmath and amssymb."""
    return STANDALONE % "\n".join(texts)


def tidy(text: str) -> str:
    """`x^{2}` as x^2."""
    return re.sub(r"(?<!\\)([_^])\{([A-Za-z0-9])\}", r"\1\2", text)


WIDTH = 66
"""Letters that fit on a line of a paper."""


class _Document:
    def __init__(self, file: t.File) -> None:
        self.items = file.items
        self.running = Formulas(Names(file))
        """Formulas about iterates; `still`: about the problem, where `x` is a point."""
        self.still = self.running.at_rest
        self.clauses = Clauses(self.running)

    def blocks(self, keyword: str) -> list[t.Block]:
        return [item for item in self.items if isinstance(item, t.Block) and item.keyword == keyword]

    def text(self) -> str:
        """Paragraphs, in the order in which papers have them."""
        parts = [self.title(), self.problem([*self.items, *(s for b in self.blocks("problem") for s in b.body)])]
        parts += [self.items_of("Networks", b.body) for b in self.blocks("networks")]
        parts += [self.items_of("Parameters", b.body) for b in self.blocks("parameters")]
        parts += [f"Start: {self.clauses.clause(b)}.\n" for b in self.blocks("state")]
        parts += ["Update, for $k = 0, 1, \\dots$:\n" + self.update(b) for b in self.blocks("update")]
        parts += [self.sample(b) for b in self.blocks("sample")]
        safeguards = [i for i in self.items if isinstance(i, t.Safeguard)]
        for item in (*safeguards, *self.blocks("expect"), *self.blocks("train")):
            clause = self.clauses.clause(item)
            parts.append(f"{clause[0].upper()}{clause[1:]}.\n")
        parts.append(self.items_of("Variants", [i for i in self.items if isinstance(i, t.Variant)]))
        return "\n".join(part for part in parts if part)

    def title(self) -> str:
        name = "".join(escape(i.name.id) for i in self.items if isinstance(i, t.Header))
        docs = "".join(f" {prose(i.text)}" for i in self.items if isinstance(i, t.Doc))
        return rf"\paragraph{{{name}}}{docs}" + "\n"

    def items_of(self, title: str, statements: Sequence[t.Node]) -> str:
        if not statements:
            return ""
        items = "".join(f"  \\item {self.clauses.clause(s)}\n" for s in statements)
        return f"{title}:\n\\begin{{itemize}}\n{items}\\end{{itemize}}\n"

    # -- the problem
    def problem(self, statements: Sequence[t.Node]) -> str:
        """The goal as a display; what its functions are; the data."""
        lines: list[str] = []
        functions = [s for s in statements if isinstance(s, t.FunctionDeclaration | t.FunctionDefinition)]
        for s in statements:
            match s:
                case t.Minimize():
                    under = ", ".join(self.point(name) for name in dict.fromkeys(f.variable.id for f in functions))
                    lines.insert(0, rf"&\underset{{{under}}}{{\text{{minimize}}}} \quad {self.still(s.objective)}")
                case t.Recover():
                    what = " and ".join(self.clauses.property(p, s.variable.id) for p in s.properties)
                    model = f"{self.still.name(s.measured)} = {self.still(s.model)}"
                    lines.insert(0, rf"&\text{{recover {what} }} {self.point(s.variable.id)} \text{{ from }} {model}")
                case t.FunctionDefinition():
                    lines.append(rf"&{self.still.name(s.name)}({self.still.name(s.variable)}) = {self.still(s.body)}")
        about = self.clauses.body([f for f in functions if isinstance(f, t.FunctionDeclaration)])
        data = "; ".join(self.clauses.clause(s) for s in statements if isinstance(s, t.Block) and s.keyword == "data")
        return align(lines) + f"Here {about}.\n" * bool(about) + f"Data: {data}.\n" * bool(data)

    def point(self, variable: str) -> str:
        """`x \\in R^n`, the space from where the variable, or the state of that name, is declared."""
        for block in (*self.blocks("variable"), *self.blocks("state")):
            for group in (g for d in block.body if isinstance(d, t.Declaration) for g in d.groups):
                if variable in [name.id for name in group.names]:
                    return rf"{self.still.names.symbol(variable)} \in {self.clauses.space(group.space)}"
        return self.still.names.symbol(variable)

    def sample(self, block: t.Block) -> str:
        """The law that instances are drawn from."""
        lines = []
        for s in block.body:
            match s:
                case t.Draw():
                    words = escape(" ".join(word.id for word in s.modifier or ()))
                    modifier = rf" \quad \text{{{words}}}" if words else ""
                    lines.append(rf"{self.still.name(s.name)} &\sim {self.still(s.law)}{modifier}")
                case t.Compute():
                    lines.append(f"{self.still.name(s.name)} &= {self.still(s.value)}")
                case _:
                    lines.append(f"&{self.still.text(s)}")
        options = listed(f"${self.still(argument)}$" for argument in block.arguments)
        return f"Instances{f' ({options})' * bool(options)}:\n{align(lines)}"

    # -- the update
    def update(self, block: t.Block) -> str:
        lines = []
        for s in block.body:
            if isinstance(s, t.Assignment):
                left, right, where = self.clauses.line(s, self.running)
                line = f"{left} &{right}"
                if where:
                    apart = r" \quad " if width(line + where) < WIDTH else " \\\\\n  &\\quad "
                    line += f",{apart}{where}"
                lines.append(line)
        return align(lines)


def width(formula: str) -> int:
    """Roughly how many letters wide a formula is in print."""
    without_words = re.sub(r"\\(left|right|operatorname|mathrm|frac|text)\b|[{}_^&\s]", "", formula)
    return len(re.sub(r"\\[A-Za-z]+", "x", without_words))


def align(lines: Sequence[str]) -> str:
    """A display; nothing for no lines, since TeX refuses an empty one."""
    if not lines:
        return ""
    body = " \\\\\n".join(f"  {line}" for line in lines)
    return f"\\begin{{align*}}\n{body}\n\\end{{align*}}\n"
