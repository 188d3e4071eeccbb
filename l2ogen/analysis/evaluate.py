"""The rule evaluated at a solution, in the order written: every expression becomes a scalar, an operator or a vector
over x*, g* (or the residual e*), parameters and what stays opaque.

g* = -grad f(x*) lies in the subdifferential of r at x* (0 where f or r is absent). With data, b = A*x* + e*: for
recovery e* = 0; for the least-squares minimizer g* = A'*e*. A prox emits q = u - x* - P*g*:
prox_{r, P}(x* + P*g* + q) is x* if q = 0, and tends to x* if q does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import sympy as sp

from ..core import ir
from ..core.constants import exact
from ..core.ir import Node
from .algebra import ONES, RESIDUAL, SOLUTION, SUBGRADIENT, Atom, Letter, Operator, Vector, formula
from .deadline import look
from .model import Model
from .ranges import nonnegative, nonzero, positive_definite

Value: TypeAlias = "sp.Expr | Operator | Vector"

ZERO_AT_ZERO = {"tanh", "relu", "abs", "elu", "sqrt", "huber", "clip"}
"""Entrywise functions that are 0 and continuous at 0 (`clip` if its ends surround 0)."""
JUMPS = {"sign", "floor"}
NORMS = {"norm_0", "norm_1", "norm_2", "norm_2_squared", "norm_inf", "norm_F", "spectral", "spectral_squared"}


ROOTS = {"log": positive_definite, "inv": positive_definite, "sqrt": nonnegative}
"""Functions that are defined where their argument is proved to be of this sign."""


class Unknown(Exception):
    """Nothing can be said; the reason."""


@dataclass(frozen=True)
class Obligation:
    """A vector that must vanish (in the limit) for x* to stay: the argument of a prox or soft threshold, a state's own
    equation, or the residual itself."""

    vector: Vector
    where: str
    drift: Atom | None = None
    """What tends to 0 if the vector does: how far the prox is from x*."""
    metric: Operator | None = None
    """Of a prox, where the vector belongs to one."""


@dataclass(frozen=True)
class Threshold:
    """A soft threshold at recovery: theta must tend to 0."""

    theta: Value
    text: str
    selecting: bool
    drift: Atom


@dataclass
class Evaluation:
    """One pass over the statements; `obligations`, `thresholds` and `side` say what it needed."""

    model: Model
    states: dict[str, Value]
    next: dict[str, Value] = field(default_factory=dict)
    lets: dict[str, Value] = field(default_factory=dict)
    obligations: list[Obligation] = field(default_factory=list)
    thresholds: list[Threshold] = field(default_factory=list)
    side: list[tuple[str, bool | None, str]] = field(default_factory=list)
    """(claim, whether it is proved (None: not decided), because)"""
    steps: list[str] = field(default_factory=list)
    """The derivation, line by line."""
    notes: list[str] = field(default_factory=list)
    remembers: bool = False
    """Whether a network is at 0 only while its hidden state is."""
    still: bool = False
    """Whether the next iterate is x* whatever the rule says, so that the other states are seen alone."""

    def run(self) -> Evaluation:
        for s in self.model.program.statements:
            if isinstance(s, ir.Call):
                self.call(s)
            else:
                implicit = s.implicit is not None and s.implicit.metric is None
                value = self.implicit(s) if implicit else self.value(s.value)
                if s.next and s.value.op == "any" and s.name != self.model.program.variable:
                    value = self.extrapolated(value)
                if self.still and s.next and s.name == self.model.program.variable:
                    value = Vector.of(SOLUTION)
                (self.next if s.next else self.lets)[s.name] = value
                self.steps.append(f"{s.name}{'+' * s.next} = {value}")
        return self

    def judged_implicitly(self, s: ir.Assignment) -> None:
        """Raises Unknown for an implicit rule that is neither a prox nor made of arbitrary maps."""
        if not any(n.op == "any" for n in s.value.walk()):
            raise Unknown("an implicit rule that is no prox")

    def implicit(self, s: ir.Assignment) -> Value:
        """x+ = x - d(x, grad f(x), x+, g) with both x+ and g at the solution: x* + o(1) if the right side is."""
        self.judged_implicitly(s)
        self.next[s.name] = Vector.of(SOLUTION)
        value = self.vector(s.value)
        drift = self.drift(value, Vector())
        self.obligations.append(Obligation(value - Vector.of(SOLUTION), "x+ - x*", drift))
        return Vector.of(SOLUTION) + Vector.of(drift)

    def extrapolated(self, value: Value) -> Value:
        """y+ = m(x+, x) for an arbitrary m: x*, and m(x*, x*) - x* as a bias."""
        assert isinstance(value, Vector)
        return Vector.of(SOLUTION) + value.replaced(
            lambda a: Vector.of(Atom(f"{a} - x*", a.kind)) if a.kind == "parameter" else None
        )

    def subgradient(self) -> Vector:
        """What `g in subgrad r(x+)` is."""
        return self.model.subgradient()

    def call(self, s: ir.Call) -> None:
        inputs = [self.value(i) for i in s.inputs]
        within = self.model.reach(set().union(*(free(i) for i in inputs)))
        undefined = bool(within & self.model.undefined)
        if s.predicts:
            self.model.undefined |= set(s.outputs) if undefined else set()
            return
        net = self.model.program.network(s.network)
        vanishing = not net.bias and all(is_zero(i) for i in inputs) and net.start == "zero" and net.inputs == "raw"
        vanishing = vanishing and net.activation in ("relu", "elu", "tanh")
        for place, output in enumerate(s.outputs):
            # a network with a memory answers every call in its own way
            key = (output,) if net.recurrent else (str(place), *map(str, inputs))
            name = self.model.named(net.name, key, within)
            if net.recurrent:
                self.model.remembering[name] = net.name
            value = self.network_output(net, name, vanishing)
            self.model.undefined |= free(value) if undefined else set()
            self.lets[output] = value

    def network_output(self, net: ir.Network, name: str, vanishing: bool) -> Value:
        if vanishing:
            self.notes.append(f"`{net.name}` has no biases{' and starts at 0' * net.recurrent}: it maps 0 to 0")
            self.remembers = self.remembers or net.recurrent
            return Vector() if net.per_coordinate else sp.Integer(0)
        return Vector.of(Atom(name, "network")) if net.per_coordinate else sp.Symbol(name, real=True)

    # -- expressions
    def value(self, node: Node) -> Value:
        look()
        method: Callable[[Node], Value] | None = getattr(self, "_" + node.op, None)
        if method is not None:
            return method(node)
        return self.function(node)

    def scalar(self, node: Node) -> sp.Expr:
        value = self.value(node)
        if isinstance(value, Operator | Vector):
            raise Unknown(f"a scalar was expected where {value} stands")
        return value

    def opaque(self, node: Node, args: list[Value], stem: str = "") -> Value:
        """An unknown of the node's type, the same for the same operation at the same arguments."""
        within: set[str] = set().union(*(free(a) for a in args))
        name = self.model.named(stem or node.op, (str(node.type), str(node.attr), *map(str, args)), within)
        if self.model.reach(within) & self.model.undefined:
            self.model.undefined.add(name)
        if node.type.kind == "scalar":
            return sp.Symbol(name, real=True, nonnegative=True if node.op in NORMS else None)
        if node.type.kind in ("vector",):
            return Vector.of(Atom(name, "opaque"))
        return Operator.of(Letter(name, "diag" if node.type.kind == "diag" else "free"))

    def image(self, node: Node, args: list[Value]) -> Value:
        """An entrywise function of vectors: a value of its own where its arguments are fixed at the solution."""
        kinds = {"value", "solution", "subgradient", "residual"}
        vectors = [a for a in args if isinstance(a, Vector)]
        sure = all(atom.kind in kinds for v in vectors for atom in v.atoms) and not self.model.jumping
        letters = any(w for v in vectors for w, _ in v.terms)
        if node.type.kind == "vector" and vectors and len(vectors) == len(args) and sure and not letters:
            return Vector.of(Atom(f"{node.op}({', '.join(map(str, args))})", "value"))
        return self.opaque(node, args)

    def undefined(self, node: Node, args: list[Value]) -> Value:
        """What has no value at the solution, or none that is sure."""
        made = self.opaque(node, args)
        self.model.undefined |= free(made)
        return made

    def little(self, node: Node, args: list[Value]) -> Value:
        """What tends to 0 because its arguments do."""
        made = self.opaque(node, args)
        self.model.small |= free(made)
        return made.replaced(lambda a: Vector.of(Atom(a.name, "small"))) if isinstance(made, Vector) else made

    def is_small(self, value: object) -> bool:
        return isinstance(value, Vector) and all(
            a.kind == "small" and not w and not c.free_symbols for (w, a), c in value.terms.items()
        )

    def _number(self, node: Node) -> Value:
        return sp.Rational(str(exact(node)))

    def _identity(self, node: Node) -> Value:
        return Operator.multiple(sp.Integer(1))

    def _symbol(self, node: Node) -> Value:
        name = node.name
        match node.role:
            case "state":
                return self.states[name]
            case "next":
                return self.next[name]
            case "let":
                return self.lets[name]
            case "parameter":
                return self.parameter(self.model.program.parameter(name))
            case "data":
                return self.model.datum(name)
            case "subgradient":
                return self.subgradient()
        return self.model.scalar(node)

    def parameter(self, p: ir.Parameter) -> Value:
        if p.kind == "fixed" and p.value is not None:
            return self.value(p.value)
        return self.model.parameter(p)

    def _broadcast(self, node: Node) -> Value:
        c = self.scalar(node.args[0])
        return Operator.multiple(c) if node.type.kind == "diag" else Vector.of(ONES).scaled(c)

    def _negate(self, node: Node) -> Value:
        return scaled(self.value(node.args[0]), sp.Integer(-1))

    def _add(self, node: Node) -> Value:
        return self.sum(node, 1)

    def _subtract(self, node: Node) -> Value:
        return self.sum(node, -1)

    def sum(self, node: Node, sign: int) -> Value:
        a, b = (self.lifted(self.value(x), node) for x in node.args)
        b = scaled(b, sp.Integer(sign))
        if isinstance(a, Vector) and isinstance(b, Vector):
            return a + b
        if isinstance(a, Operator) and isinstance(b, Operator):
            return a + b
        if isinstance(a, sp.Expr) and isinstance(b, sp.Expr):
            return a + b
        raise Unknown("a sum of different kinds")

    def lifted(self, value: Value, node: Node) -> Value:
        """A scalar where a vector or an operator is meant."""
        if not isinstance(value, sp.Expr) or node.type.kind == "scalar":
            return value
        return Vector.of(ONES).scaled(value) if node.type.kind == "vector" else Operator.multiple(value)

    def _times(self, node: Node) -> Value:
        return self.product(node, *(self.value(a) for a in node.args))

    _scale = _compose = _apply = _scale_rows = _scale_columns = _times

    def product(self, node: Node, a: Value, b: Value) -> Value:
        if is_zero(a) or is_zero(b):
            for other in (a, b):
                if self.model.undefined & self.model.reach(free(other)):
                    raise Unknown("0 times what is not defined at the solution")
            return zero(node)
        if isinstance(a, sp.Expr):
            return scaled(b, a)
        if isinstance(b, sp.Expr):
            return scaled(a, b)
        if isinstance(a, Operator):
            return b.under(a) if isinstance(b, Vector) else a @ b
        if isinstance(b, Operator):  # entry by entry: v .* diagonal
            return a.under(b)
        for left, right in ((a, b), (b, a)):  # entry by entry: diag(p)*v
            if isinstance(left, Vector) and isinstance(right, Vector) and left.atoms == {ONES}:
                return right.under(left.part(ONES))
        assert isinstance(a, Vector) and isinstance(b, Vector)
        for factor, v in ((a, b), (b, a)):
            if len(factor.terms) == 1:
                ((w, atom), c), = factor.terms.items()
                if not w and atom.kind in ("network", "parameter", "opaque", "state", "value", "small"):
                    return v.under(Operator.of(Letter(atom.name, "diag")).scaled(c))
        return self.opaque(node, [a, b], "product")

    def _shrink(self, node: Node) -> Value:
        return self.quotient(node)

    def _over(self, node: Node) -> Value:
        return self.quotient(node)

    def quotient(self, node: Node) -> Value:
        a, b = self.value(node.args[0]), self.value(node.args[1])
        if is_zero(b):
            self.notes.append("a denominator is 0 at the solution: what is divided by it is not defined there")
            return self.undefined(node, [a, b])
        if isinstance(b, sp.Expr):
            if not b.is_number and not b.is_nonzero and not nonzero(node.args[1], self.model):
                self.side.append((f"{b} is not 0", None, "no range says so"))
            return scaled(a, 1 / b)
        if is_zero(a):
            self.denominator(node.args[1])
            return zero(node)
        if isinstance(b, Vector) and b.atoms == {ONES} and isinstance(a, Vector):
            return a.scaled(1 / b.part(ONES).terms[()])
        self.denominator(node.args[1])
        if isinstance(a, Vector):
            name = self.model.named("1/", (str(b),), free(b))
            return a.under(Operator.of(Letter(name, "diag")))
        return self.opaque(node, [a, b], "quotient")

    def denominator(self, node: Node) -> None:
        ok = positive_definite(node, self.model)
        self.side.append(("a denominator is positive", ok or None, "every entry is" if ok else "its sign is not known"))

    def _transpose(self, node: Node) -> Value:
        value = self.value(node.args[0])
        return value.T if isinstance(value, Operator) else value

    def _diag(self, node: Node) -> Value:
        value = self.value(node.args[0])
        assert isinstance(value, Vector)
        if value.atoms == {ONES}:
            return value.part(ONES)
        if len(value.terms) == 1:
            ((w, atom), c), = value.terms.items()
            if not w:
                return Operator.of(Letter(atom.name, "diag")).scaled(c)
        return self.opaque(node, [value]) if value.terms else Operator()

    def _power(self, node: Node) -> Value:
        base, exponent = self.value(node.args[0]), self.scalar(node.args[1])
        if isinstance(base, Vector):
            if base.is_zero and exponent.is_positive:
                return Vector()
            whole = exponent.is_integer and exponent.is_nonnegative
            admissible = nonnegative if exponent.is_positive else positive_definite
            if not whole and not admissible(node.args[0], self.model):
                return self.undefined(node, [base, exponent])
            if self.is_small(base) and exponent.is_positive:
                return self.little(node, [base, exponent])
            made = self.image(node, [base])
            if isinstance(made, Vector) and exponent.is_number:
                return made.replaced(lambda a: Vector.of(Atom(self.model.holding(f"{a}^{exponent}", {a.name}), a.kind)))
            return made
        if isinstance(base, Operator):
            whole = exponent.is_integer and exponent.is_nonnegative
            sure = whole or (positive_definite if not exponent.is_positive else nonnegative)(node.args[0], self.model)
            return (self.opaque if sure else self.undefined)(node, [base, exponent])
        result = base**exponent
        return self.undefined(node, [base, exponent]) if result.has(sp.zoo, sp.nan, sp.oo) else result

    def _spectral_squared(self, node: Node) -> Value:
        return self.norm_of_data(node, "||{}||_2^2") or self.function(node)

    def _spectral(self, node: Node) -> Value:
        squared = self.norm_of_data(node, "||{}||_2^2")
        return self.function(node) if squared is None else sp.sqrt(squared)

    def _norm_F(self, node: Node) -> Value:
        return self.norm_of_data(node, "||{}||_F") or self.function(node)

    def norm_of_data(self, node: Node, name: str) -> sp.Expr | None:
        """The norm of a matrix that the problem gives: positive, since such a matrix is assumed not to be 0."""
        if node.args[0].role != "data":
            return None
        datum = node.args[0].name
        self.side.append((f"{datum} is not 0", True, "assumed of the data"))
        return sp.Symbol(name.format(datum), positive=True)

    def _where(self, node: Node) -> Value:
        a, b = (self.lifted(self.value(x), node) for x in node.args[1:])
        if a == b:
            return a
        made = self.opaque(node, [*map(self.value, node.args[0].args), a, b])
        self.model.jumping |= free(made)
        return made

    def _compare(self, node: Node) -> Value:
        return sp.Integer(0)

    def _detach(self, node: Node) -> Value:
        return self.value(node.args[0])

    def _inner(self, node: Node) -> Value:
        a, b = (self.value(x) for x in node.args)
        return sp.Integer(0) if is_zero(a) or is_zero(b) else self.opaque(node, [a, b])

    def function(self, node: Node) -> Value:
        """Norms, entrywise functions, weights: 0 where that is sure, else an unknown."""
        args = [self.value(a) for a in node.args]
        first = args[0] if args else None
        if node.op in ("norm_0",):
            made = self.opaque(node, args, "nonzeros")
            self.model.jumping |= free(made)  # at 0, too: next to it, it is as large as n
            return made
        keeps_zero = node.op.startswith("norm") or node.op in ZERO_AT_ZERO | {"sum", "mean"}
        if keeps_zero and is_zero(first) and (node.op != "clip" or self.surrounds(node)):
            return zero(node)
        if node.op in ROOTS and isinstance(first, Vector | Operator) and not ROOTS[node.op](node.args[0], self.model):
            return self.undefined(node, args)
        continuous = node.op.startswith("norm") or node.op in ZERO_AT_ZERO
        if continuous and self.is_small(first) and (node.op != "clip" or self.surrounds(node)):
            return self.little(node, args)
        if node.op in ("max", "min") and all(is_zero(a) for a in args):
            return zero(node)
        # next to the solution a sign may differ, unless it is one of numbers, parameters and k
        steady = node.op not in JUMPS or not any(n.role in ("state", "next", "let") for n in node.walk())
        known = SCALAR_FUNCTIONS.get(node.op) if steady else None
        number = node.type.kind == "scalar" and all(isinstance(a, sp.Expr) for a in args)
        if number and known is not None and not any(self.model.undefined & free(a) for a in args):
            result = known(*args)
            return result if not result.has(sp.zoo, sp.nan, sp.oo) else self.undefined(node, args)
        if known is not None and all(isinstance(a, Vector) and a.atoms <= {ONES} for a in args):
            ones = [a.part(ONES).terms.get((), sp.Integer(0)) for a in args if isinstance(a, Vector)]
            if all(set(a.part(ONES).terms) <= {()} for a in args if isinstance(a, Vector)):
                return Vector.of(ONES).scaled(known(*ones))
        made = self.image(node, args)
        if node.op in JUMPS:
            self.model.jumping |= free(made)
        if any(self.model.undefined & free(a) for a in args):
            self.model.undefined |= free(made)
        return made

    def surrounds(self, node: Node) -> bool:
        low, high = exact(node.args[1]), exact(node.args[2])
        return low is not None and high is not None and low <= 0 <= high

    # -- functions of the problem
    def _grad(self, node: Node) -> Value:
        point = self.vector(node.args[0])
        rest = point - Vector.of(SOLUTION)
        if rest.without("small").is_zero:
            value = self.model.gradient()
            if not rest.is_zero:  # f has a Lipschitz gradient: grad f(x* + o(1)) = grad f(x*) + o(1)
                self.model.small.add(f"grad f({point})")
                value = value + Vector.of(Atom(f"grad f({point})", "small"))
            return value
        learned = {p.name for p in self.model.program.parameters if p.kind == "learned"}
        away, little = rest.without("small"), Vector()
        if away != rest:
            self.model.small.add(f"o(grad f({point}))")
            little = Vector.of(Atom(f"o(grad f({point}))", "small"))
        if all(learned & free(away.part(atom)) for atom in away.atoms):  # all of it may be 0
            if any(atom.name in self.model.differences for atom in rest.atoms):
                raise Unknown(f"a gradient at {point}, which may be the solution")
            name = f"(grad f({away + Vector.of(SOLUTION)}) - grad f(x*))"
            self.model.differences[name] = away
            return self.model.gradient() + Vector.of(Atom(name, "opaque")) + little
        if any(atom.name in self.model.differences for atom in rest.atoms):
            raise Unknown(f"a gradient at {point}, which may be the solution")
        return Vector.of(Atom(self.model.holding(f"grad f({point})", free(point)), "value"))

    def _stochgrad(self, node: Node) -> Value:
        self.notes.append("a minibatch gradient is read as the full one")
        return self._grad(node)

    def _subgrad(self, node: Node) -> Value:
        point = self.vector(node.args[0])
        if (point - Vector.of(SOLUTION)).is_zero and not self.model.has("r") and self.model.has("f"):
            return self.model.gradient()
        made = Vector.of(Atom(self.model.holding(f"subgrad F({point})", free(point)), "value"))
        self.notes.append("the subgradient that is taken at a kink need not be the one that makes F stationary")
        return made

    def _value(self, node: Node) -> Value:
        return self.opaque(node, [self.value(node.args[0])], node.attr)

    def _any(self, node: Node) -> Value:
        """d(…), and what tends to 0 where its arguments only tend to these: d is Lipschitz."""
        args = [self.vector(a) for a in node.args]
        near = [a.without("small") if self.is_small(a - a.without("small")) else a for a in args]
        within: set[str] = set().union(*(free(a) for a in near))
        name = self.model.holding(f"{node.attr}({', '.join(map(str, near))})", within)
        if self.model.reach(within) & self.model.undefined:
            self.model.undefined.add(name)
        value = Vector.of(Atom(name, "parameter"))
        return value if near == args else value + Vector.of(self.drift(value, str(args)))

    def vector(self, node: Node) -> Vector:
        value = self.lifted(self.value(node), node)
        if not isinstance(value, Vector):
            raise Unknown(f"a vector was expected where {value} stands")
        return value

    def metric(self, node: Node) -> Operator:
        value = self.value(node)
        return Operator.multiple(value) if isinstance(value, sp.Expr) else value  # type: ignore[return-value]

    def _prox(self, node: Node) -> Value:
        metric, u = self.metric(node.args[0]), self.vector(node.args[1])
        ok = positive_definite(node.args[0], self.model)
        claim = f"{node.args[0].name if node.args[0].role == 'let' else metric} > 0"
        if ok and not free(metric):
            return self.resolvent(u, metric, f"the argument of prox, minus x* + {metric}*g*")
        self.side.append((claim, ok or None, "its range" if ok else "no range says so"))
        return self.resolvent(u, metric, f"the argument of prox, minus x* + {metric}*g*")

    def resolvent(self, u: Vector, metric: Operator, where: str) -> Vector:
        """prox_{r, P}(u): x* if u = x* + P*g*, and x* + o(1) if u tends to that."""
        q = u - Vector.of(SOLUTION) - self.model.subgradient().under(metric)
        drift = self.drift(u, metric)
        self.obligations.append(Obligation(q, where, drift, metric))
        self.steps.append(f"{where}: {q}")
        return Vector.of(SOLUTION) + (Vector() if q.is_zero else Vector.of(drift))

    def drift(self, u: Vector, scale: object) -> Atom:
        """How far a prox or threshold is from x*, where its argument comes near."""
        name = self.model.named("o(1)", (str(u), str(scale)), free(u) | free(scale))
        self.model.small.add(name)
        return Atom(name, "small")

    def _soft(self, node: Node) -> Value:
        if node.args[0].type.kind == "scalar":
            return self.opaque(node, [self.value(a) for a in node.args])
        u, theta = self.vector(node.args[0]), self.value(node.args[1])
        ok = nonnegative(node.args[1], self.model)
        text = formula(theta) if isinstance(theta, sp.Expr) else str(theta)
        if not is_zero(theta):
            self.side.append((f"{text} >= 0", ok or None, "its range" if ok else "no fact says so"))
        if self.model.target == "recovery":
            return self.recovered(u, theta, node.op == "soft_ss")
        if is_zero(u):
            return Vector()
        weight = self.model.l1_weight
        if weight is None:
            raise Unknown(
                "a soft threshold is the prox of an l1 norm, and nothing says that r is one: `train { on lasso }` does"
            )
        if node.op == "soft_ss" and not is_zero(theta):
            raise Unknown("support selection is no prox: entries that pass unchanged have no threshold")
        metric = Operator.multiple(theta) if isinstance(theta, sp.Expr) else theta
        if not isinstance(metric, Operator):
            raise Unknown("a threshold that is a vector with several parts")
        metric = metric.scaled(1 / weight)
        return self.resolvent(u, metric, f"the argument of soft, minus x* + {metric}*g*")

    def _soft_ss(self, node: Node) -> Value:
        self.value(node.args[2])
        return self._soft(node)

    def recovered(self, u: Vector, theta: Value, selecting: bool) -> Vector:
        """soft(M*x*, theta) -> x* for all sparse x* exactly if M -> I and theta -> 0 (lemma S)."""
        q = u - Vector.of(SOLUTION)
        drift = self.drift(u, theta)
        self.obligations.append(Obligation(q, "the argument of soft, minus x*", drift))
        if not is_zero(theta):
            self.thresholds.append(Threshold(theta, str(theta), selecting, drift))
        self.steps.append(f"the argument of soft, minus x*: {q}; its threshold: {theta}")
        exact_ = q.is_zero and is_zero(theta)
        return Vector.of(SOLUTION) + (Vector() if exact_ else Vector.of(drift))


