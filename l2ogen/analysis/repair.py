"""The nearest declaration that would be proved, as a patch: the lines of a variant, applied to the file and checked.

Patches are tried from the smallest on; one is offered only if the result was examined and came out better.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import sympy as sp

from ..core import ir
from ..syntax import tree as t
from .algebra import Letter
from .report import RANK, Report, TargetReport

Check = Callable[[t.File], Report | None]
"""A tree -> its report; None where it has mistakes."""
Apply = Callable[[t.File, tuple[str, ...]], t.File | None]
"""(file, lines of a variant, or whole blocks) -> the changed file; None where they do not apply."""


@dataclass(frozen=True)
class Patch:
    """Lines of a variant, and what they achieve."""

    lines: tuple[str, ...]
    tree: t.File
    report: Report
    before: Report

    def gains(self) -> list[str]:
        """`fixed point: conditional -> proved`"""
        found = []
        pairs = (("fixed point", "fixed_point"), ("convergence", "convergence"))
        for title, name in pairs:
            old, new = (getattr(r.targets[0], name).verdict for r in (self.before, self.report))
            if RANK[new] > RANK[old]:
                found.append(f"{title}: {old} -> {new}")
        return found


def repair(report: Report, file: t.File, apply: Apply, check: Check) -> Patch | None:
    """The first patch that makes the declared target's verdicts better: the fixed point first, then convergence."""
    best: Patch | None = None
    for lines in candidates(report):
        tree = apply(file, tuple(lines))
        after = check(tree) if tree is not None else None
        if tree is None or after is None:
            continue
        if score(after) > score(report) and (best is None or score(after) > score(best.report)):
            best = Patch(tuple(lines), tree, after, report)
    return best


def score(report: Report) -> tuple[int, int]:
    first = report.targets[0]
    return RANK[first.fixed_point.verdict], RANK[first.convergence.verdict]


def candidates(report: Report) -> Iterator[list[str]]:
    """Patches worth trying, as lines of a variant."""
    first = report.targets[0]
    program = report.program
    fixes = [*_vanishing(first, program), *_coupling(first, program), *_signs(first, program)]
    for fix in fixes:
        yield [fix]
    if len(fixes) > 1:
        yield fixes
    yield from _turned(program)
    certified = _certified(program)
    if certified:
        yield certified
    steps = _steps(first, program)
    yield from steps
    for step in steps:
        if fixes:
            yield [*fixes, *step]
    yield from _smooth(program)
    yield from _safeguards(program)


def _vanishing(report: TargetReport, program: ir.Algorithm) -> list[str]:
    """Biases and thresholds that must tend to 0."""
    found = []
    names = {o.split(" ")[0].lstrip("-") for o in report.fixed_point.obligations}
    for p in program.parameters:
        if p.name not in names or p.type.kind in ("matrix", "sym"):
            continue
        sign = ""
        if p.range is not None and p.range.low is not None:
            sign = f", {p.name} {'>' if p.range.low_open else '>='} 0"
        if p.kind == "learned" and p.per_iteration:
            found.append(f"{p.name} with {p.name} -> 0{sign.replace(' > 0', ' >= 0')}")
        else:
            found.append(f"{p.name} with {p.name} -> 0 like 1/(k + 1)^2{sign.replace(' > 0', ' >= 0')}")
    return found


def _coupling(report: TargetReport, program: ir.Algorithm) -> list[str]:
    """`W2_k + W1_k*A - I -> 0` solved for a learned matrix that stands alone: `W2_k = I - W1_k*A`."""
    frozen = report.fixed_point.frozen
    if frozen is None:
        return []
    for o in frozen.evaluation.obligations:
        for atom in o.vector.atoms:
            op = o.vector.part(atom)
            for p in program.parameters:
                word = (Letter(p.name, p.type.kind if p.type.kind in ("diag", "sym") else "free"),)
                alone = op.terms.get(word)
                others = [w for w in op.terms if w != word and any(x.name == p.name for x in w)]
                free = p.kind in ("learned", "predicted") and p.type.kind in ("matrix", "diag")
                if free and alone is not None and not others and not alone.free_symbols:
                    rest = type(op)({w: -c / alone for w, c in op.terms.items() if w != word})
                    return [] if rest.is_zero else [f"{p.name} = {rest}"]
                symbol = sp.Symbol(p.name, real=True)
                if p.kind in ("learned", "predicted") and p.type.kind == "scalar" and len(op.terms) == 1:
                    (c,) = op.terms.values()
                    solutions = sp.solve(c, symbol) if symbol in c.free_symbols else []
                    if len(solutions) == 1 and solutions[0] != 0:
                        return [f"{p.name} = {str(solutions[0]).replace('**', '^')}"]
    return []


def _signs(report: TargetReport, program: ir.Algorithm) -> list[str]:
    """Facts that side conditions ask for."""
    found = []
    for claim, ok, _ in report.fixed_point.side:
        name, _, rest = claim.partition(" ")
        p = next((p for p in program.parameters if p.name == name), None)
        if ok or p is None or p.range is not None or p.kind not in ("learned", "predicted"):
            continue
        smooth = any(f.role == "f" and f.lipschitz for f in program.functions)
        if rest == "> 0":
            L = next((f.lipschitz for f in program.functions if f.lipschitz), "L")
            found.append(f"{name} with 0 < {name} < 2/{L}" if smooth else f"{name} with {name} > 0")
        elif rest == ">= 0":
            found.append(f"{name} with {name} >= 0")
    return found


