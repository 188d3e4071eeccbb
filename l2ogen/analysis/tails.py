"""What the tails of per-iteration parameters make of a vector for large k: c_k with `tail 1` ends at 1."""

from __future__ import annotations

import sympy as sp

from .algebra import ONES, Atom, Vector, Word, limit
from .convergence import _in_k
from .evaluate import free
from .model import Model


def ended_by_tails(v: Vector, model: Model) -> Vector | None:
    """A vector with the tails of parameters in their place, and their limits; None without tails."""
    k = sp.Symbol("k", integer=True, nonnegative=True)
    ends: dict[str, sp.Expr] = {}
    for p in model.program.parameters:
        if p.kind == "learned" and p.per_iteration and p.tail.value is not None:
            node = p.tail.value.args[0] if p.tail.value.op == "broadcast" else p.tail.value
            end = sp.Integer(0) if p.tail.kind == "decay" else _in_k(node, k)
            if end is not None:
                ends[p.name] = end
    if not free(v) & set(ends):
        return None
    total: dict[tuple[Word, Atom], sp.Expr] = {}
    for (w, atom), c in v.terms.items():
        for name in [x.name for x in w if x.kind == "diag"] + [atom.name] * (atom.kind == "parameter"):
            c = c * ends.get(name, 1)
        c = c.subs({s: ends[s.name] for s in c.free_symbols if s.name in ends})
        end = limit(c, k) if k in c.free_symbols else c
        key = tuple(x for x in w if x.kind != "diag" or x.name not in ends), ONES if atom.name in ends else atom
        total[key] = total.get(key, sp.Integer(0)) + (c if end is None or not end.is_finite else end)
    return Vector(total)


__all__ = ["ended_by_tails"]
