"""Expressions of the IR as torch text.

Shapes: a scalar per instance is (..., 1), so that it meets vectors (..., n) by broadcasting; a matrix is (..., m, n),
or (m, n) when all instances share it; a diagonal is the vector of its entries.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from ...core.ir import Node
from ...core.operators import CALLS, OPERATORS, Operator

ATOM, SIGN, PRODUCT, SUM = 5, 3, 2, 1
TAKES_TENSOR = {*CALLS, "compare", "inner", "norm_1", "norm_2", "norm_2_squared", "norm_inf", "norm_0"}
TAKES_TENSOR -= {"max", "min", "clip"}
"""Operators whose first argument must be a tensor; the others work on Python numbers too."""


def _needed(template: str, slot: re.Match[str], op: Operator, argument: Node) -> int:
    """How tightly an argument must bind at its place in the template, not to need parentheses."""
    before, after = template[: slot.start()], template[slot.end() :]
    if after.startswith("."):
        return ATOM
    if before.endswith(("(", ", ")) and after.startswith((")", ",")):
        return 0
    if op.name == "inner":
        return PRODUCT if slot[1] == "0" else SIGN
    if not before:
        return op.precedence + (op.name == "power")  # ** associates to the right
    reassociates = op.name in ("add", "times") and argument.op not in ("add", "subtract", "times", "over")
    return min(ATOM, op.precedence + (not reassociates and op.name not in ("negate", "power")))


def size_text(size: str, names: dict[str, str]) -> str:
    """A size such as `2*n + 1` where its names are called otherwise; what is not in `names` keeps its name."""
    return names.get(size) or re.sub(r"[^\W\d]\w*", lambda name: names.get(name[0], name[0]), size)


@dataclass
class Emitter:
    """Prints expressions. What has a name is a tensor; numbers, sizes and formulas of these alone are Python's.

    `names` says what the symbols are called here, `temporaries` what was computed already, `zeros` how zeros of a size
    (as text, "1" for a scalar) are made.
    """

    names: dict[tuple[str, str], str]
    zeros: Callable[[str], str] = "problem.zeros({})".format
    temporaries: dict[Node, str] = field(default_factory=dict)
    helpers: set[str] = field(default_factory=set)
    """Helper functions that the text calls."""
    like: str = "like"
    """dtype and device of new tensors, as keyword arguments."""
    plain: set[Node] = field(default_factory=set)
    """Symbols that stand for Python numbers."""
    sizes: dict[str, str] = field(default_factory=dict)
    """Where a size is read from; a size that is missing here is a local variable of its own name."""

    def tensor(self, node: Node) -> str:
        """The text of a value that gets a name."""
        return f"{self.zeros('1')} + {self.at(node, PRODUCT)}" if self.is_plain(node) else self.text(node)

    def constant(self, number: str, size: str) -> tuple[str, int]:
        """A vector of equal entries."""
        return (self.zeros(size), ATOM) if number == "0" else (f"{self.zeros(size)} + {number}", SUM)

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
            case "none":
                return "None", ATOM
            case "identity":
                rows = str(node.type.rows)
                if node.type.kind == "diag":
                    return self.constant("1", rows)
                return f"torch.eye({size_text(rows, self.sizes)}, **{self.like})", ATOM
            case "broadcast":
                return self.constant(self.at(node.args[0], PRODUCT), str(node.type.rows))
            case "grad":
                return f"problem.grad_f({self.text(node.args[0])})", ATOM
            case "prox":
                return f"problem.prox_r({self.text(node.args[1])}, {self.text(node.args[0])})", ATOM
            case "subgrad":
                return f"problem.subgrad_F({self.text(node.args[0])})", ATOM
            case "stochgrad":
                return f"problem.stochgrad_f({self.text(node.args[0])}, draw)", ATOM
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
        template = op.torch
        if node.op == "compare":
            template = template.replace("{op}", node.attr)
        parts: list[str] = []
        end = 0
        for slot in re.finditer(r"\{(\d)\}", template):
            index = int(slot[1])
            argument, needed = node.args[index], _needed(template, slot, op, node.args[index])
            text = self.at(argument, needed)
            if self.wants_tensor(node, index):
                text = self.tensor(argument) if needed <= SUM else f"({self.tensor(argument)})"
            parts += template[end : slot.start()], text
            end = slot.end()
        self.helpers |= set(re.findall(r"\w+(?=\()", template))
        return "".join([*parts, template[end:]]), op.precedence

    def wants_tensor(self, node: Node, index: int) -> bool:
        """Whether an argument is a Python number where the operator needs a tensor."""
        if node.op == "where" and index == 1:
            return self.is_plain(node.args[1]) and self.is_plain(node.args[2])
        return index == 0 and node.op in TAKES_TENSOR and node.op != "where" and self.is_plain(node.args[0])

    def per_matrix(self, scalar: Node, precedence: int = PRODUCT) -> str:
        """A scalar as the factor of a matrix: (..., 1) -> (..., 1, 1)."""
        if self.is_plain(scalar):
            return self.at(scalar, precedence)
        return f"{self.at(scalar, ATOM)}.unsqueeze(-1)"

    def is_plain(self, node: Node) -> bool:
        """Whether the value is a Python number, not a tensor."""
        if node in self.plain or node.op == "number" or node.role in ("option", "size"):
            return True
        return node.op in OPERATORS and node.op not in TAKES_TENSOR and all(self.is_plain(a) for a in node.args)
