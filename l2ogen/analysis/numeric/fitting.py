"""Random problems of known solution that fit a program: its functions with their properties, or its data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...core import ir
from ...core.constants import constant
from .functions import SMOOTH, Proximable, Smooth
from .instances import Instance, lasso, least_squares, recovery, tilted
from .interpreter import CannotRun
from .operators import Array


def instance_for(
    program: ir.Algorithm, target: str, rng: np.random.Generator, n: int = 3, r: str | None = None, f: str | None = None
) -> Instance:
    """A random problem that a program can be run on; target: `minimize` or `recover`.

    Abstract functions are tilted ones with the declared properties, of any kind or the given ones. Declared data are
    those of a LASSO, or of a recovery. Raises CannotRun where it is not known what the data mean.
    """
    if program.data:
        return with_data(program, target, rng, n)
    if target == "recover":
        raise CannotRun("a rule without data has nothing to recover from")
    roles = {g.role for g in program.functions}
    kind = r or str(rng.choice(kinds(program)))
    weight, width = float(rng.uniform(0.2, 1)), float(rng.uniform(0.5, 1.5))
    if kind == "quadratic":
        weight += modulus(program, "r")
    if roles == {"r"}:
        center = rng.normal(size=n)
        inside = center + (rng.uniform(-0.9, 0.9, n) * width if kind == "box" else 0.0)
        made = tilted(None, Proximable(kind, n, weight, width, center=center), inside, np.zeros(n), kind)
    else:
        rest = Proximable("zero" if roles == {"f"} else kind, n, weight, width, slope=rng.normal(size=n))
        x_star = feasible(rest, rng)
        strong = any({"strongly_convex", "coercive"} & set(g.properties) for g in program.functions if g.role != "r")
        phi = smooth(rng, n, f or ("square" if strong else str(rng.choice(SMOOTH))), modulus(program, "f", "F"))
        made = tilted(phi, rest, x_star, rest.some_subgradient(x_star, rng), f"{phi.kind} + {rest.kind}")
    return replace(made, mu=weight) if "strongly_convex" in properties(program, "r") else made


def properties(program: ir.Algorithm, role: str) -> set[str]:
    return {name for g in program.functions if g.role == role for name in g.properties}


def modulus(program: ir.Algorithm, *roles: str) -> float:
    """The number mu of `strongly_convex(mu)`; 0 where it is a name, or not declared."""
    return max([constant(g.modulus) or 0.0 for g in program.functions if g.role in roles], default=0.0)


def kinds(program: ir.Algorithm) -> list[str]:
    """The kinds that r can be of."""
    alone = {g.role for g in program.functions} == {"r"}
    if "strongly_convex" in properties(program, "r"):
        return ["quadratic"]
    if alone or "coercive" in properties(program, "r"):
        return ["l1", "group", "quadratic", "box"]
    return ["zero", "l1", "box", "nonneg", "group"]


def smooth(rng: np.random.Generator, n: int, kind: str, mu: float = 0.0) -> Smooth:
    """A random one; a square is strongly convex with at least the modulus mu."""
    M = rng.normal(size=(n + 2, n)) / np.sqrt(n)
    if kind == "square" and mu > 0:
        M *= np.sqrt(1.5 * mu / np.linalg.eigvalsh(M.T @ M)[0])
    return Smooth(kind, M, 0.3 * rng.normal(size=n + 2), tau=float(rng.uniform(0.3, 2)))


def feasible(r: Proximable, rng: np.random.Generator) -> Array:
    """A point in the domain, some of its coordinates at kinks or ends, but not all: it would be where rules start."""
    z = np.abs(rng.normal(size=r.n)) * (rng.choice([-1.0, 1.0], r.n) if r.kind != "nonneg" else 1.0)
    chosen = rng.random(r.n) < 0.6
    chosen[int(rng.integers(r.n))] = True
    z[~chosen] = 0.0
    match r.kind:
        case "box":
            z = np.clip(z, -r.width, r.width)
        case "group" if r.n > r.size:
            z[: r.size] = 0.0
            z[-1] = z[-1] or 1.0
    return r.center + z


def orthogonal_lasso(program: ir.Algorithm, lam: float, n: int = 3) -> Instance:
    """1/2*||x - b||_2^2 + lam*||x||_1: A = I, where x_star is the soft threshold of b."""
    x_star = np.arange(1.0, n + 1) * (np.arange(n) % 2 == 0)
    b = x_star + lam * np.where(x_star != 0, 1.0, 0.5)
    made = least_squares(np.eye(n), b, Proximable("l1", n, lam), x_star, least_squares_names(program), "lasso, A = I")
    return weighted(program, made, lam)


def scalar_lasso(program: ir.Algorithm, h: float, L: float, x_star: float = 100.0) -> Instance:
    """h/2*(x - c)^2 + h/100*|x| in one dimension, written with A and b: c = x_star + 1/100."""
    lam, root = h / 100, np.sqrt(h)
    A, b = np.array([[root]]), np.array([root * x_star + lam / root])
    title = f"{h:g}/2*(x - {x_star + lam / h:g})^2 + {lam:g}*|x|"
    rest = Proximable("l1", 1, lam)
    made = least_squares(A, b, rest, np.array([x_star]), least_squares_names(program), title)
    return weighted(program, replace(made, L=L, mu=h), lam)


def with_data(program: ir.Algorithm, target: str, rng: np.random.Generator, n: int) -> Instance:
    names = least_squares_names(program)
    m, count = max(2, (3 * n) // 4), max(1, n // 4)
    shape = {d.name: d.type.rows for d in program.data if d.type.sizes}
    if shape[names[0]] == next(s.type.rows for s in program.states if s.name == program.variable):
        m = n
    if target == "recover":
        made = recovery(rng, m, n, names, count)
    else:
        made = lasso(rng, m, n, float(rng.uniform(0.1, 0.5)), names, count)
    return weighted(program, made, made.r.weight or float(rng.uniform(0.1, 0.5)))


def weighted(program: ir.Algorithm, made: Instance, weight: float) -> Instance:
    """With the weight of r among the data; a recovery has no r, but the rule may have thresholds."""
    weights = [d.name for d in program.data if d.type.kind == "scalar"]
    return replace(made, data=made.data | dict.fromkeys(weights, weight), scaling=(*made.scaling, *weights))


def least_squares_names(program: ir.Algorithm) -> tuple[str, str]:
    """The names of A and b in a program with data A, b: the one matrix with the variable's columns, the one vector of
    its rows."""
    columns = next(s.type.rows for s in program.states if s.name == program.variable)
    matrices = [d for d in program.data if d.type.kind == "matrix" and d.type.columns == columns]
    vectors = [d for d in program.data if d.type.kind == "vector" and matrices and d.type.rows == matrices[0].type.rows]
    bound = program.training.problem
    smooth = bound.smooth.value if bound is not None and bound.smooth is not None else None
    foreign = smooth is not None and not is_least_squares(smooth)
    scalars = [d for d in program.data if d.type.kind == "scalar"]
    if foreign or len(matrices) != 1 or len(vectors) != 1 or len(scalars) + 2 != len(program.data) or len(scalars) > 1:
        raise CannotRun(f"it is not known which problem `{', '.join(d.name for d in program.data)}` belong to")
    return matrices[0].name, vectors[0].name


def is_least_squares(value: ir.Node) -> bool:
    """1/2*||A*x - b||_2^2"""
    core = value.args[-1] if value.op == "times" else value
    return core.op == "norm_2_squared" and core.args[0].op == "subtract"
