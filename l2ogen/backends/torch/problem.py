"""What the template of a problem class needs: its data, the derived formulas, the lines that draw instances."""

from __future__ import annotations

import re
from typing import Any

from ...core import ir
from ...core.types import Type
from .emit import PRODUCT, Emitter
from .names import classes, python_name
from .sampling import options_of, sample_lines

ALL = frozenset({"grad", "prox", "L", "subgrad", "stochgrad", "certificate"})
"""What a problem class can hold besides the values of its functions."""

EVALUATED = frozenset({"grad", "prox", "L", "certificate"})
"""What runtime/solver.py uses to solve a problem; the problem beside an algorithm has it, too."""


def problem_context(p: ir.Problem, needs: frozenset[str] = ALL) -> tuple[dict[str, Any], set[str]]:
    """The template's variables, and the helpers that the class uses. `needs`: which methods the class gets."""
    sizes, checks = _sizes(p)
    names = {("data", d.name): f"self.{python_name(d.name)}" for d in p.data}
    names |= {("size", size): f"self.{python_name(size)}" for size in sizes}
    names |= {
        ("variable", p.variable): "x",
        ("argument", "v"): "v",
        ("argument", "P"): "P",
        ("argument", "draw"): "draw",
        ("argument", "F"): "F",
    }
    own = str(p.variable_type.rows)
    emitter = Emitter(
        names, lambda size: "self.zeros()" if size == own else f"self.zeros({in_class(size)})", like="self.like"
    )
    emitter.sizes = {str(n.type.rows): in_class(str(n.type.rows)) for n in _nodes(p) if n.op == "identity"}
    context = {
        "name": p.name,
        "class_name": classes(p)["problem"],
        "doc": p.doc,
        "goal": p.objective_text,
        "variable": python_name(p.variable),
        "data": [_datum(d, emitter) for d in p.data],
        "shared": [python_name(d.name) for d in p.data if d.shared],
        "shapes": ", ".join(f'"{python_name(d.name)}": {_tuple(_names(d.type))}' for d in p.data),
        "shared_names": _tuple([python_name(d.name) for d in p.data if d.shared]),
        "sizes": {f"self.{python_name(size)}": where for size, where in sizes.items()},
        "checks": checks,
        "groups": list(dict.fromkeys(emitter.text(g) for g in p.groups)),
        "boxes": [(emitter.at(low, PRODUCT - 1), emitter.at(high, PRODUCT - 1)) for low, high in p.boxes],
        "size": in_class(own),
        "rows": own,
        "like": next((python_name(d.name) for d in p.data if d.type.kind != "scalar"), None),
        "batch": _batch(p),
        "external": p.smooth is not None and p.smooth.external,
        "smooth": _smooth(p.smooth, emitter, needs),
        "prox": _prox(p.prox, emitter, needs),
        "modulus": _certificate(p.modulus, emitter, needs),
        "radius": _certificate(p.radius, emitter, needs),
        "needs": needs,
        "subgrad": "subgrad" in needs and (p.prox is None or p.prox.subgradient is not None),
        "draws": sample_lines(p, emitter.helpers),
        "truth": next((python_name(n) for n in p.drawn if n == f"{p.variable}_true"), None),
        **options_of(p),
    }  # fmt: skip
    if context["external"]:
        emitter.helpers.add("gradient")
    return context, emitter.helpers


def in_class(size: str) -> str:
    """A size as text inside of a method: `2*n` -> `2*self.n`"""
    return re.sub(r"[A-Za-z]\w*", lambda name: f"self.{python_name(name[0])}", size)


def _nodes(p: ir.Problem) -> list[ir.Node]:
    parts = [p.smooth.value, p.smooth.gradient, p.smooth.lipschitz] if p.smooth else []
    parts += [p.prox.value, p.prox.prox] if p.prox else []
    return [n for part in parts if part is not None for n in part.walk()]


def _smooth(part: ir.SmoothPart | None, emitter: Emitter, needs: frozenset[str]) -> dict[str, Any] | None:
    if part is None or part.external:
        return None if part is None else {"text": part.text, "stochastic": None}
    assert part.value is not None and part.gradient is not None and part.lipschitz is not None
    found: dict[str, Any] = {"text": part.text, "value": emitter.text(part.value)}
    found |= dict.fromkeys(("gradient", "lipschitz", "stochastic"))
    if needs & {"grad", "subgrad"}:
        found["gradient"] = emitter.text(part.gradient)
    if "L" in needs:
        own = any(n.op in ("spectral", "spectral_squared", "norm_inf") for n in part.lipschitz.walk())
        text = emitter.at(part.lipschitz, PRODUCT)
        found["lipschitz"] = emitter.text(part.lipschitz) if own else f"self.zeros(1) + {text}"
    if "stochgrad" in needs and part.stochastic is not None and part.rows is not None:
        found["stochastic"], found["rows"] = emitter.text(part.stochastic), in_class(str(part.rows.rows))
        emitter.helpers.add("draw_rows")
    return found


