"""The parts of an objective: which function is the smooth f, which the proximable r, and what is derived of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product

from ..core import ir
from ..core.constants import exact
from ..core.types import SCALAR
from ..diagnostics import Diagnostic, catalog
from ..source import Span
from ..syntax import tree as t
from ..syntax.printer import show
from . import derive
from .expressions import symbol

SMOOTH = ("square", "softplus", "huber", "linear", "quadratic")
FORMS = (
    "known are sums of `||u||_2^2`, `softplus(u)`, `huber(u, delta)`, `<x, Q*x>`, `<c, x>` with u = A*x + v, and of "
    "`||x||_1`, `||x||_2`, `group_l2(x, size)`, `||x||_2^2`, `indicator(lo <= x <= hi)`"
)


@dataclass
class Part:
    """A function of the file; an external one has no value."""

    name: str
    value: ir.Node | None
    tree: t.Expr
    span: Span
    terms: tuple[derive.Term, ...] = ()
    step: tuple[ir.Node, tuple[str, ...]] | None = None
    """Its prox and the metrics that it is right for."""

    @property
    def smooth(self) -> bool:
        return self.value is None or all(term.kind in SMOOTH for term in self.terms)


@dataclass
class Objective:
    """f + r; filled by `run`."""

    x: ir.Node
    ranges: dict[str, ir.Range | None]
    report: list[Diagnostic]
    smooth: ir.SmoothPart | None = None
    prox: ir.ProxPart | None = None
    text: str = ""
    convex: bool = False
    coercive: bool = False
    strong: ir.Node | None = None
    modulus: ir.Node | None = None
    radius: ir.Node | None = None
    groups: tuple[ir.Node, ...] = ()
    boxes: tuple[tuple[ir.Node, ir.Node], ...] = ()
    good: list[Part] = field(default_factory=list)

    def run(self, parts: list[Part], goal: Span) -> None:
        self.good = [p for p in parts if self.examine(p)]
        f = self.choose([p for p in self.good if p.step is None], [p for p in self.good if p.smooth])
        for p in self.good:
            if p is f:
                continue
            if p.step is None or self.prox is not None:
                kind = "smooth" if p.step is None else "proximable"
                self.report.append(catalog.duplicate_part(p.span, f"{kind} part", goal))
            elif p.value is not None:
                subgradient = None if any(t.kind == "indicator" for t in p.terms) else derive.gradient(p.terms)
                self.prox = ir.ProxPart(p.value, p.step[0], show(p.tree), subgradient, p.step[1])  # type: ignore[arg-type]
        if f is not None:
            self.smooth = self.smooth_part(f)
        terms = tuple(term for p in self.good for term in p.terms)
        self.convex = all(p.value is not None for p in self.good)
        self.strong = derive.strong(terms, self.ranges)
        if self.convex:
            self.modulus, self.radius = derive.modulus(terms, self.ranges), derive.radius(terms, self.ranges)
        self.coercive = self.convex and derive.coercive(terms, self.ranges)
        self.boxes = self.box(terms, goal)
        self.groups = tuple(term.parameter for term in terms if term.kind == "group_l2" and term.parameter is not None)

    def choose(self, only_smooth: list[Part], smooth: list[Part]) -> Part | None:
        """f: what has no prox, else the first that is smooth."""
        return next(iter(only_smooth or smooth), None)

    def smooth_part(self, f: Part) -> ir.SmoothPart:
        if f.value is None:
            return ir.SmoothPart(None, None, None, f"{f.name}({self.x.name})", rows=self.x.type)
        rows = derive.rows(f.terms)
        mask = symbol("argument", "draw", rows) if rows is not None else None
        zero = ir.Node("broadcast", (ir.Node("number", (), SCALAR, "0"),), self.x.type)
        return ir.SmoothPart(
            derive.stable(f.value), derive.gradient(f.terms) or zero, derive.lipschitz(f.terms), show(f.tree),
            derive.gradient(f.terms, mask) if mask is not None else None, rows,
        )  # fmt: skip

    def box(self, terms: tuple[derive.Term, ...], goal: Span) -> tuple[tuple[ir.Node, ir.Node], ...]:
        """Every lower end beside every upper end: what is empty is reported, or left to the data."""
        lows, highs = ([t.ends[i] for t in terms if t.kind == "indicator"] for i in (0, 1))
        open_: list[tuple[ir.Node, ir.Node]] = []
        for low, high in product(lows, highs):
            if low is None or high is None:
                continue
            a, b = exact(low), exact(high)
            if a is None or b is None:
                open_.append((low, high))
            elif a > b:
                self.report.append(catalog.empty_range(goal, self.x.name, f"{float(a):g}", f"{float(b):g}"))
        return tuple(dict.fromkeys(open_))

    # -- one part
    def examine(self, p: Part) -> bool:
        """Whether something is known of a part, and that it is convex; what is not is reported."""
        if p.value is None:
            return True
        try:
            p.terms = derive.split(p.value, self.x)
        except derive.Unknown as unknown:
            return self.refuse(p, unknown)
        for term in p.terms:
            if term.kind == "group_l2" and not self.is_size(term.parameter):
                self.report.append(catalog.bad_group(p.tree.span))
                return False
        try:
            p.step = derive.prox(p.terms, self.x.type, self.ranges)
        except derive.Unknown as unknown:
            if not p.smooth:
                return self.refuse(p, unknown)
        return self.is_convex(p)

    def refuse(self, p: Part, unknown: derive.Unknown) -> bool:
        span = unknown.node.span if unknown.node.span.end else p.tree.span
        self.report.append(catalog.not_derivable(span, p.name, "gradient or prox", unknown.help or FORMS))
        return False

    def is_size(self, node: ir.Node | None) -> bool:
        value = exact(node)
        whole = value is not None and value >= 1 and value.denominator == 1
        return whole or (node is not None and node.role == "size")

    def is_convex(self, p: Part) -> bool:
        for term in p.terms:
            why = derive.convex(term, self.ranges)
            if why == "sign":
                return self.unknown_sign(p, term)
            if why:
                self.report.append(catalog.not_convex(p.tree.span, p.name, *self.explain(why, term)))
                return False
        curved = [term for term in p.terms if term.kind != "linear"]
        if curved and p.smooth and not any(term.coefficient.is_positive(self.ranges) for term in curved):
            return self.unknown_sign(p, curved[0])  # all may be 0, and so may be L
        return True

    def unknown_sign(self, p: Part, term: derive.Term) -> bool:
        c = term.coefficient.node
        ranges = {n: self.ranges.get(n) for n in sorted(ir.symbols(c, "data"))}
        facts = " and ".join(f"`{n} in R with {n} > 0`" for n, found in ranges.items() if found is None)
        help = f"declare {facts}" if facts else "make it positive"
        notes = tuple((r.span, f"this is what is known of `{n}`") for n, r in ranges.items() if r is not None)
        self.report.append(catalog.unknown_sign(p.tree.span, p.name, help, notes))
        return False

    def explain(self, why: str, term: derive.Term) -> tuple[str, str]:
        """What is not proved, and how to say it."""
        name = term.parameter.name if term.parameter is not None and term.parameter.op == "symbol" else "Q"
        match why:
            case "quadratic":
                size = self.x.type.rows
                return "a quadratic form may fall", f"declare its matrix `{name} in sym({size}) with {name} >= 0`"
            case "delta":
                return "the `delta` of `huber` may be negative", "declare `delta in R with delta > 0`"
        return "a weight of the sum may be negative", "declare the weights `w in R^m with w >= 0`"
