"""Facts as reparametrizations: the helper that maps any raw number into what is declared, and its arguments."""

from __future__ import annotations

from ...core import ir
from ...core.constants import constant, exact
from ...core.ir import Node
from ...core.ranges import enforced, least_bound
from .emit import Emitter


def open_end(p: ir.Parameter) -> Node | None:
    """The end of a one-sided range that must not be reached."""
    r = enforced(p)
    if r is None or (r.low is not None and r.high is not None) or not p.facts.margin:
        return None
    return r.low if r.low_open else r.high if r.high_open else None


def constant_gap(p: ir.Parameter) -> str | None:
    """The distance from an open end, margin*|init - end|, where it is a number; None where the initial value comes from
    data."""
    r, margin = enforced(p), p.facts.margin
    if p.init is None or r is None:
        return f"{margin}"
    init = p.init.args[0] if p.init.op in ("broadcast", "scale") else p.init
    at, end = constant(init), constant(r.low if r.low is not None else r.high)
    if p.init.op == "identity":
        at = 1.0
    return None if at is None or end is None else repr(margin * abs(at - end))


def reparametrization(p: ir.Parameter, emitter: Emitter, gap: str) -> tuple[str, str] | None:
    """(helper, its arguments after the raw number), or None for a free parameter.

    `gap` is how the distance from an open end is called where it is no number.
    """
    found = _call(p, emitter, gap)
    if found is not None:
        emitter.helpers.add(found[0])
    return found


def _call(p: ir.Parameter, emitter: Emitter, gap: str) -> tuple[str, str] | None:
    symmetric = p.type.kind == "sym"
    if p.type.kind == "matrix":
        return None if p.facts.bound is None else ("within_norm", emitter.text(p.facts.bound))
    r = enforced(p)
    if r is None:
        return ("symmetric", "") if symmetric else None
    suffix = "_sym" if symmetric else ""

    def text(end: Node, precedence: int = 0) -> str:
        return emitter.per_matrix(end, precedence) if symmetric else emitter.at(end, precedence)

    margin = p.facts.margin
    bound = least_bound(p.facts)
    if bound is not None and p.facts.range is None and not symmetric:
        return "within", emitter.text(bound)
    if r.low is not None and r.high is not None:
        arguments = f"{text(r.low)}, {text(r.high)}"
        margins = (margin if r.low_open else 0.0, margin if r.high_open else 0.0)
        if margins != (ir.MARGIN, ir.MARGIN):
            arguments += f", {margins}"
        return f"between{suffix}", arguments
    distance = constant_gap(p) or gap
    away = "" if not margin else distance
    end = r.low if r.low is not None else r.high
    assert end is not None
    one_sided, sign, is_open = ("at_least", "+", r.low_open) if r.low is not None else ("at_most", "-", r.high_open)
    if is_open and away and exact(end) == 0:
        return one_sided + suffix, away if sign == "+" else f"-{away}"
    return one_sided + suffix, text(end, 1) + (f" {sign} {away}" if is_open and away else "")


def in_words(p: ir.Parameter) -> str:
    """What the raw numbers of a parameter are mapped into: `0 < P < 2 / L`; empty where they are the values.

    One text for one map, however its facts were written: raw numbers are good where this text is the same. The initial
    value is not in it, though the distance from an open end is a small share of it.
    """
    r, f = p.facts.range, p.facts
    said = [f"{p.name} symmetric"] if p.type.kind == "sym" else []
    if r is not None:
        above = f" {'<' if r.high_open else '<='} {_words(r.high)}" if r.high is not None else ""
        if r.low is None or r.high is None:
            below = f" {'>' if r.low_open else '>='} {_words(r.low)}" if r.low is not None else ""
            said.append(f"{p.name}{below}{above}")
        else:
            said.append(f"{_words(r.low)} {'<' if r.low_open else '<='} {p.name}{above}")
        if (r.low_open or r.high_open) and f.margin != ir.MARGIN:
            said.append(f"margin({f.margin:g})")
    if f.bound is not None:
        said.append(f"bounded({_words(f.bound)})")
    if f.envelope is not None:
        said.append(f"{p.name} -> 0 like {_words(f.envelope)}")
    return ", ".join(said)


def _words(end: Node) -> str:
    """An end of a range with the names of the file."""
    at = constant(end)
    if at is not None:
        return repr(at).removesuffix(".0")
    return Emitter({n.attr: n.name for n in end.walk() if n.op == "symbol"}).text(end)
