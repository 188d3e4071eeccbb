"""The syntax tree as text in the one canonical form (`fmt`), in ASCII or Unicode, comments kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from lark import Token

from ..source import Source
from . import tree as t
from .build import GREEK, span_of

WIDTH = 100
"""A block with a single statement stands on one line if it fits."""

UNICODE = {
    "*": "·",
    "<=": "≤",
    ">=": "≥",
    ".*": "⊙",
    "'": "ᵀ",
    "->": "→",
    "||": "‖",
    "+": "⁺",
    "in": "∈",
    "-": "−",
}
LETTERS = {name: letter for letter, name in GREEK.items()}


def show(node: t.Node, unicode: bool = False) -> str:
    """One node of the tree as text, without comments."""
    return _Printer(unicode).text(node)


def fmt(tree: t.File, source: Source | None, comments: tuple[Token, ...] = (), unicode: bool = False) -> str:
    """A whole file. `fmt` of its own output changes nothing, and parsing the output gives an equal tree.

    Statements that stand on one line in the source do so again; without a source, each stands alone.
    """
    return _Printer(unicode, source, comments).file(tree)


class _Printer:
    def __init__(self, unicode: bool, source: Source | None = None, comments: tuple[Token, ...] = ()) -> None:
        self.unicode = unicode
        self.source = source
        self.comments = list(comments)
        self.lines: list[str] = []

    # -- files: lines, blocks, comments
    def file(self, tree: t.File) -> str:
        previous: t.Node | None = None
        for item in tree.items:
            apart = isinstance(previous, t.Doc) or (isinstance(previous, t.Header) and not isinstance(item, t.Doc))
            if apart or (isinstance(item, t.Variant) and not isinstance(previous, t.Variant)):
                self.lines.append("")
            self.statement(item, "")
            previous = item
        for comment in self.comments:
            self.lines.append(str(comment).rstrip())
        return "\n".join(self.lines) + "\n"

    def one_line(self, block: t.Block | t.Variant) -> str | None:
        """The block on one line: if it fits and holds one statement, or stood on one line before."""
        if self.comments_inside(block):
            return None
        own_lines = t.Doc if isinstance(block, t.Variant) else t.Doc | t.Block
        if any(isinstance(s, own_lines) for s in block.body):
            return None
        if len(block.body) > 1 and not self.same_line(block.span.start, block.span.end):
            return None
        body = "; ".join(self.text(s) for s in block.body)
        line = f"{self.head(block)} {{ {body} }}" if body else f"{self.head(block)} {{ }}"
        return line if len(line) <= WIDTH else None

    def same_line(self, start: int, end: int) -> bool:
        return self.source is not None and "\n" not in self.source.text[start:end]

    def joined(self, previous: t.Node, part: t.Node, indent: int) -> bool:
        """Whether a statement shares the line of the one before, as in the source, if it fits."""
        if isinstance(previous, t.Block | t.Doc) or isinstance(part, t.Block | t.Doc):
            return False
        if not self.same_line(previous.span.start, part.span.end) or len(self.wrapped(previous, indent)) > 1:
            return False
        return len(self.lines[-1]) + len(self.text(part)) < WIDTH

    def head(self, block: t.Block | t.Variant) -> str:
        if isinstance(block, t.Variant):
            return f"variant {block.name.id} of {block.base.id}"
        arguments = f" ({', '.join(map(self.text, block.arguments))})" if block.arguments else ""
        return block.keyword + arguments

    def statement(self, node: t.Node, indent: str) -> None:
        self.comments_before(node, indent)
        if isinstance(node, t.Block | t.Variant) and self.one_line(node) is None:
            self.lines.append(f"{indent}{self.head(node)} {{")
            self.comment_beside(node.span.start)
            previous: t.Node | None = None
            for part in node.body:
                if previous is not None and self.joined(previous, part, len(indent) + 2):
                    self.lines[-1] += "; " + self.text(part)
                    self.comment_beside(part.span.end)
                else:
                    self.statement(part, indent + "  ")
                previous = part
            while self.comments and span_of(self.comments[0]).start < node.span.end:
                self.lines.append(f"{indent}  {str(self.comments.pop(0)).rstrip()}")
            self.lines.append(indent + "}")
        else:
            if isinstance(node, t.Block | t.Variant):
                self.lines.append(indent + (self.one_line(node) or ""))
            else:
                self.lines += [indent + line for line in self.wrapped(node, len(indent))]
            while self.comments and span_of(self.comments[0]).end <= node.span.end:  # inside a wrapped statement
                self.lines[-1:-1] = [indent + str(self.comments.pop(0)).rstrip()]
        self.comment_beside(node.span.end)

    def wrapped(self, node: t.Node, indent: int) -> list[str]:
        """A statement; of a long declaration the facts stand on a line of their own."""
        text = self.text(node)
        if isinstance(node, t.Declaration) and node.facts and indent + len(text) > WIDTH:
            head = self.text(replace(node, facts=(), tail=None))
            return [head, "  " + text[len(head) :].lstrip()]
        return [text]

    def comments_inside(self, node: t.Node) -> bool:
        return any(node.span.start < span_of(c).start < node.span.end for c in self.comments)

    def comments_before(self, node: t.Node, indent: str) -> None:
        while self.comments and span_of(self.comments[0]).start < node.span.start:
            self.lines.append(indent + str(self.comments.pop(0)).rstrip())

    def comment_beside(self, offset: int) -> None:
        """A comment on the same source line goes to the end of the printed line."""
        if self.comments and self.source is not None:
            start = span_of(self.comments[0]).start
            if start >= offset and "\n" not in self.source.text[offset:start] and self.only_blank(offset, start):
                self.lines[-1] += "  " + str(self.comments.pop(0)).rstrip()

    def only_blank(self, start: int, end: int) -> bool:
        assert self.source is not None
        return not self.source.text[start:end].strip(" \t{};")

    # -- nodes
    def text(self, node: t.Node) -> str:
        method: Callable[[t.Node], str] = getattr(self, "_" + type(node).__name__)
        return method(node)

    def op(self, op: str) -> str:
        return UNICODE.get(op, op) if self.unicode else op

    def list(self, nodes: tuple[t.Node, ...]) -> str:
        return ", ".join(map(self.text, nodes))

    def _Number(self, n: t.Number) -> str:
        return n.text

    def _Name(self, n: t.Name) -> str:
        name = n.id
        if self.unicode:
            name = "_".join(LETTERS.get(part, part) for part in name.split("_"))
        return name + self.op("+") * n.next

    def _Unary(self, n: t.Unary) -> str:
        return self.op("-") + self.text(n.arg) if n.op == "-" else self.text(n.arg) + self.op(n.op)

    def _Binary(self, n: t.Binary) -> str:
        op = n.op if n.op in "+-" else self.op(n.op)
        space = " " if n.op in ("+", "-", ".*", "./") else ""
        return f"{self.text(n.left)}{space}{op}{space}{self.text(n.right)}"

    def _Compare(self, n: t.Compare) -> str:
        return self.text(n.first) + "".join(f" {self.op(op)} {self.text(e)}" for op, e in n.rest)

    def _Paren(self, n: t.Paren) -> str:
        return f"({self.text(n.arg)})"

    def _Keyword(self, n: t.Keyword) -> str:
        return f"{self.text(n.name)} = {self.text(n.value)}"

    def _Call(self, n: t.Call) -> str:
        return f"{self.text(n.fn)}({self.list(n.args)})"

    def _Apply(self, n: t.Apply) -> str:
        op = "∇" if self.unicode and n.op.id == "grad" else n.op.id + " "
        return f"{op}{self.text(n.fn)}({self.text(n.arg)})"

    def _Prox(self, n: t.Prox) -> str:
        if isinstance(n.metric, t.Name) and "_" not in n.fn.id and not n.metric.next:
            return f"prox_{self.text(n.fn)},{self.text(n.metric)}({self.text(n.arg)})"
        return f"prox_{{{self.text(n.fn)}, {self.text(n.metric)}}}({self.text(n.arg)})"

    def _Norm(self, n: t.Norm) -> str:
        return f"{self.op('||')}{self.text(n.arg)}{self.op('||')}_{n.kind}"

    def _Inner(self, n: t.Inner) -> str:
        return f"<{self.text(n.left)}, {self.text(n.right)}>"

    def _Space(self, n: t.Space) -> str:
        name = "ℝ" if self.unicode and n.name == "R" else n.name
        if not n.sizes:
            return name
        if n.name == "R" or len(n.sizes) > 1:
            plain = len(n.sizes) == 1 and isinstance(n.sizes[0], t.Name | t.Number)
            return f"{name}^{self.text(n.sizes[0])}" if plain else f"{name}^({self.list(n.sizes)})"
        return f"{name}({self.list(n.sizes)})"

    def _Group(self, n: t.Group) -> str:
        return f"{self.list(n.names)} {self.op('in')} {self.text(n.space)}"

    def _Value(self, n: t.Value) -> str:
        return f"{n.word} {self.text(n.expr)}"

    def _Fact(self, n: t.Fact) -> str:
        limit = f" {self.op('->')} {self.text(n.limit)}" if n.limit else ""
        return self.text(n.relation) + limit + (f" like {self.text(n.envelope)}" if n.envelope else "")

    def _Tail(self, n: t.Tail) -> str:
        return f"tail {self.text(n.formula)}" if n.formula else "tail repeat last"

    def _Declaration(self, n: t.Declaration) -> str:
        parts = [n.kind or "", self.list(n.groups), self.text(n.value) if n.value else ""]
        parts += [f"with {self.list(n.facts)}" if n.facts else "", self.text(n.tail) if n.tail else ""]
        return " ".join(p for p in parts if p)

    def _FunctionDeclaration(self, n: t.FunctionDeclaration) -> str:
        return f"{self.text(n.name)}({self.text(n.variable)}) : {', '.join(map(self.property, n.properties))}"

    def property(self, n: t.Call) -> str:
        return self.text(n) if n.args else self.text(n.fn)

    def _FunctionDefinition(self, n: t.FunctionDefinition) -> str:
        return f"{self.text(n.name)}({self.text(n.variable)}) = {self.text(n.body)}"

    def _Minimize(self, n: t.Minimize) -> str:
        return f"minimize {self.text(n.objective)}"

    def _Recover(self, n: t.Recover) -> str:
        properties = ", ".join(map(self.property, n.properties))
        return f"recover {self.text(n.variable)} from {self.text(n.measured)} = {self.text(n.model)} : {properties}"

    def _Network(self, n: t.Network) -> str:
        per = " per coordinate" if n.per_coordinate else ""
        return f"{self.text(n.name)} = {self.text(n.cell)}({self.list(n.options)}){per}"

    def _Assignment(self, n: t.Assignment) -> str:
        implicit = f" where {self.text(n.implicit[0])} {self.op('in')} {self.text(n.implicit[1])}" if n.implicit else ""
        return f"{self.list(n.targets)} = {self.text(n.value)}{implicit}"

    def _Expectation(self, n: t.Expectation) -> str:
        return f"{n.claim.id} {n.verdict.id}"

    def _Setting(self, n: t.Setting) -> str:
        first = n.values[0]
        if isinstance(first, t.SettingCall) and first.fn.span == n.name.span:  # validate(every = 20)
            return self.text(first)
        return f"{self.text(n.name)} {self.list(n.values)}"

    _SettingCall = _Call

    def _Text(self, n: t.Text) -> str:
        return f'"{n.text}"'

    def _Tuple(self, n: t.Tuple) -> str:
        return f"({self.list(n.items)})"

    def _Interval(self, n: t.Interval) -> str:
        return f"{self.text(n.name)} {self.op('in')} [{self.text(n.low)}, {self.text(n.high)}]"

    def _Loss(self, n: t.Loss) -> str:
        over = f"{n.reduction} over {n.over.id} of " if n.reduction and n.over else ""
        return f"loss {over}{self.text(n.term)}"

    def _Draw(self, n: t.Draw) -> str:
        modifier = f", {n.modifier[0].id} {n.modifier[1].id}" if n.modifier else ""
        return f"{self.text(n.name)} ~ {self.text(n.law)}{modifier}"

    def _Compute(self, n: t.Compute) -> str:
        return f"{self.text(n.name)} = {self.text(n.value)}"

    def _Load(self, n: t.Load) -> str:
        return f'load "{n.file}" {{ {"; ".join(map(self.text, n.arrays))} }}'

    def _Array(self, n: t.Array) -> str:
        array = self.text(n.array) + self.op("'") * n.transposed
        return self.text(n.name) + (f" = {array}" if n.array != n.name or n.transposed else "")

    def _Broken(self, n: t.Broken) -> str:
        assert self.source is not None
        return self.source.text[n.span.start : n.span.end]

    def _Header(self, n: t.Header) -> str:
        return f"{n.kind} {n.name.id}"

    def _Doc(self, n: t.Doc) -> str:
        return f'"{n.text}"'

    def _Amendment(self, n: t.Amendment) -> str:
        facts = f"with {self.list(n.facts)}" if n.facts else ""
        tail = self.text(n.tail) if n.tail else ""
        return " ".join(p for p in (self.text(n.name), facts, tail) if p)

    def _Safeguard(self, n: t.Safeguard) -> str:
        return f"safeguard {self.text(n.method)}"

    def _Block(self, n: t.Block | t.Variant) -> str:
        return self.one_line(n) or f"{self.head(n)} {{ {'; '.join(map(self.text, n.body))} }}"

    _Variant = _Block
