"""What the template of an algorithm class needs: constructor, initial state, step."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from ...core import ir
from .emit import Emitter, class_name, python_name
from .program import COSTLY, StepWriter, range_call, shape, step_sizes


def algorithm_context(a: ir.Algorithm) -> tuple[dict[str, Any], set[str]]:
    writer = StepWriter(a)
    step = writer.write()
    used = set(step.helpers)
    codes = " ".join(line.code for line in step.lines)
    context = {
        "name": a.name, "class_name": class_name(a.name), "doc": a.doc, "variable": python_name(a.variable),
        "rule": [_rule_line(a, s) for s in a.statements if isinstance(s, ir.Assignment)],
        "parameters": [_parameter_row(p) for p in a.parameters],
        "states": [
            {"name": python_name(s.name), "shape": shape(s.type), "init": _initial_state(a, s, used)} for s in a.states
        ],
        "fields": step.state_fields, "lines": step.lines,
        "read": [f for f, _ in step.state_fields if _occurs(f, codes)],
        "uses_k": _occurs("k", codes),
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
    emitter = Emitter(
        {("data", d.name): f"problem.{d.name}" for d in a.data}
        | {("lipschitz", f.lipschitz): "problem.L" for f in a.functions if f.lipschitz},
        helpers=used,
        like="problem.like",
        sizes=step_sizes(a),
    )
    zeros = "problem.zeros()" if s.type.kind == "vector" else "problem.zeros(1)"
    value = emitter.text(s.init)
    if emitter.is_plain(s.init):
        return zeros if s.init.attr == "0" else f"{zeros} + {value}"
    return value


def _network(a: ir.Algorithm, n: ir.Network) -> dict[str, Any]:
    call = next(s for s in a.statements if isinstance(s, ir.Prediction) and s.network == n.name)
    return {
        "name": python_name(n.name), "class_name": class_name(n.name),
        "hidden": n.hidden, "layers": n.layers, "head": n.head,
        "inputs": len(call.inputs), "outputs": len(call.outputs),
    }  # fmt: skip


def _constructor(a: ir.Algorithm, used: set[str]) -> dict[str, Any]:
    """Arguments and lines of __init__: learned tensors at their initial values, in the raw scale of their range."""
    learned = [p for p in a.parameters if p.kind == "learned"]
    data = [d for d in a.data if any(d.name in ir.symbols(p.init, "data") for p in learned)]
    emitter = Emitter({("data", d.name): d.name for d in data}, helpers=used)
    sizes: dict[str, str] = {}
    for d in data:
        for i, size in enumerate(d.type.sizes):
            sizes.setdefault(str(size), f"{d.name}.shape[{i}]")
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
        value = _initial_value(p, dims, emitter)
        call = range_call(p, emitter) if p.init is not None else None  # without init the raw number starts
        if call is not None:
            used.add(call[0] + "_inverse")
            value = f"{call[0]}_inverse({value}, {call[1]})"
        if p.per_iteration:
            lines.append(f"{p.attribute} = {value}")
            lines.append(
                f"self.{p.attribute} = nn.ParameterList(nn.Parameter({p.attribute}.clone()) for _ in range(layers))"
            )
        else:
            lines.append(f"self.{p.attribute} = nn.Parameter({value})")
    text = " ".join(lines)
    return {
        "layers": a.training.get("layers", 16) if any(p.per_iteration for p in learned) else None,
        "arguments": [d.name for d in data],
        "free_sizes": list(dict.fromkeys(free)),
        "size_lines": [f"{name} = {where}" for name, where in sizes.items() if _occurs(name, text)],
        "like": f"{data[0].name}" if data and "**like" in text else None,
        "learned": lines,
    }


def _initial_value(p: ir.Parameter, dims: list[str], emitter: Emitter) -> str:
    """A tensor of the parameter's shape: the declared initial value, or raw 0 (the middle of a range)."""
    if p.init is None:
        one_sided = p.range is not None and (p.range.low is None or p.range.high is None)
        return f"torch.full(({', '.join(dims)},), 0.1)" if one_sided else f"torch.zeros({', '.join(dims)})"
    if emitter.is_plain(p.init):
        return f"torch.full(({', '.join(dims)},), float({emitter.text(p.init)}))"
    return emitter.text(p.init)
