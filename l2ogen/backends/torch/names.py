"""Names of the language as Python names, kept away from everything that generated files call something already."""

from __future__ import annotations

import ast
import builtins
import keyword
from functools import cache
from pathlib import Path

from ...core import ir

TEMPLATES = Path(__file__).parent / "templates"

IN_FILES = """
self cls problem state torch nn Tensor State NamedTuple cached_property detach layer layers k generator batch like
folder chosen
"""
"""Of the generated functions themselves."""
OF_PROBLEMS = """
name data shared defaults like x_true x0 batch zeros L f grad_f r prox_r F sample sample_shared subgrad_F draw
stochgrad_f minibatch modulus radius
"""
"""Attributes of a problem class."""
OF_MODULES = """
add_module apply bfloat16 buffers call_super_init children compile cpu cuda double dump_patches eval extra_repr facts
float forward get_buffer get_extra_state get_parameter get_submodule half init_state ipu layers load_state_dict modules
mtia name named_buffers named_children named_modules named_parameters parameters register_backward_hook register_buffer
register_forward_hook register_forward_pre_hook register_full_backward_hook register_module register_parameter reported
requires_grad_ set_extra_state set_submodule share_memory state_dict step to to_empty train training type xpu zero_grad
"""
"""Attributes of torch.nn.Module and of the generated class."""


@cache
def helper_texts() -> dict[str, str]:
    """Helper function -> its source text."""
    text = (TEMPLATES / "helpers.py").read_text(encoding="utf-8")
    functions = [n for n in ast.parse(text).body if isinstance(n, ast.FunctionDef)]
    return {f.name: ast.get_source_segment(text, f) or "" for f in functions}


@cache
def reserved() -> frozenset[str]:
    words = (IN_FILES + " " + OF_PROBLEMS + " " + OF_MODULES).split()
    return frozenset([*words, *helper_texts(), *dir(builtins), *keyword.kwlist]) - {"x_true", "k", "f", "r"}


def python_name(name: str) -> str:
    """A name of the language as a Python name: `lambda` -> `lambda_`."""
    return name + "_" if name in reserved() else name


def class_name(name: str) -> str:
    """`sparse_coding` -> `SparseCoding`; names with capitals stay."""
    return name if name != name.lower() else "".join(part.capitalize() for part in name.split("_"))


def classes(program: ir.Algorithm | ir.Problem) -> dict[str, str]:
    """What the classes of a file are called: keys `problem`, `algorithm`, and one for each network."""
    bound = program if isinstance(program, ir.Problem) else program.training.problem
    wanted = [("problem", class_name(bound.name))] if bound is not None else []
    if isinstance(program, ir.Algorithm):
        wanted.append(("algorithm", class_name(program.title.replace(":", "_"))))
        wanted += [(f"network {n.name}", class_name(n.name)) for n in program.networks]
    taken, found = set(reserved()), {}
    for key, name in wanted:
        while name in taken:
            name += "_"
        taken.add(name)
        found[key] = name
    return found


def attribute(program: ir.Algorithm, p: ir.Parameter) -> str:
    """The module's attribute of a learned parameter: `theta` for `theta_k`, unless that is another parameter."""
    short = p.name.removesuffix("_k")
    return python_name(p.name if any(q.name == short for q in program.parameters) else short)
