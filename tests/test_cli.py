"""The command line: exit codes, JSON, what is written and what is left alone."""
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import l2ogen
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
    ("x+ = x - - ", ["L2O107"]), ("x+ = x - alpha*gard f(x)", ["L2O201"]), ("x = x - alpha*grad f(x)", ["L2O508"]),
    ("x+ = x - alpha*grad f(x) + beta*(x - x_prev); x_prev+ = x", []), ("x+ = A*x", ["L2O510"]), ("", ["L2O114"]),
    ("v = grad f(x); x+ = x - P*v", []), ("x+ = x - x*grad f(x)", ["L2O302"]),
    ("t+ = (1 + sqrt(1 + 4*t^2))/2; x+ = prox_r,a(z - a*grad f(z)); z+ = x+ + ((t - 1)/t+)*(x+ - x)", []),
])  # fmt: skip
def test_bare_rules(rule: str, codes: list[str]) -> None:
    code, output = run("check", "-e", rule, "--json")
    assert [d["code"] for d in json.loads(output)["diagnostics"]] == codes and code == bool(codes)


def test_an_unused_state_is_a_warning() -> None:
    code, output = run("check", "-e", "x+ = x - alpha*grad f(x); x_prev+ = x", "--json")
    (d,) = json.loads(output)["diagnostics"]
    assert (code, d["code"], d["severity"]) == (0, "L2O203", "warning")


def test_json_keys_are_stable(tmp_path: Path) -> None:
    """The keys of language.md, section 4; one object for one file, a list for several."""
    file = tmp_path / "spec.l2o"
    file.write_text("algorithm T\nproblem { f(x) : convex, smooth(L); minimize f(x) }\nstate { x in R^n }\n"
                    "update {\n  x+ = x - alhpa*grad f(x)\n}\n")  # fmt: skip
    code, output = run("check", str(file), "--json")
    report = json.loads(output)
    assert code == 1 and {"file", "algorithm", "variant", "ok", "diagnostics", "targets"} <= report.keys()
    assert report["file"] == file.as_posix() and report["ok"] is False and report["targets"] == []
    (d,) = report["diagnostics"]
    assert d == {
        "code": "L2O201", "severity": "error", "message": "`alhpa` is not declared", "file": file.as_posix(),
        "line": 5, "column": 12, "end_line": 5, "end_column": 17, "help": "",
    }  # fmt: skip
    code, output = run("check", "ista", "lasso", "--json")
    assert code == 0 and [r["algorithm"] for r in json.loads(output)] == ["ISTA", None]


def test_wrong_usage() -> None:
    assert run("check")[0] == 2 and run("check", "nothing-there")[0] == 2 and run("train")[0] == 2


