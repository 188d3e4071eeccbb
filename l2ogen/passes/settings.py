"""One setting of a `train` block: its tree -> its value, checked against the vocabulary."""

from __future__ import annotations

from math import inf, isfinite, nan
from typing import Any

from .. import vocabulary as v
from ..core import ir
from ..core.constants import constant
from ..core.symbols import Scope
from ..diagnostics import Diagnostic, catalog, nearest
from ..syntax import tree as t
from .expressions import Expressions


def number(e: t.Node) -> float | None:
    """The finite value of an expression of numbers alone."""
    if not isinstance(e, t.Number | t.Unary | t.Binary | t.Paren):
        return None
    value = constant(Expressions(Scope(), []).lower(e))
    return value if value is not None and isfinite(value) else None


def setting(item: t.Setting, report: list[Diagnostic]) -> dict[str, Any]:
    """{its name: its value}; empty where a mistake was reported."""
    word = item.name.id
    if word not in v.SETTINGS:
        meant = nearest(word, v.SETTINGS)
        report.append(catalog.unknown_setting(item.name.span, word, meant, list(v.SETTINGS)))
        return {}
    if len(item.values) > 1 and word not in v.LISTS:
        report.append(catalog.bad_setting(item.span_of_values, word, f"one value: {v.wanted(word)}"))
        return {}
    value: Any = None
    if word in v.NUMBERS:
        value = v.NUMBERS[word].read(number(item.values[0]))
    elif word in v.TEXTS:
        value = item.values[0].text if isinstance(item.values[0], t.Text) and item.values[0].text.strip() else None
    else:
        phrases = [_phrase(word, e, report) for e in item.values]
        if None in phrases:
            return {}
        return {word: tuple(phrases) if word in v.LISTS else phrases[0]}
    if value is None:
        report.append(catalog.bad_setting(item.values[0].span, word, v.wanted(word)))
        return {}
    return {word: value}


def _phrase(setting: str, e: t.Expr, report: list[Diagnostic]) -> v.Phrase | None:
    name = e.fn if isinstance(e, t.SettingCall) else e
    if not isinstance(name, t.Name):
        wanted = v.wanted(setting)
        if setting == "rate":
            wanted += "; the number is the optimizer's: `optimizer adam(rate = 1e-3)`"
        report.append(catalog.bad_setting(e.span, setting, wanted))
        return None
    args = e.args if isinstance(e, t.SettingCall) else ()
    phrase, mistakes = v.read(setting, name.id, list(map(_item, args)))
    for m in mistakes:
        a = args[m.at] if m.at is not None else None
        if m.known and a is None:  # an unknown word
            report.append(catalog.bad_setting(name.span, setting, m.wanted, nearest(name.id, m.known)))
        elif m.known and isinstance(a, t.Keyword):
            meant = nearest(m.name, m.known)
            report.append(catalog.unknown_option(a.name.span, m.name, f"`{name.id}`", meant, list(m.known)))
        else:
            place = a.value if isinstance(a, t.Keyword) and m.name == a.name.id else a
            report.append(catalog.bad_setting((place or e).span, m.name, m.wanted))
    return phrase


def _item(a: t.Node) -> v.Item:
    if isinstance(a, t.Interval):
        low, high = number(a.low), number(a.high)
        return v.Range(a.name.id, nan if low is None else low, nan if high is None else high)
    if isinstance(a, t.Keyword):
        return a.name.id, _literal(a.value)
    return "", _literal(a)


def _literal(e: t.Node) -> object:
    if isinstance(e, t.Tuple):
        return tuple(map(_literal, e.items))
    return e.id if isinstance(e, t.Name) else number(e)


def fits_rule(
    settings: dict[str, Any], places: dict[str, t.Setting], learned: tuple[ir.Parameter, ...], report: list[Diagnostic]
) -> dict[str, Any]:
    """Check what a schedule or a search asks of the rule's parameters; returns the settings that fit."""
    layerwise = any(phase.word == "layerwise" for phase in settings.get("schedule", ()))
    if layerwise and not any(p.per_iteration for p in learned):
        what = "`layerwise(…)` where a learned parameter belongs to a layer (`NAME_k`); this rule has none"
        report.append(catalog.bad_setting(places["schedule"].span_of_values, "schedule", what))
        settings = {word: value for word, value in settings.items() if word != "schedule"}
    if "search" not in settings:
        return settings
    scalars = {p.name: p for p in learned if searchable(p)}
    intervals = {a.name.id: a for a in places["search"].values[0].args if isinstance(a, t.Interval)}  # type: ignore[attr-defined]
    for r in settings["search"].ranges:
        place = intervals[r.name]
        if r.name not in scalars:
            wanted = "learned scalars that all layers share, with numbers as bounds"
            has = f" (here: {', '.join(scalars)})" if scalars else "; this rule has none"
            report.append(catalog.bad_setting(place.name.span, "search", wanted + has, nearest(r.name, scalars)))
        else:
            limits = scalars[r.name].range
            low, high = reach(scalars[r.name])
            if limits is not None and (r.low < low or r.high > high):
                help = f"search from {low:g} to {high:g}"
                message = f"the search leaves the range of `{r.name}`, or comes too close to an open end"
                report.append(catalog.settings_clash(place.span, message, limits.span, help))
    return settings


def reach(p: ir.Parameter) -> tuple[float, float]:
    """The smallest and the largest value that a searchable parameter can take: open ends keep their margin."""
    r, margin = p.range or ir.Range(), p.facts.margin
    low, high = constant(r.low), constant(r.high)
    if low is not None and high is not None:
        gap = margin * (high - low)
    else:
        end = low if low is not None else high
        init = constant(p.init)
        gap = margin if init is None or end is None else margin * abs(init - end)
    return (
        -inf if low is None else low + gap * r.low_open,
        inf if high is None else high - gap * r.high_open,
    )


def searchable(p: ir.Parameter) -> bool:
    """Whether `search` can set the parameter: one learned scalar, whose smallest and largest values are numbers."""
    if p.kind != "learned" or p.type.kind != "scalar" or p.per_iteration:
        return False
    r = p.range or ir.Range()
    ends = [end for end in (r.low, r.high) if end is not None]
    numbers = p.facts.bound is None and p.facts.envelope is None and all(constant(end) is not None for end in ends)
    open_end = len(ends) == 1 and (r.low_open or r.high_open)  # its margin depends on the initial value
    return numbers and (not open_end or p.init is None or constant(p.init) is not None)
