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


@dataclass(frozen=True)
class Node:
    """op(args): an operation of the operator table; `grad`, `prox`, `value` (attr: the function's role `f`, `r`, `F`);
    or a leaf: `number` (attr: its text), `symbol` (attr: (role, name)), `identity`."""

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
    """A declared function; role `f` is the smooth part, `r` the proximable one."""

    name: str
    role: Literal["f", "r"]
    properties: tuple[str, ...]
    lipschitz: str | None
    span: Span


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
class Parameter:
    name: str
    kind: Literal["learned", "predicted", "fixed"]
    type: Type
    span: Span
    value: Node | None = None
    """fixed: the formula."""
    init: Node | None = None
    """learned: the initial value in the natural scale."""
    range: Range | None = None
    text: str = field(default="", compare=False)
    """Its formula, initial value and facts as the user wrote them."""

    @property
    def per_iteration(self) -> bool:
        return self.name.endswith("_k")

    @property
    def attribute(self) -> str:
        """The module's attribute: `theta` for `theta_k`."""
        return self.name.removesuffix("_k")


@dataclass(frozen=True)
class Network:
    name: str
    cell: Literal["lstm"]
    hidden: int
    layers: int
    head: int
    span: Span


@dataclass(frozen=True)
class Prediction:
    """One network call per iteration, made just before its first use."""

    network: str
    inputs: tuple[Node, ...]
    outputs: tuple[str, ...]
    """Names of the predicted parameters that the rule uses; dead ones are not among them."""
    span: Span


@dataclass(frozen=True)
class State:
    name: str
    type: Type
    init: Node
    span: Span


@dataclass(frozen=True)
class Assignment:
    """`x+ = value` (next) or the let `v = value`."""

    name: str
    next: bool
    value: Node
    span: Span


Statement = Prediction | Assignment


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

    def parameter(self, name: str) -> Parameter:
        return next(p for p in self.parameters if p.name == name)

    def network(self, name: str) -> Network:
        return next(n for n in self.networks if n.name == name)


# ---- problems --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SmoothPart:
    value: Node
    gradient: Node
    lipschitz: Node
    text: str


@dataclass(frozen=True)
class ProxPart:
    value: Node
    prox: Node
    """In the symbols ("option", "v") and ("option", "P")."""
    text: str


@dataclass(frozen=True)
class Draw:
    """name ~ law(arguments), or name = formula (law empty)."""

    name: str
    type: Type
    law: str
    arguments: tuple[Node, ...]
    normalized: bool = False
    snr: Node | None = None
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
    draws: tuple[Draw, ...]
    objective_text: str
    tree: Tree = field(repr=False, compare=False)
