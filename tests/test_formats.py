"""What other tools read: the fix in JSON, SARIF 2.1.0, annotations of GitHub workflows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from l2ogen.cli import main
from l2ogen.diagnostics.explain import pages

TEXT = """\
algorithm Example
problem { f(x) : convex, smooth(L); minimize f(x) }
parameters { fixed alpha in R = 1/L }
state { x in R^n = 0 }
update { x+ = x - alhpa*grad f(x) }
"""


def check(path: Path, *options: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["check", str(path), *options])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    file = tmp_path / "a spec, 100%.l2o"
    file.write_text(TEXT, encoding="utf-8")
    return file


def replaced(text: str, line: int, column: int, end_line: int, end_column: int, new: str) -> str:
    lines = text.split("\n")
    assert line == end_line
    lines[line - 1] = lines[line - 1][: column - 1] + new + lines[line - 1][end_column - 1 :]
    return "\n".join(lines)


def test_applying_the_fix_of_the_json_mends_the_file(spec: Path) -> None:
    code, output = check(spec, "--json")
    assert code == 1 and output == check(spec, "--format", "json")[1]
    (d,) = json.loads(output)["diagnostics"]
    fix = d["fix"]
    spec.write_text(replaced(TEXT, fix["line"], fix["column"], fix["end_line"], fix["end_column"], fix["text"]))
    assert check(spec)[0] == 0


@pytest.mark.parametrize(("old", "new"), [
    ("convex", "Convex"), ("convex", "convx"), ("smooth", "smoohtt"), ("state", "stat"), ("grad f(x)", "grad f(x}"),
    ("R^n = 0", "R^n = 0; y in R^n = 0"),
])  # fmt: skip
def test_a_fix_is_only_offered_where_it_is_certain(spec: Path, old: str, new: str) -> None:
    """Whatever is offered makes the file right; where several things may be meant, nothing is."""
    right = TEXT.replace("alhpa", "alpha")
    spec.write_text(right.replace(old, new, 1))
    _, output = check(spec, "--json")
    (d,) = json.loads(output)["diagnostics"]
    assert ("fix" in d) == (new not in ("smoohtt", "R^n = 0; y in R^n = 0"))
    if fix := d.get("fix"):
        mended = replaced(spec.read_text(), fix["line"], fix["column"], fix["end_line"], fix["end_column"], fix["text"])
        assert mended == right


# ---- SARIF -----------------------------------------------------------------------------------------

REQUIRED = {
    "log": {"version", "runs"}, "run": {"tool"}, "tool": {"driver"}, "driver": {"name"}, "rule": {"id"},
    "result": {"message"}, "location": set(), "fix": {"artifactChanges"},
    "change": {"artifactLocation", "replacements"}, "replacement": {"deletedRegion"},
}  # fmt: skip
"""The required keys of SARIF 2.1.0's objects."""
ALLOWED = {
    "log": {"$schema"}, "run": {"columnKind", "results"}, "tool": set(), "driver": {"version", "rules"},
    "rule": {"shortDescription", "fullDescription", "help"},
    "result": {"ruleId", "ruleIndex", "level", "locations", "relatedLocations", "fixes"},
    "location": {"id", "physicalLocation", "message"}, "fix": {"description"}, "change": set(),
    "replacement": {"insertedContent"},
}  # fmt: skip
"""Those of the optional ones that are written; all are in the standard."""


def conforms(kind: str, thing: dict[str, Any]) -> None:
    assert REQUIRED[kind] <= thing.keys() <= REQUIRED[kind] | ALLOWED[kind], (kind, thing.keys())


def regions(location: dict[str, Any]) -> dict[str, int]:
    physical = location["physicalLocation"]
    assert physical.keys() == {"artifactLocation", "region"} and physical["artifactLocation"].keys() == {"uri"}
    assert " " not in physical["artifactLocation"]["uri"]
    region: dict[str, int] = physical["region"]
    assert (region["startLine"], region["startColumn"]) <= (region["endLine"], region["endColumn"])
    return region


def test_sarif(spec: Path) -> None:
    spec.write_text(TEXT.replace("convex", "convx"), encoding="utf-8")
    code, output = check(spec, "--format", "sarif")
    log = json.loads(output)
    conforms("log", log)
    assert code == 1 and log["version"] == "2.1.0" and "sarif-2.1.0" in log["$schema"]
    (run,) = log["runs"]
    conforms("run", run)
    conforms("tool", run["tool"])
    conforms("driver", run["tool"]["driver"])
    rules, results = run["tool"]["driver"]["rules"], run["results"]
    for rule in rules:
        conforms("rule", rule)
        assert rule["help"].keys() == {"text", "markdown"} and rule["help"]["text"] == pages()[rule["id"]].text
    assert [r["ruleId"] for r in results] == ["L2O217", "L2O201"]
    for result in results:
        conforms("result", result)
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"] and result["level"] == "error"
        (location,) = result["locations"]
        conforms("location", location)
        regions(location)
        for fix in result["fixes"]:
            conforms("fix", fix)
            (change,) = fix["artifactChanges"]
            conforms("change", change)
            (replacement,) = change["replacements"]
            conforms("replacement", replacement)
            assert replacement["deletedRegion"] == regions(location)
    (related,) = results[1]["relatedLocations"]
    conforms("location", related)
    assert regions(results[1]["locations"][0]) == {"startLine": 5, "startColumn": 19, "endLine": 5, "endColumn": 24}
    assert regions(related) == {"startLine": 3, "startColumn": 20, "endLine": 3, "endColumn": 25}
    assert related["message"]["text"] == "`alpha` is declared here"


def test_sarif_of_right_files_has_no_results() -> None:
    code, output = check(Path("ista"), "--format", "sarif")
    (run,) = json.loads(output)["runs"]
    assert code == 0 and run["results"] == [] and run["tool"]["driver"]["rules"] == []


# ---- GitHub ------------------------------------------------------------------------------------------


def test_github_annotations_are_escaped(spec: Path) -> None:
    code, output = check(spec, "--format", "github")
    (line,) = output.splitlines()
    assert code == 1 and line.startswith("::error file=")
    properties, _, message = line.removeprefix("::error ").partition("::")
    assert "a spec%2C 100%25.l2o" in properties and message == "`alhpa` is not declared%0Adid you mean `alpha`?"
    keys = dict(pair.split("=", 1) for pair in properties.split(","))
    assert {k: keys[k] for k in ("line", "endLine", "col", "endColumn", "title")} == {
        "line": "5", "endLine": "5", "col": "19", "endColumn": "23", "title": "L2O201",
    }  # fmt: skip
    assert check(Path("ista"), "--format", "github") == (0, "")
