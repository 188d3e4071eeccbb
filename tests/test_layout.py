"""The direction of imports. Every import statement is read, at the top of a file or inside a function.

A unit is one file or one folder directly under l2ogen/. The rules, which CONTRIBUTING.md explains:

* a compiler unit imports only itself and units above it in LAYERS; from outside, only LIGHT packages;
* `runtime` needs torch and knows nothing of the compiler; only LAUNCHERS import it, and only inside
  functions, as they do with every heavy package: `l2ogen check` starts without torch;
* a generated module stands alone: torch and a little of the standard library. So does Python text in a
  templates/ folder, which the compiler copies and never imports.
"""
import ast
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Each line may import from the lines above it. Units on one line don't know each other.
LAYERS = (
    ("source",),
    ("diagnostics",),
    ("syntax",),
    ("core",),
    ("passes",),
    ("analysis", "backends"),
    ("pipeline",),
    ("mend",),
    ("api",),
    ("__init__",),  # the front door: `import l2ogen`
    ("demo", "compare", "measure", "certify"),
    ("cli",),
    ("__main__",),
)
RANK = {unit: rank for rank, layer in enumerate(LAYERS) for unit in layer}
LAUNCHERS = {"api", "__init__", "demo", "compare", "measure", "certify", "cli", "__main__"}
COMPILER = set(RANK) - LAUNCHERS
# Anyone may import them, they import no other unit: finding and writing files; the words of `train`.
FREE = {"resources", "output", "vocabulary"}
RUNTIME = {"runtime"}
RUNTIME_MAY = {"source", "diagnostics", "resources", "vocabulary", "runtime"}

LIGHT = {"lark", "jinja2", "click"}  # of pyproject.toml's core dependencies
EXTRA = {"analysis": {"sympy", "numpy"}}  # what one unit may import besides
STANDALONE = {"torch", "typing", "math", "functools", "collections", "__future__"}  # what a generated module may import
FOR_FILES = {"numpy", "os", "csv"}  # and inside the functions that load data files


@dataclass(frozen=True)
class Import:
    """`import module`, or `from package import name` (then module is "package.name"), and where it stands."""

    module: str
    file: str
    line: int
    lazy: bool  # inside a function or `if TYPE_CHECKING`: does not run when the file is imported

    @property
    def top(self) -> str:
        return self.module.partition(".")[0]


