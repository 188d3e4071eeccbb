"""The operator table: one entry per operator, with its typing rule and its meaning in every backend.

To add an operator: one entry here, one test, one line in docs/language.md. A template's `{0}`, `{1}`, … are the
arguments; a name that stands in `backends/torch/templates/helpers.py` brings that helper into the generated file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .types import SCALAR, Type, matrix


class Misfit(Exception):
    """Operands that do not fit: which one, and what was wanted."""

    def __init__(self, index: int, wanted: str, help: str = "") -> None:
        super().__init__(wanted)
        self.index, self.wanted, self.help = index, wanted, help


@dataclass(frozen=True)
class Operator:
    name: str
    arity: int
    typing: Callable[[Sequence[Type]], Type]
    """Result type; raises Misfit."""
    torch: str
    precedence: int = 5
    """Of the torch text: 5 atom, 4 power, 3 sign, 2 product, 1 sum."""
    costly: bool = False
    """Worth computing once when it occurs twice."""
    numeric: str = ""
    """The text where every argument is a Python number; empty: as `torch`."""


# ---- typing rules ----------------------------------------------------------------------------------

ENTRYWISE = ("scalar", "vector", "diag")


def entrywise(types: Sequence[Type]) -> Type:
    """Scalars, vectors and diagonals of one size; a scalar stands for all entries."""
    result = types[0]
    for i, t in enumerate(types):
        if t.kind not in ENTRYWISE:
            raise Misfit(i, "a scalar, a vector or a diagonal")
        if result.kind == "scalar":
            result = t
        elif t.kind != "scalar" and t.sizes != result.sizes:
            raise Misfit(i, f"something of size {result.rows}")
        elif t.kind == "vector":
            result = t
    return result


def threshold(types: Sequence[Type]) -> Type:
    """soft(v, theta): theta is a scalar or has v's size."""
    if types[1].kind != "scalar" and types[1].sizes != types[0].sizes:
        raise Misfit(1, f"a scalar or something of the size of {types[0]}")
    return entrywise(types[:1])


def same(types: Sequence[Type]) -> Type:
    return types[0]


def flipped(types: Sequence[Type]) -> Type:
    if not types[0].is_operator:
        raise Misfit(0, "a matrix", "a vector has no transpose here: write `<u, v>` for the inner product")
    return matrix(types[0].columns, types[0].rows) if types[0].kind == "matrix" else types[0]


def total(types: Sequence[Type]) -> Type:
    if types[0].kind != "vector":
        raise Misfit(0, "a vector")
    return SCALAR


def spectral(types: Sequence[Type]) -> Type:
    if types[0].kind not in ("matrix", "sym"):
        raise Misfit(0, "a matrix")
    return SCALAR


def pair(types: Sequence[Type]) -> Type:
    for i, t in enumerate(types):
        if t.kind != "vector" or t.sizes != types[0].sizes:
            raise Misfit(i, "two vectors of one size")
    return SCALAR


def unchecked(types: Sequence[Type]) -> Type:
    """Infix operators: passes/expressions.py decides from the spaces which one is meant."""
    return types[0]


# ---- the table -------------------------------------------------------------------------------------


def _function(name: str, torch: str, numeric: str = "") -> Operator:
    return Operator(name, 1, entrywise, torch, numeric=numeric or f"math.{name}({{0}})")


CALLS: dict[str, Operator] = {
    op.name: op
    for op in (
        _function("sqrt", "torch.sqrt({0})"),
        _function("exp", "torch.exp({0})"),
        _function("log", "torch.log({0})"),
        _function("tanh", "torch.tanh({0})"),
        _function("sigmoid", "torch.sigmoid({0})", "1 / (1 + math.exp(-({0})))"),
        _function("relu", "torch.relu({0})", "max({0}, 0)"),
        _function("abs", "{0}.abs()", "abs({0})"),
        _function("sign", "torch.sign({0})", "math.copysign(1, {0})"),
        Operator("soft", 2, threshold, "soft({0}, {1})"),
        Operator("detach", 1, same, "{0}.detach()"),
        Operator("sum", 1, total, "{0}.sum(-1, keepdim=True)"),
        Operator("mean", 1, total, "{0}.mean(-1, keepdim=True)"),
    )
}
"""Operators written as calls: `soft(v, theta)`."""

INFIX: dict[str, Operator] = {
    op.name: op
    for op in (
        Operator("add", 2, unchecked, "{0} + {1}", 1),
        Operator("subtract", 2, unchecked, "{0} - {1}", 1),
        Operator("negate", 1, unchecked, "-{0}", 3),
        Operator("times", 2, unchecked, "{0} * {1}", 2),  # entries, a scalar, or a diagonal times a vector
        Operator("scale", 2, unchecked, "{0} * {1}", 2),  # a scalar times a matrix
        Operator("over", 2, unchecked, "{0} / {1}", 2),
        Operator("shrink", 2, unchecked, "{0} / {1}", 2),  # a matrix over a scalar
        Operator("power", 2, unchecked, "{0} ** {1}", 4),
        Operator("apply", 2, unchecked, "matvec({0}, {1})", costly=True),
        Operator("compose", 2, unchecked, "{0} @ {1}", 2, costly=True),
        Operator("transpose", 1, flipped, "{0}.mT"),
        Operator("inner", 2, pair, "({0} * {1}).sum(-1, keepdim=True)"),
        Operator("norm_1", 1, total, "{0}.abs().sum(-1, keepdim=True)"),
        Operator("norm_2", 1, total, "torch.linalg.vector_norm({0}, dim=-1, keepdim=True)"),
        Operator("norm_2_squared", 1, total, "{0}.square().sum(-1, keepdim=True)"),
        Operator("norm_inf", 1, total, "{0}.abs().amax(-1, keepdim=True)"),
        Operator("norm_0", 1, total, "({0} != 0).to({0}.dtype).sum(-1, keepdim=True)"),
        Operator("spectral", 1, spectral, "spectral_squared({0}).sqrt()", costly=True),
        Operator("spectral_squared", 1, spectral, "spectral_squared({0})", costly=True),
    )
}
"""Operators with a notation of their own."""

OPERATORS = CALLS | INFIX
