"""What the template of an algorithm class needs: constructor, initial state, step."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from ...core import ir
from ...core.constants import MARGIN
from .emit import Emitter
from .names import attribute, classes, python_name
from .program import (
    COSTLY,
    StepWriter,
    constant_gap,
    gap_name,
    open_end,
    range_call,
    shape,
    step_sizes,
    step_zeros,
)


def algorithm_context(a: ir.Algorithm) -> tuple[dict[str, Any], set[str]]:
    writer = StepWriter(a)
    step = writer.write()
    used = set(step.helpers)
    codes = " ".join(line.code for line in step.lines)
    context = {
        "name": a.name, "class_name": classes(a)["algorithm"], "doc": a.doc, "variable": python_name(a.variable),
        "rule": [_rule_line(a, s) for s in a.statements if isinstance(s, ir.Assignment)],
        "parameters": [_parameter_row(p) for p in a.parameters],
        "states": [
            {"name": python_name(s.name), "shape": shape(s.type), "init": _initial_state(a, s, used)} for s in a.states
        ],
        "fields": step.state_fields, "lines": step.lines,
        "read": [f for f, _ in step.state_fields if _occurs(f, codes)],
        "uses_k": any(n.role == "iteration" for e in writer.expressions() for n in e.walk()),
        "networks": [_network(a, n) for n in a.networks],
        "next": list(writer.next_names.values()) + [python_name(n.name) for n in a.networks],
        **_constructor(a, used),
    }  # fmt: skip
    return context, used


def _occurs(name: str, code: str) -> bool:
    """Whether a Python name is read in the text."""
    return re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", code) is not None


def _rule_line(a: ir.Algorithm, s: ir.Assignment) -> str:
    return " ".join(a.source.text[s.span.start : s.span.end].split())


def _parameter_row(p: ir.Parameter) -> dict[str, str]:
    return {"name": p.name, "kind": p.kind, "space": str(p.type), "fact": p.text}


def _initial_state(a: ir.Algorithm, s: ir.State, used: set[str]) -> str:
    names = {("data", d.name): f"problem.{python_name(d.name)}" for d in a.data}
    names |= {("lipschitz", f.lipschitz): "problem.L" for f in a.functions if f.lipschitz}
    emitter = Emitter(names, step_zeros(a), helpers=used, like="problem.like", sizes=step_sizes(a))
    if s.type.kind == "scalar" and s.init.attr == "0":
        return "problem.zeros(1)"
    value = emitter.tensor(s.init)
    shared = not any(n.role == "lipschitz" or n.op == "broadcast" for n in s.init.walk())
    if s.type.kind == "vector" and shared:  # what all instances share is repeated for each
        return f"problem.zeros() + {emitter.at(s.init, 2)}"
    return value


def _network(a: ir.Algorithm, n: ir.Network) -> dict[str, Any]:
    call = next(s for s in a.statements if isinstance(s, ir.Prediction) and s.network == n.name)
    return {
        "name": python_name(n.name), "class_name": classes(a)[f"network {n.name}"],
        "hidden": n.hidden, "layers": n.layers, "head": n.head,
        "inputs": len(call.inputs), "outputs": len(call.outputs),
    }  # fmt: skip


def _constructor(a: ir.Algorithm, used: set[str]) -> dict[str, Any]:
    """Arguments and lines of __init__: learned tensors at their initial values, in the raw scale of their range."""
    learned = [p for p in a.parameters if p.kind == "learned"]
    data = [d for d in a.data if any(d.name in ir.symbols(p.init, "data") for p in learned)]
    names = {("data", d.name): python_name(d.name) for d in data}
    emitter = Emitter(names, "torch.zeros({}, **like)".format, helpers=used)
    sizes: dict[str, str] = {}
    for d in data:
        for i, size in enumerate(d.type.sizes):
            sizes.setdefault(str(size), f"{python_name(d.name)}.shape[{i}]")
    lines: list[str] = []
    free: list[str] = []
    counts = Counter(n for p in learned if p.init is not None for n in p.init.walk() if n.op in COSTLY)
    for p in learned:
        dims = [str(s) for s in p.type.sizes] if p.type.kind != "scalar" else ["1"]
        free += [n for s in p.type.sizes for n in sorted(s.names) if n not in sizes]
        for node in p.init.walk() if p.init is not None else []:
            if counts[node] > 1 and node not in emitter.temporaries:
                name = f"{node.op}_{node.args[0].name if node.args[0].op == 'symbol' else len(emitter.temporaries)}"
                lines.append(f"{name} = {emitter.text(node)}")
                emitter.temporaries[node] = name
        own = attribute(a, p)
        value = _initial_value(p, dims, emitter)
        end_node = open_end(p)
        if end_node is not None and constant_gap(p) is None:
            end = emitter.at(end_node, 2)
            lines.append(f'self.register_buffer("{gap_name(a, p)}", {MARGIN} * (({value}) - {end}).abs())')
        call = range_call(p, emitter, f"self.{gap_name(a, p)}") if p.init is not None else None  # else raw numbers
        if call is not None:
            used.add(call[0] + "_inverse")
            value = f"{call[0]}_inverse({value}, {call[1]})"
        if p.per_iteration:
            lines.append(f"initial = {value}")
            lines.append(f"self.{own} = nn.ParameterList(nn.Parameter(initial.clone()) for _ in range(layers))")
        else:
            lines.append(f"self.{own} = nn.Parameter({value})")
    text = " ".join(lines)
    return {
        "layers": _layers(a) if any(p.per_iteration for p in learned) else None,
        "arguments": [python_name(d.name) for d in data],
        "shared_arguments": [d.name for d in data],
        "free_sizes": list(dict.fromkeys(free)),
        "size_lines": [f"{name} = {where}" for name, where in sizes.items() if _occurs(name, text)],
        "like": _like(data) if "**like" in text else None,
        "learned": lines,
    }


def _layers(a: ir.Algorithm) -> int:
    layers: int = a.training.get("layers") or a.training.get("horizon") or 16
    return layers


def _like(data: list[ir.Datum]) -> str:
    """dtype and device of new tensors: those of the data, else torch's defaults."""
    first = python_name(data[0].name) if data else ""
    return f'{{"dtype": {first}.dtype, "device": {first}.device}}' if data else "{}"


def _initial_value(p: ir.Parameter, dims: list[str], emitter: Emitter) -> str:
    """A tensor of the parameter's shape: the declared initial value, or a raw number (0: the middle of a range)."""
    shape_text = ", ".join(dims)
    if p.init is None:
        one_sided = p.range is not None and (p.range.low is None or p.range.high is None)
        return f"torch.full(({shape_text},), 0.1)" if one_sided else f"torch.zeros({shape_text})"
    value = p.init.args[0] if p.init.op == "broadcast" else p.init
    if emitter.is_plain(value):
        return f"torch.full(({shape_text},), float({emitter.text(value)}))"
    return emitter.text(p.init)
