"""The operator table: one entry per operator, with its typing rule, its text in torch and its text in LaTeX.

To add an operator: one entry here, one case in tests/test_operators.py, one line of the table in docs/language.md. A
torch template's `{0}`, `{1}`, … are the arguments; a name that stands in `backends/torch/templates/helpers.py` brings
that helper into the generated file.
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
class Latex:
    r"""LaTeX text: `#1` is the first argument, `#1@3` the same in parentheses where it binds looser than 3.

    Write `\left(#1\right)` for brackets around an argument: they grow only where what is inside is tall.
    """

    text: str
    precedence: int = 5
    """Of the text: 5 atom, 4 with a superscript of its own, 3 product, 2 quotient with a slash, 1 sum, 0 looser."""


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
    latex: Latex | None = None
    """None: the name upright, with its arguments in parentheses."""

    @property
    def notation(self) -> Latex:
        arguments = ", ".join(f"#{i + 1}" for i in range(self.arity))
        return self.latex or Latex(rf"\operatorname{{{self.name.replace('_', '-')}}}\left({arguments}\right)")


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


def selecting(types: Sequence[Type]) -> Type:
    """soft_ss(v, theta, p): p is a scalar share of the entries."""
    if types[2].kind != "scalar":
        raise Misfit(2, "a scalar share of the entries")
    return threshold(types[:2])


def chosen(types: Sequence[Type]) -> Type:
    """where(condition, a, b): per instance for a scalar condition, per entry for a vector one."""
    if types[0].kind != "condition":
        raise Misfit(0, "a comparison, such as `<u, v> > 0`")
    if types[1].is_operator and types[1].kind != "diag":
        raise Misfit(1, "scalars or vectors")
    try:
        result = entrywise(types[1:])
    except Misfit as misfit:
        raise Misfit(misfit.index + 1, misfit.wanted) from None
    if types[0].sizes and result.kind != "scalar" and result.sizes != types[0].sizes:
        raise Misfit(0, f"a comparison of things of size {result.rows}")
    return Type("vector", types[0].sizes) if types[0].sizes and result.kind == "scalar" else result


def square(types: Sequence[Type]) -> Type:
    if not types[0].is_square or types[0].kind == "identity":
        raise Misfit(0, "a square matrix")
    return types[0]


def pseudo_inverse(types: Sequence[Type]) -> Type:
    if types[0].kind not in ("matrix", "sym"):
        raise Misfit(0, "a matrix")
    return matrix(types[0].columns, types[0].rows)


def like_matrix(types: Sequence[Type]) -> Type:
    if types[0].kind != "matrix":
        raise Misfit(0, "a matrix")
    return types[0]


def of_rows(types: Sequence[Type]) -> Type:
    return matrix(like_matrix(types).rows, types[0].rows)


def two_matrices(types: Sequence[Type]) -> Type:
    for i, t in enumerate(types):
        if t.kind != "matrix" or t.sizes != types[0].sizes:
            raise Misfit(i, "two matrices of one size")
    return SCALAR


def diagonal(types: Sequence[Type]) -> Type:
    if types[0].kind != "vector":
        raise Misfit(0, "a vector")
    return Type("diag", types[0].sizes)


def pair(types: Sequence[Type]) -> Type:
    for i, t in enumerate(types):
        if t.kind != "vector" or t.sizes != types[0].sizes:
            raise Misfit(i, "two vectors of one size")
    return SCALAR


def grouped(types: Sequence[Type]) -> Type:
    """group_l2(v, size): size is a number."""
    if types[1].kind != "scalar":
        raise Misfit(1, "the size of a group, an integer")
    return total(types[:1])


def unchecked(types: Sequence[Type]) -> Type:
    """Infix operators: passes/expressions.py decides from the spaces which one is meant."""
    return types[0]


# ---- the table -------------------------------------------------------------------------------------


def _function(name: str, torch: str = "", latex: str = "") -> Operator:
    """A function of every entry."""
    return Operator(name, 1, entrywise, torch or f"torch.{name}({{0}})", latex=Latex(latex) if latex else None)


CALLS: dict[str, Operator] = {
    op.name: op
    for op in (
        _function("sqrt", latex=r"\sqrt{#1}"),
        _function("exp", latex=r"\exp\left(#1\right)"),
        _function("log", latex=r"\log\left(#1\right)"),
        _function("tanh", latex=r"\tanh\left(#1\right)"),
        _function("sigmoid"),
        _function("relu", latex=r"\operatorname{ReLU}\left(#1\right)"),
        _function("elu", "torch.nn.functional.elu({0})", r"\operatorname{ELU}\left(#1\right)"),
        _function("softplus", "torch.nn.functional.softplus({0})"),
        _function("abs", "{0}.abs()", r"\left|#1\right|"),
        _function("sign"),
        _function("floor", latex=r"\left\lfloor #1 \right\rfloor"),
        Operator("max", 2, entrywise, "larger({0}, {1})", latex=Latex(r"\max\left\{#1, #2\right\}")),
        Operator("min", 2, entrywise, "smaller({0}, {1})", latex=Latex(r"\min\left\{#1, #2\right\}")),
        Operator("clip", 3, entrywise, "smaller(larger({0}, {1}), {2})",
                 latex=Latex(r"\operatorname{clip}_{[#2, #3]}\left(#1\right)")),
        Operator("huber", 2, threshold, "huber({0}, {1})", latex=Latex(r"\operatorname{huber}_{#2}\left(#1\right)")),
        Operator("soft", 2, threshold, "soft({0}, {1})", latex=Latex(r"\operatorname{soft}_{#2}\left(#1\right)")),
        Operator("soft_ss", 3, selecting, "soft_ss({0}, {1}, {2})",
                 latex=Latex(r"\operatorname{soft}^{\mathrm{ss}}_{#2, #3}\left(#1\right)")),
        Operator("where", 3, chosen, "torch.where({0}, {1}, {2})",
                 latex=Latex(r"\begin{cases} #2 & \text{if } #1 \\ #3 & \text{otherwise} \end{cases}", 0)),
        Operator("detach", 1, same, "{0}.detach()", latex=Latex("#1")),  # changes no value
        Operator("diag", 1, diagonal, "{0}"),  # a diagonal is the vector of its entries
        Operator("sum", 1, total, "{0}.sum(-1, keepdim=True)"),
        Operator("mean", 1, total, "{0}.mean(-1, keepdim=True)"),
        Operator("group_l2", 2, grouped, "group_norms({0}, {1}).sum(-1, keepdim=True)"),
        Operator("inv", 1, square, "torch.linalg.inv({0})", costly=True, latex=Latex("#1@5^{-1}", 4)),
        Operator("pinv", 1, pseudo_inverse, "torch.linalg.pinv({0})", costly=True, latex=Latex(r"#1@5^{\dagger}", 4)),
        Operator("analytic_weight", 1, like_matrix, "analytic_weight({0})", costly=True),
        Operator("symmetric_weight", 1, like_matrix, "symmetric_weight({0})", costly=True),
        Operator("whitening", 1, of_rows, "whitening({0})", costly=True),
        Operator("coherence", 2, two_matrices, "coherence({0}, {1})", costly=True),
    )
}  # fmt: skip
"""Operators written as calls: `soft(v, theta)`."""

INFIX: dict[str, Operator] = {
    op.name: op
    for op in (
        Operator("add", 2, unchecked, "{0} + {1}", 1),
        Operator("subtract", 2, unchecked, "{0} - {1}", 1),
        Operator("negate", 1, unchecked, "-{0}", 3),
        Operator("times", 2, unchecked, "{0} * {1}", 2),  # entries, a scalar, or a diagonal times a vector
        Operator("scale", 2, unchecked, "{0} * {1}", 2),  # a scalar times a matrix
        Operator("scale_rows", 2, unchecked, "{0}.unsqueeze(-1) * {1}", 2),  # a diagonal times a matrix
        Operator("scale_columns", 2, unchecked, "{0} * {1}.unsqueeze(-2)", 2),  # a matrix times a diagonal
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
        Operator("norm_0", 1, total, "nonzeros({0})"),
        Operator("norm_F", 1, spectral, "torch.linalg.matrix_norm({0}).unsqueeze(-1)", costly=True),
        Operator("spectral", 1, spectral, "spectral_squared({0}).sqrt()", costly=True),
        Operator("spectral_squared", 1, spectral, "spectral_squared({0})", costly=True),
        Operator("compare", 2, unchecked, "{0} {op} {1}", 0),
    )
}
"""Operators with a notation of their own."""

NOTATION: dict[str, Latex] = {
    "+": Latex("#1@1 + #2@2", 1),
    "-": Latex("#1@1 - #2@2", 1),
    "negate": Latex("-#1@3", 3),
    "*": Latex("#1@3 #2@4", 3),
    "/": Latex(r"\frac{#1}{#2}", 4),
    "inline /": Latex("#1@2/#2@4", 2),
    ".*": Latex(r"#1@3 \odot #2@4", 3),
    "./": Latex(r"#1@3 \oslash #2@4", 3),
    "^": Latex("#1@5^{#2}", 4),
    ".^": Latex(r"#1@5^{\odot #2}", 4),
    "'": Latex(r"#1@5^{\top}", 4),
    "†": Latex(r"#1@5^{\dagger}", 4),
    "norm": Latex(r"\left\|#1\right\|_{#2}"),
    "inner": Latex(r"\left\langle #1, #2 \right\rangle"),
    "prox": Latex(r"\operatorname{prox}_{#1, #2}\left(#3\right)"),
    "grad": Latex(r"\nabla #1\left(#2\right)", 4),
    "subgrad": Latex(r"\partial #1\left(#2\right)", 4),
    "stochgrad": Latex(r"\widehat{\nabla} #1\left(#2\right)", 4),
}
"""The LaTeX of what has a notation of its own: as written, whatever operator the spaces make of it."""
DERIVED: dict[str, Operator] = {
    op.name: op
    for op in (
        Operator("indicator", 3, unchecked, "indicator({0}, {1}, {2})"),
        Operator("unit", 1, unchecked, "unit({0})"),
        Operator("group_unit", 2, unchecked, "group_unit({0}, {1})"),
        Operator("shrink_l2", 2, unchecked, "shrink_l2({0}, {1})"),
        Operator("shrink_groups", 3, unchecked, "shrink_groups({0}, {1}, {2})"),
        Operator("smallest_squared", 1, unchecked, "smallest_squared({0})", costly=True),
    )
}
"""Operators of problems: the indicator, whose argument is a comparison, and what follows from norms and data fits."""

OPERATORS = CALLS | INFIX | DERIVED
