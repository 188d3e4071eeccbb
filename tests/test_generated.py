"""generated/ is what the compiler makes of specs/, byte for byte."""
import ast
from pathlib import Path

import pytest

import l2ogen

ROOT = Path(__file__).resolve().parent.parent
SPECS, GENERATED = ROOT / "specs", ROOT / "generated"


def test_generated_is_what_the_compiler_writes() -> None:
    made = {
        (spec.relative_to(SPECS).parent / name).as_posix(): text
        for spec in SPECS.rglob("*.l2o")
        for name, text in l2ogen.load(spec).files().items()
    }
    there = {path.relative_to(GENERATED).as_posix(): path.read_text() for path in GENERATED.rglob("*.py")}
    assert made.keys() == there.keys()
    for name, text in made.items():
        assert there[name] == text, f"generated/{name} is stale: make generated"


def step(name: str) -> ast.FunctionDef:
    tree = ast.parse((GENERATED / f"{name}.py").read_text())
    return next(n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == "step")


def test_the_step_of_l2o_pa_is_short() -> None:
    found = step("l2o_pa")
    assert found.end_lineno is not None and found.end_lineno - found.lineno < 25


@pytest.mark.parametrize("name", ["ista", "fista", "l2o_pa"])
def test_one_gradient_per_distinct_point(name: str) -> None:
    calls = [n for n in ast.walk(step(name)) if isinstance(n, ast.Call) and ast.unparse(n.func).endswith("grad_f")]
    assert len(calls) == 1


def test_outputs_that_nothing_reads_are_not_computed() -> None:
    spec = l2ogen.load("l2o_pa")
    text = spec.text.replace("y+ = x+ + A*(x+ - x)", "y+ = x+")
    from l2ogen import pipeline
    from l2ogen.source import Source

    checked = pipeline.check(Source(spec.checked.source.name, text))
    assert [d.code for d in checked.diagnostics] == ["L2O203"]
    code = l2ogen.Spec(checked).files()["l2o_pa.py"]
    assert "outputs: int = 1" in code and "(P,), phi = self.phi(" in code
