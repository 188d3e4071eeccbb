"""A bare rule -> the whole file: states, functions and the declarations of everything else, read off the rule.

What a name is follows from where it stands. A step (the metric of a prox, or what multiplies a gradient) gets
0 < v < 2/L; what multiplies a difference of iterates is momentum, 0 < v < 2; the second argument of `soft` is a
threshold, >= 0. A capital letter is a diagonal predicted by a network, a small one a learned scalar.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..core.operators import CALLS
from ..diagnostics import Diagnostic, catalog, nearest
from ..diagnostics.suggest import ADVICE
from ..syntax import tree as t
from ..syntax.parser import Parsed
from ..syntax.printer import show
from .expressions import APPLIED

RESERVED = {"k": "the iteration number", "I": "the identity"}
KNOWN = {"L", "F", *RESERVED}


@dataclass
class _Rule:
    """What the names of the rule turned out to be, in the order of appearance."""

    states: dict[str, t.Name] = field(default_factory=dict)
    lets: dict[str, t.Name] = field(default_factory=dict)
    smooth: dict[str, t.Name] = field(default_factory=dict)
    proximable: dict[str, t.Name] = field(default_factory=dict)
    steps: dict[str, t.Name] = field(default_factory=dict)
    momenta: dict[str, t.Name] = field(default_factory=dict)
    thresholds: dict[str, t.Name] = field(default_factory=dict)
    gradients: dict[str, t.Apply] = field(default_factory=dict)
    subgradients: dict[str, t.Name] = field(default_factory=dict)
    """g of `where g in subgrad r(x+)`"""
    whole: bool = False
    """Whether the rule uses `subgrad F`: then F is all that is known of the objective."""
    slopes: set[str] = field(default_factory=set)
    """Lets made of a gradient: what multiplies one is a step, too."""


def infer(parsed: Parsed, report: list[Diagnostic]) -> str | None:
    """The text of the file, or None after reporting which name the rule does not explain."""
    rule = _Rule()
    lines = [s for s in parsed.tree.items if isinstance(s, t.Assignment)]
    for s in lines:
        for target in s.targets:
            (rule.states if target.next else rule.lets).setdefault(target.id, target)
            if any(isinstance(n, t.Apply) for n in t.walk(s.value)) and not target.next:
                rule.slopes.add(target.id)
        if s.implicit is not None:
            rule.subgradients[s.implicit[0].id] = s.implicit[0]
    for s in lines:
        for node in t.walk(s):
            _functions(node, rule)
    for s in lines:
        for node in t.walk(s.value):
            _roles(node, rule)
    _notation(lines, report)
    if not report:
        _names(rule, lines, report)
    if not rule.states and lines:
        report[:] = [catalog.nothing_iterated(lines[0].targets[0].span)]
    elif not report:
        _structure(rule, report)
    return None if report else _write(rule, lines)


def _notation(lines: list[t.Assignment], report: list[Diagnostic]) -> None:
    """What is misspelled, or is not available in a bare rule."""
    for s in lines:
        for node in t.walk(s):
            word = node.op if isinstance(node, t.Apply) else node.fn if isinstance(node, t.Call) else None
            if word is None or word.id in (*APPLIED, "prox", "F") or word.id in CALLS:
                continue
            meant = nearest(word.id, APPLIED if isinstance(node, t.Apply) else [*CALLS, "prox"])
            if meant is not None or word.id in ADVICE:
                report.append(catalog.unknown_name(word.span, word.id, meant))


def _names(rule: _Rule, lines: list[t.Assignment], report: list[Diagnostic]) -> None:
    """Names without a role, and names that the language keeps."""
    roles = (
        rule.states, rule.lets, rule.smooth, rule.proximable, rule.steps, rule.momenta, rule.thresholds,
        rule.subgradients,
    )  # fmt: skip
    known = {name for names in roles for name in names} | KNOWN
    unknown: dict[str, t.Name] = {}
    for s in lines:
        for node in t.walk(s):
            callee = isinstance(node, t.Name) and (node.id in CALLS or node.id in (*APPLIED, "prox"))
            if isinstance(node, t.Name) and node.id not in known and not callee:
                unknown.setdefault(node.id, node)
    for name in unknown.values():
        help = "write a file that declares it; in a bare rule steps, momenta and thresholds are recognized"
        if name.next or any(s.targets[0].id == name.id for s in lines):
            help = f"a state has its own line: `{name.id}+ = …`"
        report.append(catalog.cannot_infer(name.span, name.text, help))
    for name in (*rule.states.values(), *rule.lets.values()):
        if name.id in RESERVED:
            report.append(catalog.reserved_name(name.span, name.id, RESERVED[name.id]))


def _structure(rule: _Rule, report: list[Diagnostic]) -> None:
    """A rule iterates `x` and uses at most one function of each kind, and one at all."""
    if "x" not in rule.states:
        report.append(catalog.nothing_reported(next(iter(rule.states.values())).span, "x"))
    elif not rule.smooth and not rule.proximable and not rule.whole:
        report.append(catalog.nothing_minimized(rule.states["x"].span))
    for kind, functions in (("smooth", list(rule.smooth.values())), ("proximable", list(rule.proximable.values()))):
        for extra in functions[1:]:
            report.append(catalog.role_taken(extra.span, extra.id, kind, functions[0].span))


def _functions(node: t.Node, rule: _Rule) -> None:
    match node:
        case t.Apply(op=t.Name(id="subgrad"), fn=t.Name(id="F")):
            rule.whole = True
            rule.gradients.setdefault(show(node.arg), node)
        case t.Apply(op=t.Name(id="subgrad"), fn=fn):
            rule.proximable.setdefault(fn.id, fn)
        case t.Apply(op=t.Name(id="grad" | "stochgrad"), fn=fn):
            rule.smooth.setdefault(fn.id, fn)
            rule.gradients.setdefault(show(node.arg), node)
        case t.Prox(fn=fn, metric=metric):
            rule.proximable.setdefault(fn.id, fn)
            _mark(metric, rule, rule.steps)
        case t.Call(fn=t.Name(id="prox"), args=(t.Name() as fn, metric, *_)) if isinstance(metric, t.Expr):
            rule.proximable.setdefault(fn.id, fn)
            _mark(metric, rule, rule.steps)


def _roles(node: t.Node, rule: _Rule) -> None:
    match node:
        case t.Binary(op="*" | ".*", left=left, right=right):
            slopes = rule.slopes | rule.subgradients.keys()
            if any(isinstance(n, t.Apply) or (isinstance(n, t.Name) and n.id in slopes) for n in t.walk(right)):
                _mark(left, rule, rule.steps)
            elif {n.id for n in t.walk(right) if isinstance(n, t.Name)} & set(rule.states):
                _mark(left, rule, rule.momenta)
        case t.Call(fn=t.Name(id="soft"), args=(_, threshold)) if isinstance(threshold, t.Expr):
            _mark(threshold, rule, rule.thresholds)


def _mark(e: t.Expr, rule: _Rule, into: dict[str, t.Name]) -> None:
    """The unknown names of a factor get this role; earlier roles stay."""
    for node in t.walk(e):
        taken = [
            rule.states,
            rule.lets,
            rule.smooth,
            rule.proximable,
            rule.steps,
            rule.momenta,
            rule.thresholds,
            rule.subgradients,
        ]
        if isinstance(node, t.Name) and node.id not in KNOWN and not any(node.id in names for names in taken):
            into[node.id] = node


def _write(rule: _Rule, lines: list[t.Assignment]) -> str:
    ranges = {name: f"0 < {name} < 2/L" if rule.smooth else f"{name} > 0" for name in rule.steps}
    ranges |= {name: f"0 < {name} < 2" for name in rule.momenta} | {name: f"{name} >= 0" for name in rule.thresholds}
    order = [n for s in lines for node in t.walk(s) if isinstance(node, t.Name) and (n := node.id) in ranges]
    names = list(dict.fromkeys(order))
    predicted = [n for n in names if n[0].isupper()]
    learned = [n for n in names if not n[0].isupper()]
    functions = [f"  {f}(x) : convex, smooth(L)" for f in rule.smooth] + [
        f"  {r}(x) : convex, proximable" for r in rule.proximable
    ]
    if rule.whole and not functions:
        functions = ["  F(x) : convex"]
    objective = (
        "F(x)"
        if rule.whole and not rule.smooth and not rule.proximable
        else " + ".join(f"{f}(x)" for f in (*rule.smooth, *rule.proximable))
    )
    doc = "; ".join(show(s) for s in lines)
    out = ["algorithm Rule", f'"{doc}"', ""]
    if objective:
        out += ["problem {", *functions, f"  minimize {objective}", "}"]
    if predicted:
        inputs = [f"detach({show(a.arg)}), detach({show(a)})" for a in rule.gradients.values()]
        network = next(n for n in ("phi", "psi", "network") if n not in ranges and n not in rule.states | rule.lets)
        out += [f"networks {{ {network} = lstm(hidden = 20, layers = 2, head = 20) per coordinate }}"]
        call = f"{network}({', '.join(inputs) or ', '.join(f'detach({s})' for s in rule.states)})"
    if names:
        out += ["parameters {"]
        if predicted:
            facts = ", ".join(ranges[n] for n in predicted)
            out += [f"  predicted {', '.join(predicted)} in diag(n) = {call} with {facts}"]
        out += [f"  learned {n} in R with {ranges[n]}" for n in learned]
        out += ["}"]
    scalars = _scalars(rule, lines)
    vectors = [f"{', '.join(n for n in rule.states if n not in scalars)} in R^n = 0"]
    out += [
        f"state {{ {'; '.join(vectors + [f'{n} in R = 1' for n in scalars])} }}",
        "update {",
        *(f"  {show(s)}" for s in lines),
        "}",
    ]
    if (
        rule.smooth and rule.proximable
    ) or rule.whole:  # lasso has both parts; a rule for one alone names its problem itself
        out += ["train {", "  on lasso(m = 20, n = 40, sparsity = 5)"]
        if names:
            out += [
                "  horizon 80; truncate 20",
                "  loss mean over k of F(x)",
                "  optimizer adam(rate = 1e-2); rate cosine; clip_norm 0.3",
                "  steps 100; batch 16",
                "  validate(every = 50, batch = 192)",
            ]
        out += ["}"]
    return "\n".join(out) + "\n"


def _scalars(rule: _Rule, lines: list[t.Assignment]) -> list[str]:
    """States computed from numbers and each other alone, such as FISTA's t; they start at 1."""
    needs = {s.targets[0].id: {n.id for n in t.walk(s.value) if isinstance(n, t.Name)} for s in lines}
    found = {name for name in rule.states if name != "x"}
    while True:
        known = found | set(CALLS) | {"k", "L"}
        smaller = {name for name in found if needs[name] <= known}
        if smaller == found:
            return [name for name in rule.states if name in found]
        found = smaller