def _prox(part: ir.ProxPart | None, emitter: Emitter, needs: frozenset[str]) -> dict[str, Any] | None:
    if part is None:
        return None
    found: dict[str, Any] = {"text": part.text, "value": emitter.text(part.value)}
    found |= dict.fromkeys(("prox", "subgradient"))
    found["metric"] = "P is a scalar or a diagonal" if "diagonal" in part.metrics else "P is a scalar"
    if "prox" in needs:
        found["prox"] = emitter.text(part.prox)
    if "subgrad" in needs and part.subgradient is not None:
        found["subgradient"] = emitter.at(part.subgradient, PRODUCT - 1)
    return found


def _certificate(value: ir.Node | None, emitter: Emitter, needs: frozenset[str]) -> str | None:
    return f"self.zeros(1) + {emitter.at(value, PRODUCT)}" if value is not None and "certificate" in needs else None


def axes(type_: Type) -> list[str]:
    """The size of each axis behind the leading dimensions."""
    sizes = [str(size) for size in type_.sizes]
    return sizes * 2 if type_.kind == "sym" else sizes


def _names(type_: Type) -> list[str]:
    """The axes as the class calls them."""
    return [re.sub(r"[A-Za-z]\w*", lambda name: python_name(name[0]), size) for size in axes(type_)]


def _datum(d: ir.Datum, emitter: Emitter) -> dict[str, Any]:
    sizes = axes(d.type) if d.shared else ["...", *axes(d.type)]
    space = f"({', '.join(sizes)}{',' * (len(sizes) == 1)})"
    if d.type.kind == "scalar":
        space = "number or (..., 1)"
    name = python_name(d.name)
    return {
        "name": name, "shape": space, "scalar": d.type.kind == "scalar", "symmetric": d.type.kind == "sym",
        "facts": _facts(d, f"self.{name}", emitter),
    }  # fmt: skip


def _facts(d: ir.Datum, name: str, emitter: Emitter) -> list[tuple[str, str]]:
    """(what holds, as Python, as text) of each declared bound."""
    found = []
    r = d.range or ir.Range()
    for end, opened, sign in ((r.low, r.low_open, ">"), (r.high, r.high_open, "<")):
        if end is None:
            continue
        op = sign + "=" * (not opened)
        shown = f"{d.name} {op} {emitter.text(end).replace('self.', '')}"
        if d.type.kind == "sym":
            emitter.helpers.add("semidefinite")
            difference = (
                name
                if end.attr == "0"
                else f"{name} - {emitter.per_matrix(end)} * torch.eye({name}.shape[-1], **self.like)"
            )
            found.append((f"semidefinite({difference if sign == '>' else f'-({difference})'})", shown))
        else:
            found.append((f"bool(({name} {op} {emitter.at(end, 1)}).all())", shown))
    return found


def _sizes(p: ir.Problem) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Size -> the axis it is read from; and the other axes that must agree with it."""
    sizes: dict[str, str] = {}
    checks: list[dict[str, Any]] = []
    for d in p.data:
        own = axes(d.type)
        for i, size in enumerate(own):
            if size in sizes or not size.isidentifier():
                checks.append({"name": python_name(d.name), "axis": i - len(own), "size": size})
            else:
                sizes[size] = f"{python_name(d.name)}.shape[{i - len(own)}]"
    for check in checks:
        check["value"] = in_class(check["size"])
    return sizes, checks


def _tuple(names: list[str]) -> str:
    """A tuple of strings as Python text."""
    return "(" + ", ".join(f'"{n}"' for n in names) + ("," if len(names) == 1 else "") + ")"


def _batch(p: ir.Problem) -> str:
    """The leading dimensions of the data, where some may have none: one dictionary for many right-hand sides."""
    own = [f"self.{python_name(d.name)}.shape[:-{len(axes(d.type)) or 1}]" for d in p.data if not d.shared]
    return f"torch.broadcast_shapes({', '.join(own)})" if own else "torch.Size()"
