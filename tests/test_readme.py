"""What the README shows is what happens."""
import re
from pathlib import Path

import l2ogen
from l2ogen import pipeline
from l2ogen.analysis import report
from l2ogen.core import ir
from l2ogen.diagnostics import render
from l2ogen.source import Source

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
RULE = "x+ = prox_r,P(y - P*grad f(y)); y+ = x+ + A*(x+ - x)"


def block(start: str) -> str:
    (found,) = [text for _, text in BLOCKS if text.startswith(start)]
    return found


def test_the_file_is_what_the_rule_stands_for() -> None:
    assert block("algorithm Rule") == l2ogen.rule(RULE).text


def test_the_verdict_is_as_shown() -> None:
    """The lines behind the declared ranges are a part of what `check` says of the rule, in its order."""
    program = pipeline.check(Source("<rule>", l2ogen.rule(RULE).text)).program
    assert isinstance(program, ir.Algorithm)
    said = report.text(report.examine(program), lambda text, style: text).splitlines()
    shown = block("$ l2ogen check -e").splitlines()
    verdict = [line for line in shown[shown.index("  for minimizers of F"):] if line != "..."]
    assert len(verdict) == 4 and [line for line in said if line in verdict] == verdict


def test_the_mistake_looks_as_shown() -> None:
    text = (ROOT / "specs/l2o_pa.l2o").read_text(encoding="utf-8").replace("P*grad f(y))\n", "P*gard f(y))\n")
    checked = pipeline.check(Source("l2o_pa.l2o", text))
    assert block("error[") == render(checked.diagnostics, checked.source) + "\n"


def test_the_step_is_the_generated_one() -> None:
    assert block("    def step(") in (ROOT / "generated/l2o_pa.py").read_text(encoding="utf-8")


def test_the_python_runs() -> None:
    names: dict[str, object] = {}
    exec(block("import l2ogen"), names)
    assert names["x"].shape == (64, 40)  # type: ignore[attr-defined]
