"""What the template of a problem class needs: its data, the derived formulas, the lines that draw instances."""

from __future__ import annotations

from typing import Any

from ...core import ir
from .emit import Emitter
from .names import classes, python_name
from .program import shape


def problem_context(p: ir.Problem) -> tuple[dict[str, Any], set[str]]:
    """The template's variables, and the helpers that the class uses."""
    names = {("data", d.name): f"self.{python_name(d.name)}" for d in p.data}
    names |= {("variable", p.variable): "x", ("argument", "v"): "v", ("argument", "P"): "P"}
    own = str(p.variable_type.rows)
    emitter = Emitter(names, lambda size: "self.zeros()" if size == own else f"self.zeros({size})", like="self.like")
    text = emitter.text
    sizes, checks = _sizes(p)
    context = {
        "name": p.name,
        "class_name": classes(p)["problem"],
        "doc": p.doc,
        "goal": p.objective_text,
        "data": [_datum(d) for d in p.data],
        "data_names": _tuple([python_name(d.name) for d in p.data]),
        "shared": [python_name(d.name) for d in p.data if d.shared],
        "shared_names": _tuple([python_name(d.name) for d in p.data if d.shared]),
        "sizes": sizes,
        "checks": checks,
        "size": str(p.variable_type.rows),
        "like": next(python_name(d.name) for d in p.data if d.type.kind != "scalar"),
        "batch": _batch(p),
        "smooth": p.smooth
        and {
            "text": p.smooth.text,
            "value": text(p.smooth.value),
            "gradient": text(p.smooth.gradient),
            "lipschitz": emitter.tensor(p.smooth.lipschitz),
        },
        "prox": p.prox and {"text": p.prox.text, "value": text(p.prox.value), "prox": text(p.prox.prox)},
        "options": [{"name": n, "value": literal(v)} for n, v in p.options],
        "draws": sample_lines(p, emitter.helpers),
        "truth": next((python_name(d.name) for d in p.draws if d.name == f"{p.variable}_true"), None),
    }
    return context, emitter.helpers


def _datum(d: ir.Datum) -> dict[str, Any]:
    space = shape(d.type)
    if d.type.kind == "scalar":
        space = "number or (..., 1)"
    elif d.shared:
        space = space.replace("..., ", "")
    r = d.range
    positive = r is not None and r.low is not None and r.low.attr == "0" and r.low_open
    return {"name": python_name(d.name), "shape": space, "scalar": d.type.kind == "scalar", "positive": positive}


def _sizes(p: ir.Problem) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Size -> the axis it is read from; and the other axes that must agree with it."""
    sizes: dict[str, str] = {}
    checks = []
    for d in p.data:
        for i, size in enumerate(d.type.sizes):
            axis = i - len(d.type.sizes)
            if str(size) in sizes:
                checks.append({"name": python_name(d.name), "axis": axis, "size": str(size)})
            elif str(size).isidentifier():
                sizes[str(size)] = f"{python_name(d.name)}.shape[{axis}]"
    return sizes, checks


def _tuple(names: list[str]) -> str:
    """A tuple of strings as Python text."""
    return "(" + ", ".join(f'"{n}"' for n in names) + ("," if len(names) == 1 else "") + ")"


def _batch(p: ir.Problem) -> str:
    """The leading dimensions of the data, where some may have none: one dictionary for many right-hand sides."""
    own = [f"self.{python_name(d.name)}.shape[:-{len(d.type.sizes) or 1}]" for d in p.data if not d.shared]
    return f"torch.broadcast_shapes({', '.join(own)})" if own else "torch.Size()"


def sample_lines(p: ir.Problem, used: set[str]) -> dict[str, list[str]]:
    """The lines that draw instances: those of the shared data, and the rest."""
    shared = {d.name for d in p.data if d.shared}
    names = {("option", n): n for n, _ in p.options} | {
        (role, d.name): python_name(d.name) for d in p.draws for role in ("data", "truth")
    }
    emitter = Emitter(names, "torch.zeros(batch, {}, **like)".format, helpers=used)
    lines: dict[str, list[str]] = {"shared": [], "own": []}
    for d in p.draws:
        arguments = [emitter.text(a) for a in d.arguments]
        if d.law:
            front = [] if d.name in shared else ["batch"]
            if d.law == "bernoulli_gaussian":
                arguments[1] = f"density={arguments[1]}"
            text = f"{d.law}({', '.join([*front, *arguments])}, generator=generator, like=like)"
            used.add(d.law)
            if d.normalized:
                text = f"columns_normalized({text})"
                used.add("columns_normalized")
        else:
            text = emitter.tensor(d.arguments[0]) if d.type.kind != "scalar" else arguments[0]
        if d.snr is not None:
            text = f"with_noise({text}, {emitter.text(d.snr)}, generator)"
            used.add("with_noise")
        lines["shared" if d.name in shared else "own"].append(f"{python_name(d.name)} = {text}")
    return lines


def literal(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
