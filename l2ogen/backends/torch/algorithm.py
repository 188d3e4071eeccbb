"""What the template of an algorithm class needs: constructor, initial state, step."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from ...core import ir
from ...core.constants import exact
from ...core.ranges import enforced
from .emit import Emitter, size_text
from .facts import constant_gap, in_words, open_end, reparametrization
from .names import attribute, classes, python_name
from .program import COSTLY, StepWriter, carried, gap_name, is_shared, shape, step_sizes, step_zeros


def algorithm_context(a: ir.Algorithm) -> tuple[dict[str, Any], set[str]]:
    writer = StepWriter(a)
    step = writer.write()
    used = set(step.helpers)
    codes = " ".join(line.code for line in step.lines)
    used |= {"quick_tanh"} if any(n.recurrent for n in a.networks) else set()
    states = [
        {"name": python_name(s.name), "shape": shape(s.type), "init": _initial_state(a, s, used)} for s in a.states
    ]  # fmt: skip
    precomputed = [_precomputed_state(a, p, used) for p in writer.carried]
    initial = [s["init"] for s in states] + [p["value"] for p in precomputed]
    context = {
        "name": a.title, "class_name": classes(a)["algorithm"], "doc": a.doc, "variable": python_name(a.variable),
        "rule": [s.text for s in a.statements if s.text and not (isinstance(s, ir.Call) and s.predicts)],
        "parameters": [_parameter_row(p) for p in a.parameters],
        "states": states, "precomputed": precomputed, "before": writer.before,
        "asks": sorted(set(re.findall(r"problem\.([a-zA-Z_]+)", codes + " ".join(initial))), key=str.lower),
        "fields": step.state_fields, "lines": step.lines,
        "read": [f for f, _ in step.state_fields if _occurs(f, codes)],
        "uses_k": _occurs("k", codes),
        "networks": [_network(a, n) for n in a.networks],
        "next": [
            *writer.next_names.values(), *([python_name(a.variable)] if writer.before else []),
            *(python_name(p.name) for p in writer.carried),
            *(python_name(n.name) for n in writer.networks),
        ],
        **_constructor(a, used),
    }  # fmt: skip
    return context, used


def _occurs(name: str, code: str) -> bool:
    """Whether a Python name is read in the text."""
    return re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", code) is not None


def _parameter_row(p: ir.Parameter) -> dict[str, str]:
    return {"name": p.name, "kind": p.kind, "space": str(p.type), "fact": p.text}


def is_start(s: ir.State) -> bool:
    """Whether a state is declared to start at 0, where a problem may say otherwise."""
    return s.init.op in ("number", "broadcast") and exact(s.init) == 0


def _initial_emitter(a: ir.Algorithm, used: set[str]) -> Emitter:
    names = {("data", d.name): f"problem.{python_name(d.name)}" for d in a.data}
    names |= {("lipschitz", f.lipschitz): "problem.L" for f in a.functions if f.lipschitz}
    names |= {("size", size): where for size, where in step_sizes(a).items()}
    names |= {("state", s.name): python_name(s.name) for s in a.states}
    names |= {
        ("parameter", p.name): python_name(p.name) if p in carried(a) else f"self.{attribute(a, p)}"
        for p in a.parameters if p.kind == "precomputed"
    }  # fmt: skip
    return Emitter(names, step_zeros(a), helpers=used, like="problem.like", sizes=step_sizes(a))


def _precomputed_state(a: ir.Algorithm, p: ir.Parameter, used: set[str]) -> dict[str, str]:
    assert p.value is not None
    return {"name": python_name(p.name), "value": _initial_emitter(a, used).tensor(p.value), "shape": shape(p.type)}


def _initial_state(a: ir.Algorithm, s: ir.State, used: set[str]) -> str:
    emitter = _initial_emitter(a, used)
    if s.name == a.variable and a.target == "minimize" and not a.data and is_start(s):
        used.add("start")
        return "start(problem)"
    zeros = step_zeros(a)("1" if s.type.kind == "scalar" else str(s.type.rows))
    if s.init.attr == "0":
        return zeros
    if s.init.op == "broadcast" or s.init.role == "state":
        return emitter.tensor(s.init)
    return f"{zeros} + {emitter.at(s.init, 2)}"  # what all instances share is repeated for each


WHAT = {
    True: {"lstm": "one LSTM for all coordinates, each with its own hidden state.",
           "gru": "one GRU for all coordinates, each with its own hidden state.",
           "mlp": "one multilayer perceptron for all coordinates."},
    False: {"lstm": "an LSTM over scalars, and the mean and root mean square of vectors.",
            "gru": "a GRU over scalars, and the mean and root mean square of vectors.",
            "mlp": "a multilayer perceptron over scalars, and the mean and root mean square of vectors."},
}  # fmt: skip


def _network(a: ir.Algorithm, n: ir.Network) -> dict[str, Any]:
    calls = [s for s in a.statements if isinstance(s, ir.Call) and s.network == n.name]
    call = calls[0]
    widths = [1 if n.per_coordinate or i.type.kind == "scalar" else 2 for i in call.inputs]
    size = next((i.type.rows for i in call.inputs if i.type.kind in ("vector", "diag")), None)
    own = next((s.type.rows for s in a.states if s.name == a.variable), None)
    start = "problem.zeros(1)"
    if n.per_coordinate:
        start = python_name(a.variable) if size == own else step_zeros(a)(str(size))
    outputs = len(call.outputs)
    count = f"{len(call.inputs)} input{'s' * (len(call.inputs) > 1)} and {outputs} output{'s' * (outputs > 1)}"
    pooled = f"{sum(widths)} features, {outputs} outputs (..., 1)"
    return {
        "name": python_name(n.name), "class_name": classes(a)[f"network {n.name}"],
        "what": WHAT[n.per_coordinate][n.cell],
        "inputs_text": f"{count} of shape (..., n)" if n.per_coordinate else pooled,
        "inputs": sum(widths), "outputs": outputs, "begin": start, "standardized": n.inputs == "standardized",
        "mixed": any(len({i.type.kind == "scalar" for i in c.inputs}) > 1 for c in calls),
        **{key: getattr(n, key) for key in
           ("cell", "recurrent", "per_coordinate", "hidden", "layers", "embed", "head", "activation", "bias", "start")},
    }  # fmt: skip


def _constructor(a: ir.Algorithm, used: set[str]) -> dict[str, Any]:
    """Arguments and lines of __init__: what is computed once from shared data, and learned tensors at their initial
    values, in the raw scale of their facts."""
    learned = [p for p in a.parameters if p.kind == "learned"]
    held = [p for p in a.parameters if p.kind == "precomputed" and p.value and is_shared(a, p.value)]
    formulas = [p.value for p in held] + [p.init for p in learned]
    data = [d for d in a.data if any(d.name in ir.symbols(e, "data") for e in formulas)]
    names = {("data", d.name): python_name(d.name) for d in data}
    names |= {("parameter", p.name): f"self.{attribute(a, p)}" for p in held}
    names |= {("size", size): python_name(size) for p in learned + held for size in _sizes_of(p)}
    called = {n: python_name(n) for p in learned + held for size in p.type.sizes for n in size.names}
    emitter = Emitter(names, lambda size: f"torch.zeros({size_text(size, called)}, **like)", helpers=used, sizes=called)
    sizes: dict[str, str] = {}
    for d in data:
        for i, size in enumerate(d.type.sizes):
            sizes.setdefault(str(size), f"{python_name(d.name)}.shape[{i}]")
    lines = [
        f'self.register_buffer("{attribute(a, p)}", {emitter.tensor(p.value)})' for p in held if p.value is not None
    ]
    free: list[str] = []
    counts = Counter(n for p in learned if p.init is not None for n in p.init.walk() if n.op in COSTLY)
    for p in learned:
        dims = [size_text(str(s), emitter.sizes) for s in p.type.sizes]
        if p.type.kind in ("scalar", "sym"):
            dims = ["1"] if p.type.kind == "scalar" else 2 * dims
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
            lines.append(f'self.register_buffer("{gap_name(a, p)}", {p.facts.margin} * (({value}) - {end}).abs())')
        found = None
        if p.init is not None and p.facts.envelope is None:  # else raw numbers
            found = reparametrization(p, emitter, f"self.{gap_name(a, p)}")
        elif p.init is not None and p.facts.range is not None:  # 0 is an end of every [0, E] and [-E, 0]
            found = "between", ("0, 1" if p.facts.range.low is not None else "-1, 0") + ", (0.0, 0.0)"
        if found is not None:
            used.add(found[0] + "_inverse")
            value = f"{found[0]}_inverse({', '.join(filter(None, (value, found[1])))})"
        if p.per_iteration:
            lines.append(f"initial = {value}")
            lines.append(f"self.{own} = nn.ParameterList(nn.Parameter(initial.clone()) for _ in range(layers))")
        else:
            lines.append(f"self.{own} = nn.Parameter({value})")
    if not data:
        lines = [line.replace(", **like", "") for line in lines]
    text = " ".join(lines)
    return {
        "layers": _layers(a) if any(p.per_iteration for p in learned) else None,
        "arguments": [python_name(d.name) for d in data],
        "shared_arguments": [d.name for d in data],
        "free_sizes": list(dict.fromkeys(free)),
        "size_arguments": [python_name(n) for n in dict.fromkeys(free)],
        "size_lines": [
            f"{python_name(name)} = {where}"
            for name, where in sizes.items() if name.isidentifier() and _occurs(python_name(name), text)
        ],
        "like": _like(data[0]) if "**like" in text else None,
        "facts": {attribute(a, p): words for p in learned if (words := in_words(p))},
        "learned": lines,
    }


def _sizes_of(p: ir.Parameter) -> list[Any]:
    """Sizes that stand as numbers in the formulas of a parameter."""
    return [n.name for e in (p.value, p.init) if e is not None for n in e.walk() if n.role == "size"]


def _layers(a: ir.Algorithm) -> int:
    layers: int = a.training.get("layers") or a.training.get("horizon") or 16
    return layers


def _like(first: ir.Datum) -> str:
    """dtype and device of new tensors: those of the data."""
    name = python_name(first.name)
    return f'{{"dtype": {name}.dtype, "device": {name}.device}}'


def _initial_value(p: ir.Parameter, dims: list[str], emitter: Emitter) -> str:
    """A tensor of the parameter's shape: the declared initial value, or a raw number (0: the middle of a range)."""
    shape_text = ", ".join(dims)
    r = enforced(p)
    if p.init is None or p.facts.envelope is not None:
        if p.type.kind == "sym" and r is not None:
            return f"torch.eye({dims[0]})"
        one_sided = r is not None and (r.low is None or r.high is None)
        return f"torch.full(({shape_text},), 0.1)" if one_sided else f"torch.zeros({shape_text})"
    value = p.init.args[0] if p.init.op == "broadcast" else p.init
    if emitter.is_plain(value):
        return f"torch.full(({shape_text},), {_float(emitter.text(value))})"
    return emitter.text(p.init)


def _float(text: str) -> str:
    """A Python number as a float, since torch.full makes integers of an integer: `1` as `1.0`."""
    if re.fullmatch(r"-?\d+", text):
        return f"{text}.0"
    return text if re.fullmatch(r"-?[\d.]+(e[+-]?\d+)?", text) else f"float({text})"
