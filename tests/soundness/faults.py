"""Faults planted in the checker: each must make the soundness test complain about some random rule.

python -m tests.soundness.faults looks for such rules and prints a number for each, for tests/test_faults.py, and which
test complained.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np

from l2ogen.analysis import algebra, bounds, convergence, enclosure, evaluate, fixed_point, general, normal_form, states
from l2ogen.analysis.algebra import Letter, Vector
from l2ogen.analysis.bounds import Interval
from l2ogen.analysis.model import Model
from l2ogen.analysis.report import Report, examine

from .judge import judge
from .rules import Rule, program_of, rule

Change = tuple[Any, str, Any]


def always(value: object) -> Callable[..., object]:
    return lambda *_, **__: value


def around(owner: Any, name: str, change: Callable[..., Any]) -> Change:
    """The function with its result changed: change(result, *arguments)."""
    old = getattr(owner, name)
    return owner, name, lambda *args, **kwargs: change(old(*args, **kwargs), *args, *kwargs.values())


def word_sorted(commutes: Callable[[Letter], bool]) -> Callable[[Any], Any]:
    old = algebra.word

    def word(letters: Any) -> Any:
        found = old(letters)
        return tuple(sorted(found, key=lambda x: x.name)) if any(commutes(x) for x in found) else found

    return word


def without_defects(frozen: states.Frozen, *_: object) -> states.Frozen:
    frozen.defects.clear()
    return frozen


def uniform(frozen: states.Frozen, *_: object) -> states.Frozen:
    frozen.uniform = True
    return frozen


def proved_sides(frozen: states.Frozen, *_: object) -> states.Frozen:
    frozen.side[:] = []
    frozen.evaluation.side[:] = []
    return frozen


def no_b2(found: Any, *_: object) -> Any:
    y, A, _b2, name = found
    return y, A, Vector(), name


def halved(step: Any, *_: object) -> Any:
    return replace(step, values=Interval(step.values.low, step.values.high / 2))


def small_momentum(found: Any, _op: object, _model: object, times_L: bool = True) -> Any:
    if times_L or found is None:
        return found
    return replace(found, values=Interval(-0.5, 0.5)) if found.values.high > 1 else found


def by_name_alone(self: Model, stem: str, key: tuple[str, ...], inside: set[str]) -> str:
    return f"{stem}(…)"


def floor(found: Any, *_: object) -> Any:
    """Closed ends treated as open ones, with a margin."""
    low, high = found
    margin = bounds.sp.Rational(1, 1000)
    return (None if low is None else low + margin * (1 if high is None else high - low),
            None if high is None else high - margin * (0 if low is None else high - low))  # fmt: skip


FAULTS: dict[str, list[Change]] = {
    "the sign of a metric": [(evaluate, "positive_definite", always(True))],
    "the sign of a threshold": [(evaluate, "nonnegative", always(True))],
    "side conditions": [around(fixed_point, "freeze", proved_sides)],
    "g* in a prox": [(Model, "subgradient", always(Vector()))],
    "the sign of the gradient": [(Model, "gradient", lambda self: self.subgradient())],
    "what states leave behind": [around(fixed_point, "freeze", without_defects)],
    "readings": [around(fixed_point, "freeze", uniform)],
    "circles of states": [(states, "_contracts", always(None))],
    "factors of averages": [(states, "_below_one", always(True))],
    "equilibria that move": [(Model, "varying", set())],
    "all letters commute": [(algebra, "word", word_sorted(lambda x: True))],
    "diagonals commute with matrices": [(algebra, "word", word_sorted(lambda x: x.kind == "diag"))],
    "transposes": [(Letter, "T", property(lambda self: self))],
    "unbounded factors": [(fixed_point, "unbounded", always(False))],
    "growing schedules": [(fixed_point, "_grows", always(False))],
    "everything vanishes": [(fixed_point, "_vanishing", always(True))],
    "limits of schedules": [(fixed_point, "_scalar_vanishes", lambda c, _: "k" in {s.name for s in c.free_symbols})],
    "ranges exclude 0": [(fixed_point, "_excludes_zero", always(True))],
    "coefficients that cross 0": [(fixed_point, "_away", always(True))],
    "sign(0) = 0": [(evaluate, "ZERO_AT_ZERO", evaluate.ZERO_AT_ZERO | {"sign"})],
    "0/0 = 0": [(evaluate.Evaluation, "undefined", evaluate.Evaluation.opaque), (evaluate.Evaluation, "quotient", None)],
    "names without arguments": [(Model, "named", by_name_alone)],
    "gradients anywhere": [(evaluate.Evaluation, "_grad", lambda self, node: self.model.gradient())],
    "the weight of the l1 norm": [(evaluate.Evaluation, "resolvent", None)],
    "ends of ranges": [around(bounds, "enforced", floor)],
    "steps with momentum": [around(convergence, "_step", halved)],
    "the size of momentum": [around(convergence, "metric", small_momentum)],
    "energies of long steps": [(convergence, "_weighed", always(True))],
    "intervals of entries": [(enclosure, "enclosure", always(Interval(1.0, 1.0)))],
    "biases of certificates": [(convergence, "summability", always("zero"))],
    "b2": [around(normal_form, "_extrapolation", no_b2)],
    "b1": [around(normal_form, "_form", lambda found, x, y, operators, r, m: _plus_b(found, x))],
    "relaxed steps": [(normal_form, "general", None), (convergence, "general", None)],
    "the residual of data": [(Model, "datum", None)],
}  # fmt: skip


def _plus_b(found: Vector, x: Any) -> Vector:
    return found + Vector.of(x)


def _fill() -> None:
    """Faults that need the original beside them."""
    resolvent, quotient, datum = evaluate.Evaluation.resolvent, evaluate.Evaluation.quotient, Model.datum

    def doubled(self: Any, u: Any, metric: Any, where: str) -> Any:
        return resolvent(self, u, metric.scaled(bounds.sp.Integer(2)), where)

    def zero_over_zero(self: Any, node: Any) -> Any:
        value = self.value(node.args[0])
        return evaluate.zero(node) if evaluate.is_zero(value) else quotient(self, node)

    def exact(self: Model, name: str) -> Any:
        return datum(replace(self, target="recovery"), name)

    def loose(m: Model) -> Any:
        free: dict[str, Any] = {
            s.name: bounds.sp.Symbol(s.name, real=True) if s.type.kind == "scalar"
            else Vector.of(algebra.Atom(s.name, "state")) for s in m.program.states
        }  # fmt: skip
        return general.General(m, free).run()

    FAULTS["the weight of the l1 norm"] = [(evaluate.Evaluation, "resolvent", doubled)]
    FAULTS["0/0 = 0"] = [(evaluate.Evaluation, "quotient", zero_over_zero)]
    FAULTS["relaxed steps"] = [(normal_form, "general", loose), (convergence, "general", loose)]
    FAULTS["the residual of data"] = [(Model, "datum", exact)]


_fill()


@contextmanager
def planted(fault: str) -> Iterator[None]:
    with ExitStack() as stack:
        for owner, name, value in FAULTS[fault]:
            stack.enter_context(patch.object(owner, name, value))
        yield


def numbered(i: int) -> Rule:
    return rule(np.random.default_rng([7, i]))


PROXIMAL = "problem { f(x) : convex, smooth(L); r(x) : convex, proximable; minimize f(x) + r(x) }"
SMOOTH = "problem { f(x) : convex, smooth(L); minimize f(x) }"
RARE = {
    "ranges exclude 0": f"""algorithm Rare
{PROXIMAL}
parameters {{ learned c in R with 0 <= c <= 1 }}
state {{ x in R^n = 0 }}
update {{ x+ = prox_{{r, 1/L}}(x - 1/L*grad f(x) - c*x) }}
""",
    "equilibria that move": f"""algorithm Rare
{PROXIMAL}
networks {{ phi = mlp(hidden = 3) }}
parameters {{ predicted beta in R = phi(x) with 0.1 < beta < 0.9 }}
state {{ x, v in R^n = 0 }}
update {{ v+ = beta*v + 0.5*grad f(x); x+ = prox_{{r, 0.5/L/(1 - beta)}}(x - 1/L*v+) }}
""",
    "sign(0) = 0": f"""algorithm Rare
{SMOOTH}
state {{ x in R^n = 0 }}
update {{ x+ = x - 0.1*sign(grad f(x)) }}
""",
    "coefficients that cross 0": f"""algorithm Rare
{PROXIMAL}
parameters {{ learned a in R with 0 < a < 2 }}
state {{ x in R^n = 0 }}
update {{ x+ = prox_{{r, 1/L}}(x - (3*a - 2)/L*grad f(x)) }}
""",
    "steps with momentum": f"""algorithm Rare
{PROXIMAL}
parameters {{ fixed P in R = 1.9/L; learned A in R with 0.8 < A < 0.9 }}
state {{ x, y in R^n = 0 }}
update {{ x+ = prox_{{r, P}}(y - P*grad f(y)); y+ = x+ + A*(x+ - x) }}
""",
    "the size of momentum": f"""algorithm Rare
{PROXIMAL}
parameters {{ fixed P in R = 1/L; learned A in R with 2 < A < 3 }}
state {{ x, y in R^n = 0 }}
update {{ x+ = prox_{{r, P}}(y - P*grad f(y)); y+ = x+ + A*(x+ - x) }}
""",
    "energies of long steps": f"""algorithm Rare
{PROXIMAL}
parameters {{ learned P in R with 1.5/L <= P <= 1.6/L; learned A in R with 0.8 < A < 0.9 }}
state {{ x, y in R^n = 0 }}
update {{ x+ = prox_{{r, P}}(y - P*grad f(y)); y+ = x+ + A*(x+ - x) }}
""",
    "intervals of entries": f"""algorithm Rare
{PROXIMAL}
parameters {{ learned xi in R^n with -1 < xi < 1 }}
state {{ x in R^n = 0 }}
update {{ P = diag((1 + 3*xi)/L); x+ = prox_{{r, P}}(x - P*grad f(x)) }}
""",
    "ends of ranges": f"""algorithm Rare
{SMOOTH}
parameters {{ learned P in R with 1.5/L <= P <= 2/L }}
state {{ x in R^n = 0 }}
update {{ x+ = x - P*grad f(x) }}
""",
}
"""Rules that show what random ones show too seldom."""


def caught(fault: str, i: int) -> str:
    """Which test complains about rule i, or about the rare one with seed i, with the fault and only with it; empty if
    none does."""
    program = program_of(RARE[fault]) if fault in RARE else numbered(i).program
    assert program is not None
    with planted(fault):
        report = examine(program)
    complaints = judge(program, i, 12, report)
    return complaints[0].claim if complaints and not judge(program, i, 12) else ""


def summary(report: Report) -> list[object]:
    return [(t.fixed_point.verdict, t.fixed_point.reading, t.exactness.verdict, t.convergence.verdict,
             t.form and t.form.texts()) for t in report.targets]  # fmt: skip


def quick(found: Rule) -> Report:
    """Verdicts without witnesses."""
    where = "l2ogen.analysis.report.verdicts"
    with patch(f"{where}.replayed", lambda _, f: f), patch(f"{where}.diverges", lambda _, c: c):
        return examine(found.program)


def main() -> None:
    names = sys.argv[1:] or list(FAULTS)
    count, known = 400, {}
    for fault in names:
        began, hit, claim = time.time(), None, ""
        for i in range(count):
            if time.time() - began > 75:
                break
            if i not in known and fault not in RARE:    # outside of `try`: without a fault nothing may fail
                known[i] = numbered(i), summary(quick(numbered(i)))
            try:
                if fault in RARE:
                    claim = caught(fault, i)
                    hit = i if claim else None
                    if hit is not None or i > 20:
                        break
                    continue
                with planted(fault):
                    differs = summary(quick(known[i][0])) != known[i][1]
                claim = caught(fault, i) if differs else ""
                if claim:
                    hit = i
                    break
            except Exception as error:  # a fault may break the checker; that is no complaint
                print(f"    # {fault}, {i}: {type(error).__name__} {error}", flush=True)
        print(f'    "{fault}": {hit},  # {claim}', flush=True)


if __name__ == "__main__":
    main()
