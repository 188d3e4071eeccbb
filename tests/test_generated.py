"""generated/ is what the compiler makes of specs/, byte for byte."""
import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import l2ogen
from l2ogen import pipeline
from l2ogen.source import Source

ROOT = Path(__file__).resolve().parent.parent
SPECS, GENERATED = ROOT / "specs", ROOT / "generated"


def test_generated_is_what_the_compiler_writes() -> None:
    made = {
        (spec.relative_to(SPECS).parent / name).as_posix(): text
        for spec in SPECS.rglob("*.l2o")
        for one in (l2ogen.load(spec), *map(l2ogen.load(spec).variant, l2ogen.load(spec).variants))
        for name, text in one.files().items()
    }
    there = {path.relative_to(GENERATED).as_posix(): path.read_text() for path in GENERATED.rglob("*.py")}
    assert made.keys() == there.keys()
    for name, text in made.items():
        assert there[name] == text, f"generated/{name} is stale: make generated"


@pytest.mark.parametrize("seed", ["0", "1"])
def test_the_order_of_sets_does_not_show(tmp_path: Path, seed: str) -> None:
    """Another process with another hash seed writes the same bytes."""
    command = [sys.executable, "-m", "l2ogen", "compile", str(SPECS), "-o", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, env=os.environ | {"PYTHONHASHSEED": seed}, cwd=ROOT)
    made = {p.relative_to(tmp_path): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    assert made == {p.relative_to(GENERATED): p.read_bytes() for p in GENERATED.rglob("*.py")}


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
    checked = pipeline.check(Source(spec.checked.source.name, text))
    assert [d.code for d in checked.diagnostics] == ["L2O203"]
    code = l2ogen.Spec(checked).files()["l2o_pa.py"]
    assert "outputs: int = 1" in code and "(P,), phi = self.phi(" in code


NAMES = [("x", "lambda"), ("x", "data"), ("x", "self"), ("alpha", "state"), ("alpha", "torch"), ("alpha", "problem")]


@pytest.mark.parametrize(("old", "new"), NAMES)
def test_every_name_becomes_a_python_name(old: str, new: str) -> None:
    text = re.sub(rf"\b{old}\b", new, (SPECS / "ista.l2o").read_text(encoding="utf-8"))
    text = re.sub("train.*", "", text, flags=re.DOTALL)
    checked = pipeline.check(Source("spec.l2o", text))
    assert checked.ok, checked.diagnostics
    for name, code in l2ogen.Spec(checked).files().items():
        compile(code, name, "exec")


RULES = ["x+ = x - alpha*grad f(x)", "x+ = prox_r,alpha(x - alpha*grad f(x))", "x+ = prox_r,P(x - P*grad f(x))"]


@pytest.mark.parametrize("rule", RULES)
def test_bare_rules_compile(rule: str) -> None:
    for name, code in l2ogen.rule(rule).files().items():
        compile(code, name, "exec")


PROBLEM = "problem { f(x) : convex, smooth(L); minimize f(x) }\nstate { x in R^n = 0 }\n"
CASES = {  # statements -> x+ from x, grad f(x), L in NumPy
    "a let called x_next": ("x_next = 3*x; x+ = x - grad f(x)/L + x_next", lambda x, g, L: x - g / L + 3 * x),
    "a let read after the next iterate": (
        "x_next = 3*x; x+ = x - grad f(x)/L + x_next; y+ = x_next", lambda x, g, L: x - g / L + 3 * x),
    "the identity in a product": ("x+ = x - (1/L*I)*grad f(x)", lambda x, g, L: x - g / L),
    "order of subtractions": ("x+ = x - (grad f(x)/L - (x - 2*x))", lambda x, g, L: x - (g / L - (x - 2 * x))),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_statements_mean_what_they_say(name: str) -> None:
    import torch

    from l2ogen import pipeline
    from l2ogen.source import Source

    update, expected = CASES[name]
    states = PROBLEM.replace("{ x in", "{ x, y in") if "y+" in update else PROBLEM
    checked = pipeline.check(Source("spec.l2o", f"algorithm T\n{states}update {{ {update} }}\n"))
    assert checked.ok, checked.diagnostics
    algorithm = l2ogen.Spec(checked).compile()()
    problem = l2ogen.load("lasso").compile().sample(3, m=4, n=6, sparsity=2, dtype=torch.float64)
    x = torch.randn(3, 6, dtype=torch.float64)
    state = algorithm.step(problem, algorithm.init_state(problem)._replace(x=x))
    torch.testing.assert_close(state.x, expected(x, problem.grad_f(x), problem.L), rtol=1e-12, atol=1e-12)
    if "y+" in update:
        torch.testing.assert_close(state.y, 3 * x)


def test_the_identity_plus_a_learned_matrix() -> None:
    import torch

    from l2ogen import pipeline
    from l2ogen.source import Source

    text = (SPECS / "lista.l2o").read_text(encoding="utf-8").replace("W2_k*x, theta_k)", "(I - W2_k)*x, theta_k)")
    code = l2ogen.Spec(pipeline.check(Source("specs/lista.l2o", text))).module()
    torch.manual_seed(0)
    shared = code.SparseCoding.sample_shared(m=4, n=6, dtype=torch.float64)
    problem = code.SparseCoding.sample(3, **shared, m=4, n=6, dtype=torch.float64)
    algorithm, x = code.LISTA(**shared), torch.randn(3, 6, dtype=torch.float64)
    v = problem.b @ algorithm.W1[0].mT + x - x @ algorithm.W2[0].mT
    expected = v.sign() * (v.abs() - algorithm.theta[0].abs()).clamp(min=0)
    found = algorithm.step(problem, algorithm.init_state(problem)._replace(x=x)).x
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
