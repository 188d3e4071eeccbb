"""The intermediate representation: typed expressions and the programs made of them.

Expressions are immutable and compare by what they compute, so equal subexpressions are one key in a dictionary.
A step is in single-assignment form: old states, next states (`x+`), lets and parameters are different symbols, and
none changes while the step runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from ..source import Source, Span
from ..syntax.tree import Node as Tree
from .types import Type

MARGIN = 1e-3
"""Relative distance that generated parameters keep from the open ends of their ranges (the epsilon of certificates)."""


OF_PROBLEM = ("grad", "prox", "value", "subgrad", "stochgrad")
"""Operations that ask the problem for something."""


@dataclass(frozen=True)
class Node:
    """op(args): an operation of the operator table; `grad`, `prox`, `value`, `subgrad`, `stochgrad` (attr: the
    function's role `f`, `r`, `F`); `any` (attr: the name of an arbitrary map); or a leaf: `number` (attr: its text),
    `symbol` (attr: (role, name)), `identity`."""

    op: str
    args: tuple[Node, ...]
    type: Type
    attr: Any = None
    span: Span = field(compare=False, repr=False, default=Span(0, 0))

    @property
    def role(self) -> str:
        """Of a symbol: its role; else the empty string."""
        return self.attr[0] if self.op == "symbol" else ""

    @property
    def name(self) -> str:
        """Of a symbol: its name."""
        name: str = self.attr[1]
        return name

    def walk(self) -> list[Node]:
        """Every node below and this one, arguments first, each occurrence."""
        return [n for a in self.args for n in a.walk()] + [self]


def symbols(node: Node | None, *roles: str) -> set[str]:
    """Names of the symbols of these roles in an expression."""
    return {n.name for n in (node.walk() if node else []) if n.role in roles}


# ---- functions, data, facts ------------------------------------------------------------------------


@dataclass(frozen=True)
class Function:
    """A declared function; role `f` is the smooth part, `r` the proximable one, `F` the whole objective."""

    name: str
    role: Literal["f", "r", "F"]
    properties: tuple[str, ...]
    lipschitz: str | None
    span: Span
    modulus: Node | None = None
    """mu of `strongly_convex(mu)`."""


@dataclass(frozen=True)
class Datum:
    name: str
    type: Type
    shared: bool
    range: Range | None
    span: Span


@dataclass(frozen=True)
class Range:
    """low (<|<=) v (<|<=) high; None is no bound."""

    low: Node | None = None
    high: Node | None = None
    low_open: bool = False
    high_open: bool = False
    span: Span = field(compare=False, default=Span(0, 0))


# ---- algorithms ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Facts:
    """What is declared of a parameter, and what its generated code enforces for every weight."""

    range: Range | None = None
    """Entry by entry; in the Loewner order for `sym`."""
    bound: Node | None = None
    """`bounded(c)`: |v| <= c entry by entry, ||M||_2 <= c for matrices."""
    vanishes: bool = False
    """`-> 0`"""
    envelope: Node | None = None
    """`-> 0 like E`: |v| <= E entry by entry, E a formula in k."""
    margin: float = MARGIN
    """Relative distance kept from open ends: `margin(1e-3)`."""


@dataclass(frozen=True)
class Tail:
    """What follows the last trained layer of a per-iteration parameter: v_k for k >= layers."""

    kind: Literal["last", "decay", "none", "formula"] = "last"
    value: Node | None = None
    """decay: rho of v_last*rho^(k - layers + 1); formula: v_k itself."""


@dataclass(frozen=True)
class Parameter:
    name: str
    kind: Literal["learned", "predicted", "precomputed", "fixed"]
    type: Type
    span: Span
    value: Node | None = None
    """fixed, precomputed: the formula."""
    init: Node | None = None
    """learned: the initial value in the natural scale."""
    facts: Facts = Facts()
    tail: Tail = Tail()
    text: str = field(default="", compare=False)
    """Its formula, initial value, facts and tail as the user wrote them."""

    @property
    def range(self) -> Range | None:
        return self.facts.range

    @property
    def per_iteration(self) -> bool:
        return self.name.endswith("_k")

    @property
    def attribute(self) -> str:
        """The module's attribute: `theta` for `theta_k`."""
        return self.name.removesuffix("_k")


@dataclass(frozen=True)
class Network:
    """A network over all coordinates with shared weights, or over pooled features of its inputs; or any map."""

    name: str
    cell: Literal["lstm", "gru", "mlp", "any"]
    span: Span
    per_coordinate: bool = True
    hidden: int = 20
    layers: int = 2
    embed: int = 0
    """Width of a layer before the cell; 0: none."""
    head: int = 0
    """Width of a layer behind the cell; 0: none."""
    activation: str = "relu"
    """Of `embed`, `head` and the hidden layers of an mlp."""
    bias: bool = True
    start: Literal["zero", "random", "learned"] = "zero"
    """The initial hidden state of a recurrent network."""
    inputs: Literal["raw", "standardized"] = "raw"
    bound: Node | None = None
    """any(C): ||J||_F <= C."""

    @property
    def recurrent(self) -> bool:
        return self.cell in ("lstm", "gru")


@dataclass(frozen=True)
class Call:
    """One call of a network. Its outputs are predicted parameters, made just before their first use, or lets."""

    network: str
    inputs: tuple[Node, ...]
    outputs: tuple[str, ...]
    """Names; of predicted parameters only those that the rule uses."""
    predicts: bool
    span: Span
    text: str = field(default="", compare=False)


@dataclass(frozen=True)
class State:
    name: str
    type: Type
    init: Node
    span: Span


@dataclass(frozen=True)
class Implicit:
    """`where g in subgrad r(x+)`: the rule as it was written, before it was solved for the next iterate."""

    name: str
    function: str
    """Its role, `r`."""
    value: Node
    """In the symbols ("subgradient", g) and ("next", x)."""
    metric: Node | None
    """P of x+ = prox_{r, P}(u), whose positivity the solution needs; None where it is not affine in g."""


@dataclass(frozen=True)
class Assignment:
    """`x+ = value` (next) or the let `v = value`."""

    name: str
    next: bool
    value: Node
    span: Span
    implicit: Implicit | None = None
    text: str = field(default="", compare=False)


Statement = Call | Assignment


@dataclass(frozen=True)
class Safeguard:
    """`safeguard descent`, `safeguard deviation(delta = 0.05)`"""

    method: Literal["descent", "deviation"]
    delta: float
    span: Span


@dataclass(frozen=True)
class Training:
    """What `train` says; None where it is silent."""

    problem: Problem | None
    sizes: tuple[tuple[str, float], ...]
    loss: Node | None
    reduction: Literal["mean", "sum"] | None
    settings: tuple[tuple[str, Any], ...]
    """(name, checked value), e.g. ("horizon", 100), ("optimizer", "adam"), ("rate", 0.01)"""
    loss_text: str = ""
    term_text: str = ""

    def get(self, name: str, default: Any = None) -> Any:
        return dict(self.settings).get(name, default)


@dataclass(frozen=True)
class Algorithm:
    name: str
    doc: str
    source: Source
    target: Literal["minimize", "recover"]
    variable: str
    """The reported iterate: the state with the name of the problem's variable."""
    functions: tuple[Function, ...]
    data: tuple[Datum, ...]
    networks: tuple[Network, ...]
    parameters: tuple[Parameter, ...]
    states: tuple[State, ...]
    statements: tuple[Statement, ...]
    expectations: tuple[tuple[str, str], ...]
    training: Training
    tree: Tree = field(repr=False, compare=False)
    variant: str | None = None
    safeguard: Safeguard | None = None

    @property
    def title(self) -> str:
        """`PBA12`, or `PBA12:PA` for a variant."""
        return f"{self.name}:{self.variant}" if self.variant else self.name

    @property
    def expressions(self) -> list[Node]:
        """Every expression of the rule: its lines, its parameters, what it starts from."""
        found: list[Node | None] = []
        for p in self.parameters:
            ends = (p.range.low, p.range.high) if p.range is not None else ()
            found += [p.value, p.init, *ends, p.facts.bound, p.facts.envelope, p.tail.value]
        found += [s.init for s in self.states]
        for s in self.statements:
            found += [s.value] if isinstance(s, Assignment) else list(s.inputs)
        return [e for e in found if e is not None]

    def parameter(self, name: str) -> Parameter:
        return next(p for p in self.parameters if p.name == name)

    def network(self, name: str) -> Network:
        return next(n for n in self.networks if n.name == name)


# ---- problems --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SmoothPart:
    """f; an external one is given as a torch callable at run time, and nothing of it is known here."""

    value: Node | None
    gradient: Node | None
    lipschitz: Node | None
    text: str
    stochastic: Node | None = None
    """The gradient in the symbol ("argument", "draw"), which weighs the rows; None without data to draw rows from."""
    rows: Type | None = None
    """The space whose entries are the rows."""

    @property
    def external(self) -> bool:
        return self.value is None


@dataclass(frozen=True)
class ProxPart:
    value: Node
    prox: Node
    """In the symbols ("argument", "v") and ("argument", "P")."""
    text: str
    subgradient: Node | None = None
    """With 0 at kinks; None for an indicator."""
    metrics: tuple[Literal["scalar", "diagonal"], ...] = ("scalar", "diagonal")
    """What P may be."""


@dataclass(frozen=True)
class Load:
    """`load "file.npz" { name = array }`"""

    file: str
    arrays: tuple[tuple[str, Type, str], ...]
    """(name, its space, the array's name in the file, `Y'` for its transpose)"""
    span: Span = field(compare=False, default=Span(0, 0))

    @property
    def table(self) -> bool:
        """Whether the file is a table in text, one instance."""
        return self.file.endswith(".csv")


@dataclass(frozen=True)
class Draw:
    """name ~ law(arguments), or name = formula (law empty)."""

    name: str
    type: Type
    law: str
    arguments: tuple[Node, ...]
    normalized: bool = False
    snr: Node | None = None
    """Of the noise that is added, in dB."""
    std: Node | None = None
    """Of the noise that is added."""
    options: tuple[tuple[str, Node], ...] = ()
    """Keyword arguments of the law."""
    shared: bool = False
    """Whether it is drawn once for all instances: shared data, and what they are computed from."""
    span: Span = field(compare=False, default=Span(0, 0))


@dataclass(frozen=True)
class Problem:
    name: str
    doc: str
    source: Source
    target: Literal["minimize", "recover"]
    variable: str
    variable_type: Type
    data: tuple[Datum, ...]
    smooth: SmoothPart | None
    prox: ProxPart | None
    options: tuple[tuple[str, float], ...]
    """Arguments of `sample` with their defaults: sizes and the rest."""
    draws: tuple[Draw | Load, ...]
    objective_text: str
    convex: bool = False
    """Whether the objective is proved convex: for every formula that is accepted, not for external ones."""
    coercive: bool = False
    """Whether it is proved to grow without bound in every direction."""
    strong: Node | None = None
    """A modulus of strong convexity, where one can be read off."""
    modulus: Node | None = None
    """A modulus of strong convexity that may need the data, and be 0 for them."""
    radius: Node | None = None
    """A bound of the minimizers' 2-norm, in the symbol ("argument", "F"): a value that the minimum does not exceed."""
    groups: tuple[Node, ...] = ()
    """Sizes of groups; each divides the variable's size."""
    boxes: tuple[tuple[Node, Node], ...] = ()
    """Lower and upper ends of indicators, where data decide that the first does not exceed the second."""
    tree: Tree = field(repr=False, compare=False, default=Tree())

    @property
    def drawn(self) -> list[str]:
        """What `sample` draws, computes or loads."""
        return [n for d in self.draws for n in ([d.name] if isinstance(d, Draw) else [name for name, *_ in d.arrays])]

    @property
    def ratios(self) -> set[str]:
        """Options that stand in `noise(snr = …)`: they may be inf."""
        return {n for d in self.draws if isinstance(d, Draw) for n in symbols(d.snr, "option")}

    @property
    def reals(self) -> set[str]:
        """Options that need not be whole, wherever they start: deviations, shares, ratios."""
        nodes = [e for d in self.draws if isinstance(d, Draw) for e in (d.std, *(value for _, value in d.options))]
        return self.ratios | {n for e in nodes for n in symbols(e, "option")}