SCALAR_FUNCTIONS: dict[str, Callable[..., sp.Expr]] = {
    "sqrt": sp.sqrt, "exp": sp.exp, "log": sp.log, "tanh": sp.tanh, "abs": sp.Abs, "max": sp.Max, "min": sp.Min,
    "sigmoid": lambda v: 1 / (1 + sp.exp(-v)), "softplus": lambda v: sp.log(1 + sp.exp(v)), "sign": sp.sign,
    "floor": sp.floor, "relu": lambda v: sp.Max(v, 0), "clip": lambda v, a, b: sp.Min(sp.Max(v, a), b),
}  # fmt: skip


def is_zero(value: object) -> bool:
    if isinstance(value, Operator | Vector):
        return value.is_zero
    return value == 0


def zero(node: Node) -> Value:
    if node.type.kind == "scalar":
        return sp.Integer(0)
    return Vector() if node.type.kind == "vector" else Operator()


def scaled(value: Value, c: sp.Expr) -> Value:
    return value.scaled(c) if isinstance(value, Operator | Vector) else sp.expand(value * c)


def free(value: object) -> set[str]:
    """Names of scalars, letters and atoms in a value."""
    if isinstance(value, sp.Expr):
        return {s.name for s in value.free_symbols}
    if isinstance(value, Operator):
        coefficients = {s.name for c in value.terms.values() for s in c.free_symbols}
        return coefficients | {letter.name for letter in value.letters}
    if isinstance(value, Vector):
        coefficients = {s.name for c in value.terms.values() for s in c.free_symbols}
        return coefficients | {x.name for w, _ in value.terms for x in w} | {a.name for a in value.atoms}
    return set()


__all__ = ["RESIDUAL", "SUBGRADIENT", "Evaluation", "Obligation", "Threshold", "Unknown", "Value", "free", "is_zero"]