def imports_of(path: Path, root: Path) -> Iterator[Import]:
    """All imports of one file, relative ones made absolute."""
    file = path.relative_to(root)

    def visit(node: ast.AST, lazy: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, str(file), node.lineno, lazy)
        elif isinstance(node, ast.ImportFrom):
            parents = file.parts[: -node.level] if node.level else ()
            base = ".".join((*parents, *filter(None, [node.module])))
            for alias in node.names:
                yield Import(f"{base}.{alias.name}", str(file), node.lineno, lazy)
        inside = lazy or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or (
            isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"))
        for child in ast.iter_child_nodes(node):
            yield from visit(child, inside)

    yield from visit(ast.parse(path.read_text(encoding="utf-8"), str(path)), False)


def modules(package: Path) -> list[Path]:
    """All that can be imported; a template is text, whatever its ending."""
    return sorted(path for path in package.rglob("*.py") if path.parent.name != "templates")


def units(root: Path) -> dict[str, list[Path]]:
    """The units of l2ogen/ and the modules of each."""
    package, found = root / "l2ogen", dict[str, list[Path]]()
    for path in modules(package):
        found.setdefault(path.relative_to(package).parts[0].removesuffix(".py"), []).append(path)
    return found


def unit_of(module: str, known: set[str]) -> str:
    """l2ogen.core.types -> core;  l2ogen and l2ogen.load, a name defined in the front door, -> __init__."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in known else "__init__"


def listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def why_not(unit: str, item: Import, known: set[str]) -> str | None:
    """Why `unit` may not have this import; None if it may."""
    if item.top == "l2ogen":
        other = unit_of(item.module, known)
        if other == unit or other in FREE:
            return None
        if unit in FREE:
            return f"{unit} imports no other unit, {other} included"
        if unit in RUNTIME:
            return None if other in RUNTIME_MAY else f"the runtime imports {listed(RUNTIME_MAY)} only"
        if other in RUNTIME:
            if unit not in LAUNCHERS:
                return "the compiler does not know the runtime"
            return None if item.lazy else "import the runtime inside the function that needs it"
        if unit not in RANK or other not in RANK:
            return None  # test_every_unit_has_a_place says so
        return None if RANK[other] < RANK[unit] else f"{unit} comes before {other}, or beside it"
    if unit in RUNTIME or item.top in sys.stdlib_module_names or item.top in LIGHT:
        return None
    if item.top in EXTRA.get(unit, set()) or (unit in LAUNCHERS and item.lazy):
        return None
    if unit in LAUNCHERS:
        return f"import {item.top} inside the function that needs it: the command line starts without it"
    return f"the compiler imports the standard library and {listed(LIGHT)} only"


def violations(root: Path) -> list[str]:
    """Every forbidden import under root/l2ogen, one line of text each."""
    found, messages = units(root), []
    for unit, files in found.items():
        for item in (item for path in files for item in imports_of(path, root)):
            if reason := why_not(unit, item, set(found)):
                messages.append(f"{item.file}:{item.line}: {item.module}: {reason}")
    return messages


def report(messages: list[str]) -> str:
    return "\n" + "\n".join(f"  {message}" for message in messages)


def test_every_unit_has_a_place() -> None:
    homeless = set(units(ROOT)) - set(RANK) - FREE - RUNTIME
    assert not homeless, f"give {listed(homeless)} a line in LAYERS: who may import it?"


def test_every_folder_is_a_package() -> None:
    folders = {path.parent for path in modules(ROOT / "l2ogen")}
    missing = {str(folder.relative_to(ROOT)) for folder in folders if not (folder / "__init__.py").exists()}
    assert not missing, f"no __init__.py, so the wheel leaves out {listed(missing)}"


def test_imports_run_one_way() -> None:
    messages = violations(ROOT)
    assert not messages, report(messages)


def test_generated_modules_stand_alone() -> None:
    generated = [path for path in ROOT.glob("generated/**/*.py") if not path.stem.endswith("_train")]
    templates = ROOT.glob("l2ogen/**/templates/*.py")
    messages = [
        f"{item.file}:{item.line}: {item.module}: a generated module imports {listed(STANDALONE)} only"
        for path in (*generated, *templates) for item in imports_of(path, ROOT)
        if item.top not in STANDALONE and not (item.lazy and item.top in FOR_FILES)
    ]
    assert not messages, report(messages)


LAZY = "def run():\n    "


@pytest.mark.parametrize(("file", "text", "allowed"), [
    ("passes/typecheck.py", "from l2ogen.core import types", True),
    ("passes/typecheck.py", "from ..core.types import Vector", True),
    ("passes/typecheck.py", "from . import resolve", True),
    ("passes/typecheck.py", "from l2ogen.resources import specs_folder", True),
    ("core/types.py", "from l2ogen.passes import resolve", False),
    ("core/types.py", "from .. import passes", False),
    ("core/types.py", LAZY + "import l2ogen.passes.resolve", False),
    ("core/types.py", "from l2ogen import load", False),
    ("core/types.py", "import torch", False),
    ("core/types.py", LAZY + "import numpy as np", False),
    ("core/types.py", "import sympy", False),
    ("backends/torch/printer.py", "from l2ogen import analysis", False),
    ("backends/latex/formulas.py", "from ...core.operators import CALLS\nfrom ...syntax import tree", True),
    ("backends/latex/formulas.py", "import torch", False),
    ("backends/latex/formulas.py", LAZY + "import sympy", False),
    ("backends/torch/templates/helpers.py", "import torch", True),
    ("backends/torch/printer.py", LAZY + "from l2ogen.runtime import Run", False),
    ("analysis/ranges.py", "import sympy", True),
    ("runtime/trainer.py", "import torch\nfrom l2ogen.diagnostics import Diagnostic", True),
    ("runtime/trainer.py", LAZY + "from l2ogen import pipeline", False),
    ("cli/check.py", "import click\nfrom l2ogen import demo, pipeline", True),
    ("cli/train.py", LAZY + "from l2ogen.runtime import Run\n    import torch", True),
    ("api.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from torch import nn", True),
    ("cli/train.py", "from l2ogen.runtime import Run", False),
    ("cli/train.py", "import torch", False),
    ("resources.py", "from l2ogen import source", False),
])
def test_the_rules_themselves(tmp_path: Path, file: str, text: str, allowed: bool) -> None:
    """A small tree with one import in it: otherwise a rule that never fires would go unnoticed."""
    path = tmp_path / "l2ogen" / file
    path.parent.mkdir(parents=True)
    for unit in (*RANK, *FREE, *RUNTIME):
        (tmp_path / "l2ogen" / f"{unit}.py").touch()
    path.write_text(text)
    assert (not violations(tmp_path)) is allowed, violations(tmp_path)