def _turned(program: ir.Algorithm) -> Iterator[list[str]]:
    """A gradient that is added, subtracted: `x+ = x + P*grad f(x)`."""
    for s in program.statements:
        turned = re.sub(r"\+ (?=[^-+]*\bgrad \w+\()", "- ", s.text, count=1)
        if isinstance(s, ir.Assignment) and turned != s.text:
            yield [turned]


def _steps(report: TargetReport, program: ir.Algorithm) -> list[list[str]]:
    """Ranges in which a certificate holds: P below 2/L without momentum, below 1/L with |A| < 1."""
    form = report.form
    L = next((f.lipschitz for f in program.functions if f.lipschitz), None)
    if form is None or L is None:
        return []
    P = next((p for p in program.parameters if p.name == str(form.P).removesuffix("*I")), None)
    A = next((p for p in program.parameters if p.name == str(form.A).removesuffix("*I")), None)
    B = next((p for p in program.parameters if p.name == str(form.B).removesuffix("*I")), None)
    tuned = [p for p in (P, A) if p is not None and p.kind in ("learned", "predicted")]
    if not tuned:
        return []
    found = []
    if form.A.is_zero and P in tuned and P is not None:
        found.append([f"{P.name} with 0 < {P.name} < 2/{L}"])
    if P in tuned and P is not None and A is not None and A in tuned:
        # |A|^2 < lo/hi of P, margins of the ranges included
        found.append([f"{P.name} with 0.5/{L} <= {P.name} <= 1/{L}", f"{A.name} with -0.7 < {A.name} < 0.7"])
    elif A is not None and A in tuned:
        found.append([f"{A.name} with -1 < {A.name} < 1"])
    if B is not None and found and B.kind in ("learned", "predicted"):
        found.append([*found[-1], f"{B.name} = I"])
    return found


FUNCTION = "f(x) : convex, smooth(L)"


def _smooth(program: ir.Algorithm) -> Iterator[list[str]]:
    """A rule that takes subgradients of a convex F, on the class of smooth f, whose gradient vanishes at solutions."""
    if [(f.role, f.lipschitz) for f in program.functions] != [("F", None)] or program.data:
        return
    lines = [s.text.replace(f"subgrad {program.functions[0].name}(", "grad f(") for s in program.statements]
    yield [f"problem {{ {FUNCTION}; minimize f(x) }}", "update {\n" + "\n".join(lines) + "\n}", "train {}"]


def _safeguards(program: ir.Algorithm) -> Iterator[list[str]]:
    """Any rule, made to step no further than theorem C2 allows from a proximal gradient step; a black box of a convex F
    is taken for one of f + r."""
    if program.safeguard is not None:
        return
    guard = "safeguard deviation(delta = 0.05)"
    yield [guard]
    if {f.role for f in program.functions} == {"F"}:
        yield [f"problem {{ {FUNCTION}; r(x) : convex, proximable; minimize f(x) + r(x) }}", guard]


def _certified(program: ir.Algorithm) -> list[str]:
    """L2O-PA -> the form that theorem C2 certifies for every weight."""
    lines = [s for s in program.statements if isinstance(s, ir.Assignment)]
    calls = [s for s in program.statements if isinstance(s, ir.Call)]
    if len(calls) != 1 or len(calls[0].outputs) != 2 or len(lines) != 2 or len(program.states) != 2:
        return []
    x, y = (s.name for s in lines)
    P, A = calls[0].outputs
    smooth = next((f for f in program.functions if f.role == "f"), None)
    r = next((f for f in program.functions if f.role == "r"), None)
    if smooth is None or r is None or smooth.lipschitz is None:
        return []
    wanted = {f"{x}+ = prox_{r.name},{P}({y} - {P}*grad {smooth.name}({y}))", f"{y}+ = {x}+ + {A}*({x}+ - {x})"}
    if {s.text for s in lines} != wanted or {s.name for s in program.states} != {x, y}:
        return []
    L, call = smooth.lipschitz, calls[0].text.split(" = ", 1)[1].split(" with ")[0]
    g, fn = f"grad {smooth.name}({y})", r.name
    return [
        f"parameters {{ predicted q, t in R^n = {call}; fixed eps in R = 0.1; fixed delta in R = 0.05 }}",
        f"state {{ {x}, a in R^n = 0; {y} in R^n = {x}; p in R^n = 1/{L} }}",
        "update {\n"
        f"  low = min(1/{L}, max(eps/{L}, a.^2 .* p/(1 - delta)))\n"
        f"  p+ = low + (1/{L} - low) .* sigmoid(q)\n"
        f"  {P} = diag(p+)\n"
        f"  {x}+ = prox_{fn},{P}({y} - {P}*{g})\n"
        "  a+ = sqrt(1 - delta)*tanh(t)\n"
        f"  {y}+ = {x}+ + a+ .* ({x}+ - {x})\n}}",
    ]


__all__ = ["Patch", "candidates", "repair"]
