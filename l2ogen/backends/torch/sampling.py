"""The lines of `sample` and `sample_shared`: each draws, computes or loads one line of the `sample` block."""

from __future__ import annotations

import re
from math import isfinite
from typing import Any

from ...core import ir
from ...core.sizes import Size
from ...core.types import Type
from .emit import PRODUCT, Emitter
from .names import python_name


def options_of(p: ir.Problem) -> dict[str, Any]:
    """Arguments of `sample` with their defaults."""
    options = [{"name": _option(n), "key": n, "value": literal(v, n in p.reals)} for n, v in p.options]
    shared = {d.name for d in p.data if d.shared}
    files = [d for d in p.draws if isinstance(d, ir.Load)]
    loads = [{name in shared for name, *_ in d.arrays} for d in files]
    return {
        "options": options,
        "loads": {"shared": any(True in load for load in loads), "own": any(False in load for load in loads)},
        "chosen": any(not d.table and False in load for d, load in zip(files, loads, strict=True)),
        "minibatch": "minibatch" in dict(p.options),
        "minibatch_default": literal(dict(p.options).get("minibatch", 32), False),
    }


def _option(name: str) -> str:
    """An option as an argument of `sample`."""
    return name if name == "minibatch" else python_name(name)


def sample_lines(p: ir.Problem, used: set[str]) -> dict[str, list[str]]:
    """The lines that draw instances: those of the shared data, and the rest."""
    shared = {d.name for d in p.data if d.shared}
    names = {("option", n): _option(n) for n, _ in p.options}
    names |= {(role, name): python_name(name) for name in p.drawn for role in ("data", "truth")}
    writers = {
        "shared": Emitter(names, "torch.zeros({}, **like)".format, helpers=used),
        "own": Emitter(names, "torch.zeros(batch, {}, **like)".format, helpers=used),
    }
    lines: dict[str, list[str]] = {"shared": [], "own": []}
    for d in p.draws:
        if isinstance(d, ir.Load):
            for where in lines:
                arrays = tuple(a for a in d.arrays if (a[0] in shared) == (where == "shared"))
                if arrays:
                    lines[where].append(_load(d, arrays, where == "own"))
                    used |= {"load_table"} if d.table else {"load_arrays", *["choice"] * (where == "own")}
        else:
            where = "shared" if d.shared else "own"
            lines[where].append(f"{python_name(d.name)} = {_draw(d, writers[where], where == 'own')}")
    return lines


def _draw(d: ir.Draw, emitter: Emitter, own: bool) -> str:
    if d.law:
        text = _law(d, emitter, own)
    elif d.type.kind == "scalar" and own:
        text = emitter.text(d.arguments[0])
    else:
        text = emitter.tensor(d.arguments[0])
    if d.snr is not None:
        emitter.helpers.add("with_noise")
        text = f"with_noise({text}, {emitter.text(d.snr)}, generator)"
    if d.std is not None:
        emitter.helpers.add("gaussian")
        std = emitter.at(d.std, PRODUCT)
        text += f" + {std} * gaussian({', '.join(_front(d.type, own))}, generator=generator, like=like)"
    return text


def _front(type_: Type, own: bool) -> list[str]:
    """The shape of a drawn tensor, as Python text."""
    return ["batch"] * own + ([_size(size) for size in type_.sizes] or ["1"])


def _size(size: Size) -> str:
    """A size in terms of the arguments of `sample`."""
    return re.sub(r"[A-Za-z]\w*", lambda name: _option(name[0]), str(size))


def _law(d: ir.Draw, emitter: Emitter, own: bool) -> str:
    arguments = ["batch"] * own + ([emitter.text(a) for a in d.arguments] or ["1"])
    options = {name: value for name, value in d.options if name != "std"}
    if d.law == "bernoulli_gaussian":
        arguments[-1] = f"density={arguments[-1]}"
    arguments += [f"{name}={emitter.text(value)}" for name, value in options.items()]
    emitter.helpers.add(d.law)
    text = f"{d.law}({', '.join(arguments)}, generator=generator, like=like)"
    std = dict(d.options).get("std")
    if std is not None:
        text = f"{emitter.at(std, PRODUCT)} * {text}"
    if d.normalized:
        emitter.helpers.add("columns_normalized")
        text = f"columns_normalized({text})"
    return text


def _load(d: ir.Load, arrays: tuple[tuple[str, Type, str], ...], own: bool) -> str:
    """Names = load_arrays(file, what is in it, …)"""
    targets = ", ".join(python_name(name) for name, *_ in arrays) + "," * (len(arrays) == 1)
    shapes = []
    for _, type_, array in arrays:
        sizes = [_size(size) for size in type_.sizes] * (2 if type_.kind == "sym" else 1)
        shapes.append(f'"{array}": ({", ".join(sizes)}{"," * (len(sizes) == 1)})')
    load, more = ("load_table", ", batch") if d.table else ("load_arrays", ", batch, chosen")
    more *= own
    return f'({targets}) = {load}("{d.file}", {{{", ".join(shapes)}}}, folder, like{more})'


def literal(value: float, real: bool) -> str:
    """A number as Python text; `real`: as a float, though it may be whole, or inf."""
    if real:
        return repr(value) if isfinite(value) else 'float("inf")'
    return str(int(value)) if value == int(value) else repr(value)
