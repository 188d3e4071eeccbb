"""The syntax tree: what stands in the file, with positions; nothing is resolved yet.

Trees compare equal when they say the same, wherever they stand: spans take no part in `==`. Names are held in
ASCII (`θ_k` is `theta_k`), so that both spellings are one name.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..source import Span


@dataclass(frozen=True)
class Node:
    span: Span = field(compare=False, repr=False, kw_only=True, default=Span(0, 0))
    depth: int = field(compare=False, repr=False, kw_only=True, default=1)
    """Nesting depth, so that the parser can refuse a tree that later passes could not walk."""


# ---- expressions -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Expr(Node):
    pass


@dataclass(frozen=True)
class Number(Expr):
    text: str


@dataclass(frozen=True)
class Name(Expr):
    id: str
    next: bool = False
    """True for `x+`."""

    @property
    def text(self) -> str:
        return self.id + "+" * self.next


@dataclass(frozen=True)
class Unary(Expr):
    op: str
    """`-`, `'` (transpose) or `†` (pseudo-inverse)."""
    arg: Expr


@dataclass(frozen=True)
class Binary(Expr):
    op: str
    """`+ - * / .* ./ ^ .^`"""
    left: Expr
    right: Expr


@dataclass(frozen=True)
class Compare(Expr):
    """`a < b <= c`: first, then (relation, operand) pairs."""

    first: Expr
    rest: tuple[tuple[str, Expr], ...]


@dataclass(frozen=True)
class Paren(Expr):
    arg: Expr


@dataclass(frozen=True)
class Keyword(Node):
    """`name = value` among the arguments of a call."""

    name: Name
    value: Expr


@dataclass(frozen=True)
class Call(Expr):
    fn: Name
    args: tuple[Expr | Keyword, ...]


@dataclass(frozen=True)
class Apply(Expr):
    """`grad f(y)`: an operator word, a declared function, a point."""

    op: Name
    fn: Name
    arg: Expr


@dataclass(frozen=True)
class Prox(Expr):
    """`prox_r,P(v)` or `prox_{r, P}(v)`."""

    fn: Name
    metric: Expr
    arg: Expr


@dataclass(frozen=True)
class Norm(Expr):
    kind: str
    """`1 2 0 inf F`"""
    arg: Expr


@dataclass(frozen=True)
class Inner(Expr):
    left: Expr
    right: Expr


# ---- declarations ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Space(Node):
    """`R`, `R^n`, `R^(m, n)`, `diag(n)`, `sym(n)`"""

    name: str
    sizes: tuple[Expr, ...] = ()


@dataclass(frozen=True)
class Group(Node):
    """`P, A in diag(n)`"""

    names: tuple[Name, ...]
    space: Space


@dataclass(frozen=True)
class Value(Node):
    word: str
    """`=` or `init`"""
    expr: Expr


@dataclass(frozen=True)
class Fact(Node):
    """`0 < P < 2/L` or `bounded(c)` (limit None), `b -> 0 like E`."""

    relation: Expr
    limit: Expr | None = None
    envelope: Expr | None = None


@dataclass(frozen=True)
class Tail(Node):
    formula: Expr | None
    """None: repeat last."""


@dataclass(frozen=True)
class Declaration(Node):
    kind: str | None
    """`shared`, `learned`, `predicted`, `precomputed`, `fixed`, or None."""
    groups: tuple[Group, ...]
    value: Value | None = None
    facts: tuple[Fact, ...] = ()
    tail: Tail | None = None

    @property
    def names(self) -> tuple[Name, ...]:
        return tuple(name for group in self.groups for name in group.names)


@dataclass(frozen=True)
class FunctionDeclaration(Node):
    """`f(x) : convex, smooth(L)`"""

    name: Name
    variable: Name
    properties: tuple[Call, ...]


@dataclass(frozen=True)
class FunctionDefinition(Node):
    """`f(x) = 1/2*||A*x - b||_2^2`"""

    name: Name
    variable: Name
    body: Expr


@dataclass(frozen=True)
class Minimize(Node):
    objective: Expr


@dataclass(frozen=True)
class Recover(Node):
    """`recover x from b = A*x : sparse(x)`"""

    variable: Name
    measured: Name
    model: Expr
    properties: tuple[Call, ...]


# ---- statements of the other blocks ----------------------------------------------------------------


@dataclass(frozen=True)
class Network(Node):
    name: Name
    cell: Name
    options: tuple[Expr | Keyword, ...]
    per_coordinate: bool


@dataclass(frozen=True)
class Assignment(Node):
    """`x+ = …`, `v = …`, `d, e = phi(…)`, optionally `where g in subgrad r(x+)`."""

    targets: tuple[Name, ...]
    value: Expr
    implicit: tuple[Name, Apply] | None = None


@dataclass(frozen=True)
class Expectation(Node):
    claim: Name
    verdict: Name


@dataclass(frozen=True)
class Text(Expr):
    """`"runs/first"`"""

    text: str


@dataclass(frozen=True)
class Tuple(Expr):
    """`(1e-2, 2e-3)` among the options of a setting."""

    items: tuple[Expr, ...]


@dataclass(frozen=True)
class Interval(Node):
    """`c in [0, 1]`"""

    name: Name
    low: Expr
    high: Expr


@dataclass(frozen=True)
class SettingCall(Expr):
    """`adam(rate = 1e-2)`, `grid(c in [0, 1], points = 11)`"""

    fn: Name
    args: tuple[Expr | Keyword | Interval, ...]


@dataclass(frozen=True)
class Setting(Node):
    name: Name
    values: tuple[Expr, ...]
    """One; several for a list such as `schedule`. Of `validate(every = 20)`: the call itself."""

    @property
    def word(self) -> str:
        return self.name.id

    @property
    def span_of_values(self) -> Span:
        return self.values[0].span.to(self.values[-1].span)


@dataclass(frozen=True)
class Loss(Node):
    reduction: str | None
    """`mean` or `sum` over the iterations; None: the last iterate alone."""
    over: Name | None
    term: Expr
    word = "loss"


@dataclass(frozen=True)
class Draw(Node):
    """`A ~ gaussian(m, n), columns normalized`"""

    name: Name
    law: Expr
    modifier: tuple[Name, Name] | None = None


@dataclass(frozen=True)
class Compute(Node):
    """`b = A*x_true + noise(snr = inf)`"""

    name: Name
    value: Expr


@dataclass(frozen=True)
class Array(Node):
    """`b = Y`: the array Y of a file as b; `b` alone is the array of that name, `b = Y'` its transpose."""

    name: Name
    array: Name
    transposed: bool = False


@dataclass(frozen=True)
class Load(Node):
    """`load "file.npz" { A = W; b = Y }`"""

    file: str
    arrays: tuple[Array | Broken, ...]
    file_span: Span = field(compare=False, repr=False, kw_only=True, default=Span(0, 0))


@dataclass(frozen=True)
class Broken(Node):
    """A statement that did not parse; `names` are the words in it, about which nothing more is said."""

    names: tuple[str, ...]


# ---- files -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Header(Node):
    kind: str
    """`algorithm` or `problem`"""
    name: Name


@dataclass(frozen=True)
class Doc(Node):
    text: str


@dataclass(frozen=True)
class Block(Node):
    keyword: str
    body: tuple[Node, ...]
    arguments: tuple[Expr | Keyword, ...] = ()
    keyword_span: Span = field(compare=False, repr=False, kw_only=True, default=Span(0, 0))


@dataclass(frozen=True)
class Amendment(Node):
    """In a variant, `P with 0 < P < 1/L`: other facts, or another tail, for a declared name."""

    name: Name
    facts: tuple[Fact, ...] = ()
    tail: Tail | None = None


@dataclass(frozen=True)
class Safeguard(Node):
    """`safeguard descent`, `safeguard deviation(delta = 0.05)`"""

    method: Expr


@dataclass(frozen=True)
class Variant(Node):
    """`variant PA of PBA12 { B = I; b1 = 0 }`"""

    name: Name
    base: Name
    body: tuple[Node, ...]


@dataclass(frozen=True)
class File(Node):
    items: tuple[Node, ...]


def children(node: Node) -> list[Node]:
    """The nodes directly below, in the order of the text."""
    found: list[Node] = []

    def collect(value: object) -> None:
        if isinstance(value, Node):
            found.append(value)
        elif isinstance(value, tuple):
            for part in value:
                collect(part)

    for name in node.__dataclass_fields__:
        collect(getattr(node, name))
    return found


def walk(node: Node) -> list[Node]:
    """The node and everything below it, parents first."""
    out, stack = [], [node]
    while stack:
        current = stack.pop()
        out.append(current)
        stack.extend(reversed(children(current)))
    return out
