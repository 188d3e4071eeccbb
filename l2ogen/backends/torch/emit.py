"""Expressions of the IR as torch text.

Shapes: a scalar per instance is (..., 1), so that it meets vectors (..., n) by broadcasting; a matrix is (..., m, n),
or (m, n) when all instances share it; a diagonal is the vector of its entries.
"""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass, field

from ...core.ir import Node
from ...core.operators import OPERATORS, Operator

RESERVED = {
    "self",
    "problem",
    "state",
    "torch",
    "nn",
    "Tensor",
    "layer",
    "math",
    "State",
    "cls",
    "generator",
    "like",
    "batch",
}
ATOM, POWER, SIGN, PRODUCT, SUM = 5, 4, 3, 2, 1


def python_name(name: str) -> str:
    """A DSL name as a Python identifier: `lambda` -> `lambda_`."""
    return name + "_" if keyword.iskeyword(name) or name in RESERVED else name


def class_name(name: str) -> str:
    """`sparse_coding` -> `SparseCoding`; names with capitals stay."""
    return name if name != name.lower() else "".join(part.capitalize() for part in name.split("_"))


def _needed(template: str, slot: re.Match[str], op: Operator, argument: Node) -> int:
    """How tightly an argument must bind at its place in the template, not to need parentheses."""
    before, after = template[: slot.start()], template[slot.end() :]
    if after.startswith("."):
        return ATOM
    if before.endswith(("(", ", ")) and after.startswith((")", ",")):
        return 0
    if not before:
        return op.precedence + (op.name == "power")  # ** associates to the right
    reassociates = op.name in ("add", "times") and argument.op not in ("add", "subtract", "times", "over")
    return op.precedence + (not reassociates and op.name not in ("negate", "power"))


@dataclass
class Emitter:
    """Prints expressions; `names` says what the symbols are called here, `temporaries` what was computed already."""

    names: dict[tuple[str, str], str]
    temporaries: dict[Node, str] = field(default_factory=dict)
    helpers: set[str] = field(default_factory=set)
    """Helper functions that the text calls."""
    like: str = "like"
    """dtype and device of new tensors, as keyword arguments."""
    sizes: dict[str, str] = field(default_factory=dict)
    """Where a size is read from; a size that is missing here is a local variable of its own name."""

    def text(self, node: Node) -> str:
        return self.emit(node)[0]

    def at(self, node: Node, precedence: int) -> str:
        """The text, in parentheses if it binds weaker."""
        text, own = self.emit(node)
        return text if own >= precedence else f"({text})"

    def emit(self, node: Node) -> tuple[str, int]:
        """(text, precedence)"""
        if node in self.temporaries:
            return self.temporaries[node], ATOM
        match node.op:
            case "number":
                return node.attr, ATOM
            case "symbol":
                return self.names[node.attr], ATOM
            case "identity":
                rows = str(node.type.rows)
                return f"torch.eye({self.sizes.get(rows, rows)}, **{self.like})", ATOM
            case "grad":
                return f"problem.grad_f({self.text(node.args[0])})", ATOM
            case "prox":
                return f"problem.prox_r({self.text(node.args[1])}, {self.text(node.args[0])})", ATOM
            case "value":
                return f"problem.{node.attr}({self.text(node.args[0])})", ATOM
            case "scale":
                scalar, matrix = node.args
                return f"{self.per_matrix(scalar)} * {self.at(matrix, PRODUCT)}", PRODUCT
            case "shrink":
                matrix, scalar = node.args
                return f"{self.at(matrix, PRODUCT)} / {self.per_matrix(scalar, SIGN)}", PRODUCT
        return self.operator(node)

    def operator(self, node: Node) -> tuple[str, int]:
        op = OPERATORS[node.op]
        plain = bool(op.numeric) and all(map(self.is_plain, node.args))
        template = op.numeric if plain else op.torch
        if node.op == "compare":
            template = template.replace("{op}", node.attr)
        parts: list[str] = []
        end = 0
        for slot in re.finditer(r"\{(\d)\}", template):
            argument = node.args[int(slot[1])]
            parts += template[end : slot.start()], self.at(argument, _needed(template, slot, op, argument))
            end = slot.end()
        self.helpers |= set(re.findall(r"\w+(?=\()", template))
        return "".join([*parts, template[end:]]), op.precedence

    def per_matrix(self, scalar: Node, precedence: int = PRODUCT) -> str:
        """A scalar as the factor of a matrix: (..., 1) -> (..., 1, 1)."""
        if self.is_plain(scalar):
            return self.at(scalar, precedence)
        return f"{self.at(scalar, ATOM)}.unsqueeze(-1)"

    def is_plain(self, node: Node) -> bool:
        """Whether the value is a Python number, not a tensor."""
        return all(n.op in OPERATORS or n.op == "number" or n.role in ("iteration", "option") for n in node.walk())
