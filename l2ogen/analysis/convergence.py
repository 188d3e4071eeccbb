"""Global convergence (GC): sufficient conditions that cover every admissible parameter, each with its theorem.

kinds: iterates (x_k converges to a minimizer), dist (bounded, F(x_k) -> F*, distance to the minimizers -> 0), values
(F(x_k) -> F*), residual. All need a minimizer to exist and L to be an upper bound of the Lipschitz constant.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import sympy as sp

from ..core import ir
from ..core.constants import exact, positive, vanishes
from .algebra import Atom, Operator, Vector, limit
from .bounds import INF, Interval, Metric, interval, lipschitz, metric
from .evaluate import Unknown
from .general import General, general
from .model import Model
from .normal_form import IDENTITY, NormalForm, normal_form

Kind = Literal["iterates", "dist", "values", "residual"]


@dataclass
class Convergence:
    verdict: Literal["proved", "refuted", "unknown"]
    theorem: str = ""
    kind: str = ""
    assumes: list[str] = field(default_factory=list)
    because: str = ""
    fix: str = ""
    witness: dict[str, Any] | None = None


def convergence(model: Model, form: NormalForm | None) -> Convergence:
    """The strongest certificate that applies; unknown with the reason nearest to one."""
    if model.target != "minimizer":
        return Convergence("unknown", because="convergence is decided for minimizers")
    lines = [s.value for s in model.program.statements if isinstance(s, ir.Assignment)]
    if any(n.op == "stochgrad" for line in lines for n in line.walk()):
        return Convergence("unknown", because="convergence is decided for full gradients, not for those of minibatches")
    if any(n.op == "any" for line in lines for n in line.walk()):
        because = "an arbitrary map need not converge; its theorem says what a rule that does must be"
        return Convergence("unknown", because=because)
    guard = model.program.safeguard
    if guard is not None:
        return _safeguarded(model, guard)
    ending = next((p.name for p in model.program.parameters if p.tail.kind == "none"), None)
    if ending is not None:
        because = f"`{ending}` has values for the trained layers alone (`tail none`), and nothing follows them"
        return Convergence("unknown", because=because)
    reasons: list[str] = []
    for attempt in (_memoryless, _fista, _inertial, _balanced, _momentum):
        try:
            found = attempt(model, form)
        except Unknown as unknown:
            reasons.append(str(unknown))
            continue
        if found is not None:
            return found
    return Convergence("unknown", because="; ".join(dict.fromkeys(reasons)) or "no certificate covers this form")


def coercive(model: Model) -> str | None:
    """Why F is coercive, or None."""
    if model.matrix is not None and model.l1_weight is not None and _positive(str(model.l1_weight), model):
        return f"{model.l1_weight}*||x||_1 is, and the rest is not negative"
    for f in model.program.functions:
        if "coercive" in f.properties:
            return f"`{f.name}` is declared coercive and the rest is bounded below"
        if "strongly_convex" in f.properties:
            return f"`{f.name}` is declared strongly convex"
    return None


def _positive(name: str, model: Model) -> bool:
    """Whether a datum is declared to be positive."""
    ranges = {d.name: d.range for d in model.program.data}
    d = next((d for d in model.program.data if d.name == name), None)
    return d is not None and positive(ir.Node("symbol", (), d.type, ("data", name)), ranges)


def _delivered(model: Model, kind: Kind) -> tuple[str, list[str]]:
    """`values` is `dist` where F is coercive; a strongly convex F makes `dist` `iterates`."""
    assumes = ["a minimizer exists"]
    L = lipschitz(model)
    if model.matrix is not None:
        assumes.append(f"{model.matrix} is not 0")
    if model.has("f") and any(f.lipschitz for f in model.program.functions):
        assumes.append(f"{L} is an upper bound of the Lipschitz constant of grad f")
    why = coercive(model)
    if kind == "values" and why:
        kind = "dist"
        assumes.append(f"F coercive: {why}")
    if kind in ("dist", "values") and any("strongly_convex" in f.properties for f in model.program.functions):
        kind = "iterates"
    return kind, assumes


def _proved(model: Model, theorem: str, kind: Kind, because: str) -> Convergence:
    delivered, assumes = _delivered(model, kind)
    fix = "declare `coercive`, where it holds: then distances tend to 0, too"
    return Convergence("proved", theorem, delivered, assumes, because, "" if delivered in ("iterates", "dist") else fix)


def _safeguarded(model: Model, guard: ir.Safeguard) -> Convergence:
    if guard.method == "descent":
        kind: Kind = "values" if coercive(model) else "residual"
        because = "every step does at least as well as a proximal gradient step"
        return _proved(model, "SG-B", kind, because)
    because = f"the step is a proximal gradient step from x + u, |u|^2 <= {1 - guard.delta:g}*|x - x_before|^2"
    return _proved(model, "C2", "values", because)


def _step(P: Operator, model: Model) -> Metric:
    """L*P, or P itself where f is absent."""
    found = metric(P, model, times_L=model.has("f"))
    if found is None:
        raise Unknown(f"`{P}` is no multiple of one parameter or of I")
    return found


def _shown(m: Metric, model: Model) -> str:
    name = "L*P" if model.has("f") else "P"
    low = f"{_number(m.values.low)} <= " if m.values.low > -INF else ""
    high = f" <= {_number(m.values.high)}" if m.values.high < INF else ""
    return f"{low}{name}{high}" if low or high else f"no bounds of {name} are known"


def _number(x: float) -> str:
    return f"{x:.6g}"


def _not_away(step: Metric, model: Model) -> str:
    if step.values.low == -INF:
        return "no lower bound of P above 0 is known"
    return f"P is not bounded away from 0 ({_shown(step, model)})"


# ---- biases ----------------------------------------------------------------------------------------


def summability(b: Vector, model: Model) -> str | None:
    """zero, l1, l2, vanishing (uniformly); None where nothing makes the bias vanish."""
    order = ["zero", "l1", "l2", "vanishing"]
    worst = "zero"
    for (w, atom), c in b.terms.items():
        p = next((p for p in model.program.parameters if p.name == atom.name), None)
        if p is None or not p.facts.vanishes:
            return None
        factor = metric(Operator({w: c}), model, times_L=False)
        if factor is None or factor.values.size == INF:
            return None
        tag = decay(p)
        worst = max(worst, tag, key=order.index)
    return worst


def decay(p: ir.Parameter) -> str:
    """How fast a vanishing parameter vanishes, by its envelope or tail."""
    if p.facts.envelope is None:
        return "l1" if p.tail.kind == "decay" else "vanishing"
    return _rate(p.facts.envelope)


def _rate(e: ir.Node) -> str:
    """l1: the sum over k is finite; l2: that of the squares."""
    k = sp.Symbol("k", positive=True)
    expr = _in_k(e, k)
    if expr is None or not vanishes(e, {}):
        return "vanishing"
    order = limit(sp.log(expr) / sp.log(k), k)
    if order is None:
        return "vanishing"
    power = -order
    if power == sp.oo or (power.is_number and power > 1):
        return "l1"
    return "l2" if power.is_number and power > sp.Rational(1, 2) else "vanishing"


def _in_k(node: ir.Node, k: sp.Symbol) -> sp.Expr | None:
    value = exact(node)
    if value is not None:
        return sp.Rational(value.numerator, value.denominator)
    if node.role == "iteration":
        return k
    if node.role in ("data", "lipschitz", "size"):
        return sp.Symbol(node.name, positive=True)
    parts = [_in_k(a, k) for a in node.args]
    args: list[sp.Expr] = [a for a in parts if a is not None]
    if not args or len(args) < len(parts):
        return None
    a, b = args[0], args[-1]
    match node.op:
        case "add":
            return a + b
        case "subtract":
            return a - b
        case "times":
            return a * b
        case "over":
            return a / b
        case "power":
            return a**b
        case "sqrt":
            return sp.sqrt(a)
        case "negate":
            return -a
    return None


# ---- certificates ----------------------------------------------------------------------------------


def _memoryless(model: Model, form: NormalForm | None) -> Convergence | None:
    """C1, C1v, C1s: x+ = prox_{r, P}(x - P*grad f(x) - b), eps <= L*P <= 2 - eps."""
    if form is None:
        return None
    same_point = not form.point or (form.A.is_zero and form.b2.is_zero)
    if not same_point:
        return None
    step = _step(form.P, model)
    if form.point and not (form.B == IDENTITY or form.B.is_zero):
        weight = metric(form.B, model, times_L=False)  # y = x: the mixture of two equal steps
        if weight is None:
            return None
    low, high = step.values.low, step.values.high
    top = 2.0 if model.has("f") else INF
    if not low > 0:
        raise Unknown(_not_away(step, model))
    if not high < top and not (step.constant and not model.has("f")):  # one metric for all k is bounded
        raise Unknown(f"P reaches or passes 2/L ({_shown(step, model)})" if model.has("f") else "P is not bounded")
    bias = summability(form.b1, model)
    if bias is None:
        raise Unknown(f"the bias {form.b1} is not declared to vanish: `b with b -> 0 like 1/(k + 1)^2`")
    fixed = step.scalar or step.constant
    shown = _shown(step, model)
    if bias in ("zero", "l1") and fixed:
        metric_text = "in a fixed metric" if step.constant else "with scalar steps"
        because = f"averaged maps {metric_text}: {shown}" + ("" if bias == "zero" else "; the biases are summable")
        return _proved(model, "C1s", "iterates", because)
    if bias in ("zero", "l1", "l2"):
        tail = "" if bias == "zero" else "; the biases are square-summable"
        return _proved(model, "C1v", "values", f"each step decreases F: {shown}{tail}")
    if coercive(model):
        return _proved(model, "C1", "dist", f"{shown}; the biases vanish uniformly and F is coercive")
    raise Unknown("the biases vanish, but are not square-summable, and F is not known to be coercive")


def _inertial(model: Model, form: NormalForm | None) -> Convergence | None:
    """C2, C2b, C2c: prox-gradient at y = x + u, eps <= L*P <= 1, B*|u|^2_{1/P} <= (1 - delta)*|x - x_|^2_{1/P_}."""
    if form is None or not form.point:
        return None
    if not form.prox_form:
        raise Unknown("P2 is not B*P: the two gradients belong to no common step")
    step, mixing = _step(form.P, model), metric(form.B, model, times_L=False)
    momentum = metric(form.A, model, times_L=False)
    if mixing is None or not mixing.scalar:
        raise Unknown("B mixes the two points coordinate by coordinate: no certificate is known")
    if momentum is None:
        raise Unknown(f"`{form.A}` is no single parameter")
    certified = _coupled(model, form, momentum)
    if not step.values.low > 0 and not certified:
        raise Unknown(_not_away(step, model))
    if model.has("f") and not step.values.high <= 1 and not certified:
        raise Unknown(f"P passes 1/L ({_shown(step, model)}): with momentum the certificate needs L*P*(1 + |A|) < 2")
    if not (mixing.values.low >= 0 and mixing.values.high <= 1):
        raise Unknown("B leaves [0, 1]")
    biases = [summability(b, model) for b in (form.b1, form.b2)]
    if None in biases:
        raise Unknown("the biases are not all declared to vanish: `b with b -> 0 like 1/(k + 1)^2`")
    share = momentum.values.size**2 * mixing.values.high
    commute = _commute(form, step, momentum)
    ratio = 1.0 if step.constant and commute else step.values.low / step.values.high
    if not certified and not share < ratio:
        most = ratio**0.5 / mixing.values.high**0.5 if mixing.values.high else INF
        size = momentum.values.size
        reached = f"|A| reaches {_number(size)}" if size < INF else "no bound of |A| is known"
        raise Unknown(
            f"{reached}, the certificate needs |A| < {_number(most)}"
            + ("" if step.constant and commute else f" for steps between {_shown(step, model)}")
        )
    plain = mixing.values == Interval(1, 1)
    theorem = "C2" if plain else "C2c"
    worst = max((b for b in biases if b), key=["zero", "l1", "l2", "vanishing"].index)
    reason = f"{_shown(step, model)}, |A| <= {_number(momentum.values.size)}"
    if certified:
        reason = "P <= 1/L and A^2 <= (1 - delta)*P/P_ by construction"
    because = f"the energy F(x) + |x - x_|^2/(2P_) decreases: {reason}"
    if worst == "zero":
        return _proved(model, theorem, "values", because)
    if worst in ("l1", "l2"):
        return _proved(model, "C2b", "values", because + "; the biases are square-summable")
    if coercive(model):
        return _proved(model, "C2b", "dist", because + "; the biases vanish uniformly and F is coercive")
    raise Unknown("the biases vanish, but are not square-summable, and F is not known to be coercive")


def _commute(form: NormalForm, step: Metric, momentum: Metric) -> bool:
    return step.scalar or momentum.scalar or {x.kind for op in (form.P, form.A) for x in op.letters} == {"diag"}


def _balanced(model: Model, form: NormalForm | None) -> Convergence | None:
    """C2d: steps that pass 1/L or vary more than C2 allows, with less momentum: one weight w of the energy
    F(x) + L*w/2*|x - x_|^2 for all L*P in the range and all |A| <= a."""
    if form is None or not form.point or not form.prox_form or not model.has("f"):
        return None
    if form.B != IDENTITY or not form.b1.is_zero or not form.b2.is_zero:
        return None
    step, momentum = _step(form.P, model), metric(form.A, model, times_L=False)
    if momentum is None or not _commute(form, step, momentum) or not _weighed(step, momentum.values.size):
        return None
    shown = f"{_shown(step, model)}, |A| <= {_number(momentum.values.size)}"
    return _proved(model, "C2d", "values", f"the energy F(x) + L*w/2*|x - x_|^2 decreases for some w: {shown}")


def _weighed(step: Metric, a: float) -> bool:
    """Whether w^2 - (2*q - 1 + a^2)*w + q^2*a^2 < 0 for some w and all q = 1/(L*P). Where P is the same for all k, each
    of its entries may have a w of its own."""
    low, high = step.values.low, step.values.high
    if not (low > 0 and high < INF and a < 1 and high * (1 + a) < 2):
        return False
    ends = []
    for q in (1 / high, 1 / low):
        middle = (2 * q - 1 + a**2) / 2
        half = max(middle**2 - q**2 * a**2, 0.0) ** 0.5
        ends.append((middle - half, middle + half))
    return step.constant or max(e[0] for e in ends) < min(e[1] for e in ends) * (1 - 1e-9)


def _coupled(model: Model, form: NormalForm, momentum: Metric) -> bool:
    """Hook for forms that couple P and A by construction; see `coupling`."""
    from .coupling import certified

    return certified(model, form)


def _fista(model: Model, form: NormalForm | None) -> Convergence | None:
    """C3: constant P <= 1/L and A = (t - 1)/t+, t+^2 - t+ = t^2, t = 1 at the start, y = x at the start."""
    if form is None or not form.point or not form.b1.is_zero or not form.b2.is_zero or not form.prox_form:
        return None
    if set(form.A.terms) != {()} or form.B != IDENTITY:
        return None
    a, rule = form.A.terms[()], form.rule
    assert rule is not None
    for s in model.program.states:
        after = rule.updates.get(s.name)
        if s.type.kind != "scalar" or not isinstance(after, sp.Expr):
            continue
        t = sp.Symbol(s.name, real=True)
        if t not in a.free_symbols or after.free_symbols != {t}:
            continue
        recursion = sp.simplify(after**2 - after - t**2)
        second = after.subs(t, 1)
        if not second.is_real or second < 1:  # the other root of the recursion, or none
            continue
        if recursion != 0 or sp.simplify(a - (t - 1) / after) != 0 or exact(s.init) != 1:
            continue
        inits = {x.name: x.init for x in model.program.states}
        first, variable = inits.get(form.point), model.program.variable
        if first is None or not (first == inits[variable] or (first.role == "state" and first.name == variable)):
            raise Unknown(f"`{form.point}` does not start where `{model.program.variable}` does")
        step = _step(form.P, model)
        if not step.constant:
            raise Unknown("FISTA's theorem needs one step for all iterations")
        if not (step.values.low > 0 and step.values.high <= 1):
            raise Unknown(f"FISTA's theorem needs 0 < P <= 1/L ({_shown(step, model)})")
        because = f"F(x_k) - F* <= |x_0 - x*|^2/(2*P*t_k^2), t_k >= (k + 1)/2: {_shown(step, model)}"
        return _proved(model, "C3", "values", because)
    return None


def _momentum(model: Model, form: NormalForm | None) -> Convergence | None:
    """C4: x+ = prox_{r, alpha}(x - alpha*grad f(x) + u), |u| <= beta*|x - x_|, alpha*L <= 2*(1 - beta) - eps; alpha a
    number or a fixed metric."""
    if form is not None:
        return None
    rule = general(model)
    alpha, beta = _heavy_ball(model, rule)
    if alpha is None or beta is None:
        return None
    smooth = lipschitz(model)
    if smooth is None:
        raise Unknown("momentum without a smooth part")
    constants = [p for p in model.program.parameters if p.name in _names(alpha, beta)]
    if any(p.per_iteration or p.kind == "predicted" for p in constants) or "k" in _names(alpha, beta):
        raise Unknown("momentum of this kind needs a step and a momentum that do not change")
    Ls = sp.Symbol(smooth, positive=True)
    size, room = interval(beta, model), interval(sp.factor(Ls * alpha - 2 * (1 - beta)), model)
    step = interval(Ls * alpha, model)
    if not (step.low > 0 and size.low >= 0 and size.high < 1 and room.high < 0):
        raise Unknown(
            f"the certificate needs 0 < alpha*L < 2*(1 - beta), 0 <= beta < 1: alpha*L in "
            f"[{_number(step.low)}, {_number(step.high)}], beta in [{_number(size.low)}, {_number(size.high)}]"
        )
    because = f"the energy F(x) + c*|x - x_|^2 decreases: alpha*L = {_range(step)}, beta = {_range(size)}"
    return _proved(model, "C4", "values", because)


def _range(i: Interval) -> str:
    return _number(i.low) if i.low == i.high else f"[{_number(i.low)}, {_number(i.high)}]"


def _names(*expressions: sp.Expr) -> set[str]:
    return {s.name for e in expressions for s in e.free_symbols}


def _heavy_ball(model: Model, rule: General) -> tuple[sp.Expr | None, sp.Expr | None]:
    """(alpha, beta) of x+ = x - alpha*grad f(x) + beta*(x - x_) [- alpha*g+]; an averaged gradient is of this form."""
    variable = model.program.variable
    x = Atom(variable, "state")
    update = rule.updates[variable]
    if not isinstance(update, Vector):
        return None, None
    grad = next((a for a, p in rule.points.items() if p == Vector.of(x)), None)
    if grad is None or len(rule.points) != 1:
        return None, None
    rest = update - Vector.of(x)
    prox = rest.part(Atom("g+", "subgradient"))
    if model.has("r") and prox.is_zero:
        raise Unknown("the step takes no prox of r")
    others = [a for a in rest.atoms if a not in (x, grad, Atom("g+", "subgradient"))]
    if len(others) != 1:
        return None, None
    (other,) = others
    own = other.name.removesuffix("+")
    before = rule.updates.get(own)
    if before == Vector.of(x) and not other.name.endswith("+"):
        alpha, beta = _multiple(rest.part(grad)), _scalar(rest.part(other))
        if alpha is None or beta is None or _scalar(rest.part(x)) != -beta:
            return None, None
        if not prox.is_zero and _multiple(prox) != alpha:
            raise Unknown("the metric of the prox is not the step of the gradient")
        return -alpha, -beta
    if other.name.endswith("+") and isinstance(before, Vector) and prox.is_zero:
        state = Atom(own, "state")
        keep, gain, step = _scalar(before.part(state)), _scalar(before.part(grad)), _multiple(rest.part(other))
        if None in (keep, gain, step) or before.atoms - {state, grad} or rest.atoms != {other}:
            return None, None
        return -step * gain, keep  # type: ignore[operator]
    return None, None


def _multiple(op: Operator) -> sp.Expr | None:
    """The entries, or eigenvalues, of a multiple of I or of one diagonal or symmetric parameter."""
    if len(op.terms) == 1:
        ((w, c),) = op.terms.items()
        if len(w) == 1 and w[0].kind in ("diag", "sym"):
            return c * sp.Symbol(w[0].name, real=True)
    return _scalar(op)


def _scalar(op: Operator) -> sp.Expr | None:
    if op.is_zero:
        return sp.Integer(0)
    return op.terms[()] if set(op.terms) == {()} else None


__all__ = ["Convergence", "coercive", "convergence", "normal_form"]
