"""The command line: exit codes, JSON, what is written and what is left alone."""
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from l2ogen.cli import main

RULE = "x+ = prox_r,P(y - P*grad f(y)); y+ = x+ + A*(x+ - x)"


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_a_rule_becomes_a_file_without_mistakes(tmp_path: Path) -> None:
    code, output = run("check", "-e", RULE)
    assert code == 0 and "<rule>: algorithm Rule, no mistakes" in output
    file = tmp_path / "rule.l2o"
    file.write_text(output[: output.index("<rule>:")])
    code, output = run("check", str(file), "--json")
    report = json.loads(output)
    assert code == 0 and report["ok"] and report["algorithm"] == "Rule" and report["diagnostics"] == []


@pytest.mark.parametrize(("rule", "codes"), [
    ("x+ = x - alpha*grad f(x)", []), ("x+ = prox_r,alpha(x - alpha*grad f(x))", []),
    ("x+ = x - alpha*grad f(x) + W*b", ["L2O503", "L2O503"]), ("z+ = z - alpha*grad f(z)", ["L2O509"]),
    ("x+ = x - - ", ["L2O107"]),
])  # fmt: skip
def test_bare_rules(rule: str, codes: list[str]) -> None:
    code, output = run("check", "-e", rule, "--json")
    assert [d["code"] for d in json.loads(output)["diagnostics"]] == codes and code == bool(codes)


def test_wrong_usage() -> None:
    assert run("check")[0] == 2 and run("check", "nothing-there")[0] == 2 and run("train")[0] == 2


def test_compile_writes_all_or_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    bad = tmp_path / "bad.l2o"
    bad.write_text("algorithm T\nupdate { x+ = }\n")
    code, output = run("compile", "ista", str(bad), "-o", str(out))
    assert code == 1 and "nothing was written" in output and not out.exists()
    assert run("compile", "ista", "-o", str(out))[0] == 0
    assert [p.name for p in out.iterdir()] == ["ista.py"]
    edited = (out / "ista.py").read_text().replace("x_next = ", "x_next = 2 * ")
    (out / "ista.py").write_text(edited)
    assert run("compile", "ista", "fista", "-o", str(out))[0] == 1
    assert (out / "ista.py").read_text() == edited and not (out / "fista.py").exists()
    assert run("compile", "ista", "-o", str(out), "--force")[0] == 0
    assert (out / "ista.py").read_text() != edited


def test_fmt_leaves_a_file_with_mistakes_alone(tmp_path: Path) -> None:
    file = tmp_path / "spec.l2o"
    file.write_text("algorithm   T\nupdate { x+ = (a }\n")
    before = file.read_text()
    assert run("fmt", str(file))[0] == 1 and file.read_text() == before
    assert run("fmt", "--check", str(Path(__file__).parent.parent / "specs"))[0] == 0


def test_checking_imports_no_torch() -> None:
    specs = Path(__file__).parent.parent / "specs"
    code = (
        "import sys; from click.testing import CliRunner; from l2ogen.cli import main\n"
        f"assert CliRunner().invoke(main, ['check', {str(specs)!r}]).exit_code == 0\n"
        "assert not {'torch', 'numpy', 'sympy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
