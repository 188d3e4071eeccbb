"""Expressions of the syntax tree as LaTeX. Parentheses are set anew from what binds how tightly, so that a fraction or
a root loses those of the source and a product keeps its grouping."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property

from ...core.operators import CALLS, NOTATION, Latex
from ...syntax import tree as t
from ...syntax.printer import show
from .names import Names
from .settings import LOEWNER, RELATIONS, escape

SLOT = re.compile(r"#(\d)(?:@(\d))?")
SMALL = re.compile(r"(?:[_^]|\\frac(?:\{[^{}]*\})?)\{[^{}]*$")
"""What stands before a slot in a subscript, a superscript or a fraction: there, fractions take a slash."""

Part = tuple[str, int]
"""LaTeX and how tightly it binds, as in core.operators.Latex."""


@dataclass(frozen=True)
class Formulas:
    """Formulas of one file. `running`: in a line of the update, where states carry the iteration."""

    names: Names
    running: bool = True
    inline: bool = False
    """Fractions take a slash."""

    @cached_property
    def small(self) -> Formulas:
        return replace(self, inline=True)

    @cached_property
    def at_rest(self) -> Formulas:
        return replace(self, running=False)

    def __call__(self, e: t.Expr | t.Keyword) -> str:
        return self.part(e)[0]

    def fill(self, form: Latex, *arguments: t.Expr | t.Keyword | Part) -> Part:
        """A notation with its arguments in their places."""
        if form.text == "#1" and isinstance(arguments[0], t.Expr):
            return self.part(arguments[0])
        tall = False

        def put(slot: re.Match[str]) -> str:
            nonlocal tall
            argument = arguments[int(slot[1]) - 1]
            small = SMALL.search(form.text[: slot.start()])
            text, binds = argument if isinstance(argument, tuple) else (self.small if small else self).part(argument)
            tall = tall or (is_tall(text) and not small)
            signed = text.startswith("-") and slot.start() > 0
            return brackets(text) if slot[2] and (binds < int(slot[2]) or signed) else text

        texts = [put(slot) for slot in SLOT.finditer(form.text)]
        frame = form.text if tall else form.text.replace(r"\left", "").replace(r"\right", "")
        return SLOT.sub(lambda _: texts.pop(0), frame), form.precedence

    def part(self, e: t.Expr | t.Keyword) -> Part:
        match e:
            case t.Number():
                return number(e.text)
            case t.Name():
                return self.name(e), 5
            case t.Paren():
                return self.part(e.arg)
            case t.Unary():
                return self.fill(NOTATION["negate" if e.op == "-" else e.op], e.arg)
            case t.Binary(op="*"):
                return self.product(self.part(e.left), self.part(e.right))
            case t.Binary(op="/", left=t.Number(), right=t.Number()):
                return self.fill(NOTATION["/"], e.left, e.right)
            case t.Binary(op="/") if self.inline:
                return self.fill(NOTATION["inline /"], e.left, e.right)
            case t.Binary():
                return self.fill(NOTATION[e.op], e.left, e.right)
            case t.Compare():
                return self.comparison(e), 0
            case t.Call():
                return self.call(e)
            case t.Apply():
                return self.fill(NOTATION[e.op.id], self.part(e.fn), e.arg)
            case t.Prox():
                return self.fill(NOTATION["prox"], self.part(e.fn), e.metric, e.arg)
            case t.Norm():
                return self.fill(NOTATION["norm"], e.arg, (r"\infty" if e.kind == "inf" else e.kind, 5))
            case t.Inner():
                return self.fill(NOTATION["inner"], e.left, e.right)
            case t.Keyword():
                return f"{self.name(e.name)} = {self(e.value)}", 0
        return self.text(e), 5

    def text(self, node: t.Node) -> str:
        """As it is written in the file."""
        return rf"\text{{{escape(show(node))}}}"

    def name(self, name: t.Name) -> str:
        return self.names.name(name) if self.running else self.names.symbol(name.id)

    def product(self, left: Part, right: Part) -> Part:
        """Side by side; with a dot where two numbers would run into each other, a space beside a word."""
        beside = NOTATION["*"]
        last = left[0].split(" ")[-1] if left[1] >= 3 else ")"
        first = right[0] if right[1] >= 4 and right[0][0] != "-" else "("
        if first[0].isdigit() or (first.startswith(r"\frac") and last[0].isdigit()):
            beside = Latex(beside.text.replace(" ", r" \cdot "), beside.precedence)
        elif first[0] != "(" and last[-1] != ")" and r"\mathrm" in (last[:7], first[:7]):
            beside = Latex(beside.text.replace(" ", r" \, "), beside.precedence)
        return self.fill(beside, left, right)

    def comparison(self, e: t.Compare) -> str:
        operands = (e.first, *(operand for _, operand in e.rest))
        matrices = any(isinstance(o, t.Name) and o.id in self.names.symmetric for o in operands)
        signs = LOEWNER if matrices else RELATIONS
        first, *rest = (brackets(text) if binds < 1 else text for text, binds in map(self.part, operands))
        return first + "".join(f" {signs[op]} {text}" for (op, _), text in zip(e.rest, rest, strict=True))

    def call(self, e: t.Call) -> Part:
        if e.fn.id == "prox":
            return self.fill(NOTATION["prox"], *e.args)
        if e.fn.id in CALLS:
            return self.fill(CALLS[e.fn.id].notation, *e.args)
        slots = ", ".join(f"#{i + 1}" for i in range(len(e.args)))
        fn = self.names.symbol(e.fn.id)
        if fn.startswith(r"\mathrm"):
            fn = rf"\operatorname{{{e.fn.id.replace('_', '-')}}}"
        return self.fill(Latex(rf"{fn}\left({slots}\right)"), *e.args)


def number(text: str) -> Part:
    """`1e-2` as a power of ten."""
    mantissa, _, exponent = text.lower().partition("e")
    if not exponent:
        return ("0" + text if text.startswith(".") else text), 5
    power = f"10^{{{int(exponent)}}}"
    return (power, 4) if mantissa in ("1", "1.0") else (rf"{mantissa} \cdot {power}", 3)


def is_tall(text: str) -> bool:
    return r"\frac" in text or r"\begin" in text


def brackets(text: str) -> str:
    return rf"\left({text}\right)" if is_tall(text) else f"({text})"