def test_compile_writes_all_or_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    bad = tmp_path / "bad.l2o"
    bad.write_text("algorithm T\nupdate { x+ = }\n")
    code, output = run("compile", "ista", str(bad), "-o", str(out))
    assert code == 1 and "nothing was written" in output and not out.exists()
    assert run("compile", "-e", "x+ = x - c", "-o", str(out))[0] == 1 and not out.exists()
    assert run("compile", "ista", "-o", str(out))[0] == 0
    assert [p.name for p in out.iterdir()] == ["ista.py"]  # and no temporary file
    edited = (out / "ista.py").read_text().replace("x_next = ", "x_next = 2 * ")
    (out / "ista.py").write_text(edited)
    assert run("compile", "ista", "fista", "-o", str(out))[0] == 1
    assert (out / "ista.py").read_text() == edited and not (out / "fista.py").exists()
    assert run("compile", "ista", "-o", str(out), "--force")[0] == 0
    assert (out / "ista.py").read_text() != edited and [p.name for p in out.iterdir()] == ["ista.py"]


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
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_compiling_and_formatting_import_no_checker(tmp_path: Path) -> None:
    code = (
        "import sys; from click.testing import CliRunner; from l2ogen.cli import main\n"
        f"assert CliRunner().invoke(main, ['compile', 'lista', '-o', {str(tmp_path)!r}]).exit_code == 0\n"
        "assert CliRunner().invoke(main, ['fmt', '--check', 'lista']).exit_code == 0\n"
        "assert not {'torch', 'numpy', 'sympy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_check_prints_verdicts_and_their_derivation() -> None:
    code, output = run("check", "lista")
    assert code == 0 and "fixed point  conditional exactly if" in output and "W1_k*A + W2_k - I -> 0" in output
    assert "derivation" not in output and "derivation" in run("check", "lista", "--explain")[1]


def test_a_verdict_worse_than_expected_is_a_failure(tmp_path: Path) -> None:
    text = "algorithm T\nproblem { f(x) : convex, smooth(L)\n minimize f(x) }\nstate { x in R^n = 0 }\nupdate { x+ = x - %s }\n%s"
    rules = {"0.5/L*grad f(x)": "proved", "1/L*grad f(x) + 0.1*x": "refuted"}
    for rule, verdict in rules.items():
        for expected in ("proved", "refuted", ""):
            file = tmp_path / "t.l2o"
            file.write_text(text % (rule, f"expect {{ fixed_point {expected} }}" if expected else ""))
            code, output = run("check", str(file))
            fails = verdict == "refuted" and expected != "refuted"
            assert f"fixed point  {verdict}" in output
            assert code == int(fails) and ("worse than expected" in output) == fails, output
            document = json.loads(run("check", str(file), "--json")[1])
            assert bool(document["worse"]) == fails
            assert document["targets"][0]["fixed_point"]["verdict"] == verdict


def test_fix_writes_a_new_file_that_proves_more(tmp_path: Path) -> None:
    for name, gain in (("lista", "fixed point: conditional -> proved"), ("l2o_pa", "convergence: refuted -> proved")):
        file = tmp_path / f"{name}.l2o"
        code, output = run("check", name, "--fix", str(file))
        assert code == 0 and gain in output, output
        assert gain.partition(":")[0] in output and "proved" in run("check", str(file))[1]
        before = file.read_text()
        assert run("check", name, "--fix", str(file))[0] == 2 and file.read_text() == before


def test_fix_writes_nothing_where_nothing_is_known(tmp_path: Path) -> None:
    file = tmp_path / "fixed.l2o"
    assert run("check", "ista", "--fix", str(file))[0] == 1  # all is proved already
    assert run("check", "ista", "lista", "--fix", str(file))[0] == 2 and run("check", "lasso", "--fix", str(file))[0] == 2
    assert not file.exists()


@pytest.mark.parametrize("words", [["-e", RULE, "--steps", "0"], ["l2o_pa", "--steps=0"], ["--steps", "0", "-e", RULE]])
def test_train_hands_its_options_to_the_settings(words: list[str], tmp_path: Path) -> None:
    code, output = run("train", *words, "-o", str(tmp_path / "run"), "--quiet")
    assert code == 1 and "steps" in output and not (tmp_path / "run").exists()


def test_two_specs_of_one_name_do_not_overwrite_each_other(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "t.l2o").write_text((Path(__file__).parent.parent / "specs/ista.l2o").read_text())
    out = tmp_path / "out"
    code, output = run("compile", str(tmp_path / "a/t.l2o"), str(tmp_path / "b/t.l2o"), "-o", str(out))
    assert code == 2 and "two specs" in output and not out.exists()


def test_a_second_rule_may_replace_the_first_but_not_an_edited_one(tmp_path: Path) -> None:
    for rule in ("x+ = x - alpha*grad f(x)", RULE):
        assert run("compile", "-e", rule, "-o", str(tmp_path))[0] == 0
    spec = tmp_path / "rule.l2o"
    assert run("check", str(spec))[0] == 0
    spec.write_text(spec.read_text() + "# mine\n")
    assert run("compile", "-e", RULE, "-o", str(tmp_path))[0] == 1 and spec.read_text().endswith("# mine\n")


@pytest.mark.parametrize("stem", ["torch", "class", "a_train"])
def test_file_names_that_python_could_not_import(stem: str, tmp_path: Path) -> None:
    (tmp_path / f"{stem}.l2o").write_text((Path(__file__).parent.parent / "specs/ista.l2o").read_text())
    assert run("compile", str(tmp_path / f"{stem}.l2o"), "-o", str(tmp_path))[0] == 0
    assert [p.name for p in tmp_path.glob("*.py")] == [f"{stem}_spec.py"]


def test_settings_that_cannot_be_trained_leave_no_folder(tmp_path: Path) -> None:
    for words in (["--m", "3.5"], ["--sparsity", "50", "--n", "40"], ["--device", "meta:9:9"], ["--folder", "x"]):
        code, _ = run("train", "-e", RULE, "-o", str(tmp_path / "run"), "--quiet", *words)
        assert code in (1, 2) and not (tmp_path / "run").exists()


def test_eval_takes_a_problem_beside_the_spec(tmp_path: Path) -> None:
    text = (Path(__file__).parent.parent / "specs/problems/lasso.l2o").read_text()
    own = text.replace("problem lasso", "problem mine").replace("250", "6").replace("500", "9").replace("sparsity = 50", "sparsity = 2")
    (tmp_path / "mine.l2o").write_text(own.replace("(m, n)", "(m, p)").replace("R^n", "R^p").replace("n = 9", "p = 9").replace("(n, ", "(p, "))
    code, output = run("eval", "ista", "fista", "--on", str(tmp_path / "mine.l2o"), "--instances", "4", "--iterations", "5")
    assert code == 0 and "ISTA" in output and "mine" in output
    assert run("eval", "lasso")[0] == 1 and run("eval", ".")[0] == 2 and run("eval", "ista", "--instances", "0")[0] == 2


def test_verdicts_from_python() -> None:
    report = l2ogen.load("lista").verdicts()
    assert "W1_k*A + W2_k - I -> 0" in str(report) and report.as_dicts()[0]["fixed_point"]["verdict"] == "conditional"
    with pytest.raises(TypeError):
        l2ogen.load("lasso").verdicts()
