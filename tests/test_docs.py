"""Every example in docs/ is executed, and every table that lists something is held against the code.

The word behind the three backticks says what happens to a block:

    l2o                 a whole file: no diagnostics, and it compiles
    l2o NAME.l2o        the same, saved under that name first (docs/tutorial.md, in a temporary folder)
    l2o update          lines of that block, in the frame below: no errors
    l2o wrong           a file with mistakes; the `text` block behind it is all that `check` says about it
    console             `$ l2ogen …` is run; the lines below are its output, `...` stands for any text; no lines for any
    python              `>>>` lines are run as a doctest, other blocks as they are
    text                behind `l2o wrong`: its diagnostics; in the tutorial: lines of a generated file
"""

from __future__ import annotations

import dataclasses
import doctest
import inspect
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import l2ogen
from l2ogen import pipeline
from l2ogen.backends.torch import generate
from l2ogen.cli import main
from l2ogen.core import ir
from l2ogen.core.operators import OPERATORS
from l2ogen.diagnostics import render
from l2ogen.passes import goal, networks, parameters
from l2ogen.passes.problem import LAWS
from l2ogen.passes.training import SETTINGS
from l2ogen.source import Source
from l2ogen.syntax.parser import parse

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
SPECS = sorted((ROOT / "specs").glob("*.l2o"))
LIBRARY = pipeline.Library(ROOT / "specs")


@dataclass(frozen=True)
class Block:
    file: str
    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name: str) -> list[Block]:
    text = read(name)
    found = re.finditer(r"^```(.*)\n((?s:.*?))^```$", text, re.MULTILINE)
    return [Block(name, text.count("\n", 0, m.start()) + 1, m[1].strip(), m[2]) for m in found]


def tables(name: str) -> Iterator[tuple[list[str], list[list[str]]]]:
    """(heading, rows) of each table; cells as text."""
    for block in re.findall(r"(?:^\|.*\n)+", read(name), re.MULTILINE):
        rows = [[c.strip().replace(r"\|", "|") for c in re.split(r"(?<!\\)\|", line)[1:-1]] for line in block.splitlines()]
        assert all(len(row) == len(rows[0]) for row in rows), f"{name}: a row of another width in\n{block}"
        yield rows[0], rows[2:]


def table(name: str, *heading: str) -> list[list[str]]:
    """The rows of all tables with this heading."""
    found = [row for head, rows in tables(name) if head == list(heading) for row in rows]
    assert found, f"{name} has no table with the columns {heading}"
    return found


def code(cell: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`]+)`", cell)


# ---- the frame around a fragment ---------------------------------------------------------------------

DEFAULTS = {
    "data": "shared A in R^(m, n); b in R^m; lam in R with lam > 0; Q in sym(n)",
    "networks": "phi = lstm() per coordinate; psi = mlp()",
    "parameters": "fixed alpha in R = 1/L; learned P, D in diag(n) with 0 < P < 2/L; learned theta in R with theta >= 0",
    "state": "x, y in R^n = 0; u in R^m = 0; t in R = 1",
    "update": "x+ = prox_r,alpha(y - alpha*grad f(y)); y+ = x+",
    "train": "",
}


def framed(kind: str, lines: str) -> str:
    """A whole algorithm with these lines in the block `kind`, and defaults in the others."""
    part = DEFAULTS | {kind: lines} | ({"data": "", "state": "x, y in R^n = 0"} if kind == "train" else {})
    if kind == "parameters" and "alpha in" not in lines:
        part[kind] = f"fixed alpha in R = 1/L\n{lines}"
    states = re.findall(r"[A-Za-z_]\w*", " ".join(d.partition(" in ")[0] for d in re.split(r"[;\n]", part["state"])))
    own = [s for s in states if not re.search(rf"^\W*(\w+\+, )*{s}\+.* = ", part["update"].replace("; ", "\n"), re.MULTILINE)]
    part["update"] += "".join(f"\n{s}+ = {s}" for s in own)
    body = "".join(f"{word} {{\n{part[word]}\n}}\n" for word in DEFAULTS if word != "data" and part[word])
    functions = "f(x) : convex, smooth(L)\nr(x) : convex, proximable\nminimize f(x) + r(x)"
    functions = lines if kind == "problem" else functions
    return f"algorithm T\nproblem {{\ndata {{ {part['data']} }}\n{functions}\n}}\n{body}" + (lines if kind == "file" else "")


def check(text: str, name: str = "spec.l2o") -> pipeline.Checked:
    return pipeline.check(Source(name, text), LIBRARY)


def errors(text: str) -> list[Any]:
    return [d for d in check(text).diagnostics if d.severity == "error"]


def rendered(text: str) -> str:
    found = check(text)
    return render(found.diagnostics, found.source)


# ---- blocks --------------------------------------------------------------------------------------------

PAGES = sorted(f"docs/{p.name}" for p in DOCS.glob("*.md"))
TUTORIAL = "docs/tutorial.md"
ALONE = [b for page in PAGES if page != TUTORIAL for b in blocks(page)]


def test_the_pages_are_tested() -> None:
    assert {"docs/language.md", TUTORIAL, "docs/discrepancies.md"} <= set(PAGES)


@pytest.mark.parametrize("block", [b for b in ALONE if b.kind == "l2o"], ids=str)
def test_files(block: Block) -> None:
    found = pipeline.check_all(Source("spec.l2o", block.text), LIBRARY)
    assert all(not c.diagnostics for c in found), "\n".join(render(c.diagnostics, c.source) for c in found)
    for checked in found:
        ready = pipeline.compilable(checked)
        assert ready.program is not None, render(ready.diagnostics, ready.source)
        for name, text in generate.files(ready.program, "spec").items():
            compile(text, name, "exec")


@pytest.mark.parametrize("block", [b for b in ALONE if re.fullmatch(r"l2o \w+", b.kind) and "wrong" not in b.kind], ids=str)
def test_fragments(block: Block) -> None:
    text = framed(block.kind.split()[1], block.text)
    assert not errors(text), rendered(text)


@pytest.mark.parametrize(("block", "answer"), [
    (b, ALONE[i + 1]) for i, b in enumerate(ALONE[:-1]) if b.kind == "l2o wrong"], ids=str)
def test_wrong_files(block: Block, answer: Block) -> None:
    assert answer.kind == "text", f"{answer} says what is wrong with {block}"
    assert answer.text == rendered(block.text) + "\n"


@pytest.mark.parametrize("page", [p for p in PAGES if p != TUTORIAL])
def test_python_and_console(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run([b for b in blocks(page) if b.kind in ("python", "console")], tmp_path, monkeypatch)


def test_the_tutorial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the first block to the last, in one folder."""
    found = blocks(TUTORIAL)
    assert [b for b in found if b.kind == "python"] and [b for b in found if b.kind == "console"]
    run(found, tmp_path, monkeypatch)


def run(found: list[Block], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "120")
    names: dict[str, Any] = {"__name__": "docs"}
    for i, block in enumerate(found):
        saved = re.fullmatch(r"l2o (\S+\.l2o)", block.kind)
        if saved:
            Path(saved[1]).write_text(block.text, encoding="utf-8")
        elif block.kind == "console":
            console(block)
        elif block.kind == "python" and ">>>" in block.text:
            test = doctest.DocTestParser().get_doctest(block.text, names, str(block), None, block.line)
            runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS, verbose=False)
            out: list[str] = []
            runner.run(test, out=out.append, clear_globs=False)
            assert not runner.failures, "".join(out)
            names = test.globs
        elif block.kind == "python":
            exec(compile("\n" * block.line + block.text, block.file, "exec"), names)
        else:
            step_of_generated_code(block, found[:i])


def console(block: Block) -> None:
    """Each `$ l2ogen …` gives the lines below it."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        words = shlex.split(command, comments=True)
        assert words[0] == "l2ogen", f"{block}: {command}"
        result = CliRunner().invoke(main, words[1:])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert result.exit_code == (1 if "error[" in expected else 0), f"{block}: {command}\n{result.output}"
        if expected:
            lines = [re.escape(line.rstrip()).replace(r"\.\.\.", ".*?") for line in expected.splitlines()]
            pattern = "\n".join("(?s:.*?)" if line == ".*?" else line for line in lines)
            output = "\n".join(line.rstrip() for line in result.output.strip("\n").splitlines())
            assert re.fullmatch(pattern, output), f"{block}: {command}\n{output}"


def step_of_generated_code(block: Block, before: list[Block]) -> None:
    """A `text` block in the tutorial is a part of a generated file."""
    assert block.kind == "text", f"{block}: what is a `{block.kind}` block?"
    made = [p.read_text(encoding="utf-8") for p in Path("generated").glob("*.py")]
    assert any(block.text.strip("\n") in text for text in made), f"{block} stands in no generated file"


@pytest.mark.parametrize("page", PAGES)
def test_no_block_is_left_out(page: str) -> None:
    found = blocks(page)
    known = {"l2o", "l2o wrong", "console", "python"} | {f"l2o {word}" for word in (*DEFAULTS, "problem", "file")}
    if page == TUTORIAL:
        known = {"console", "python", "text"} | {b.kind for b in found if re.fullmatch(r"l2o \S+\.l2o", b.kind)}
    answers = {found[i + 1] for i, b in enumerate(found[:-1]) if b.kind == "l2o wrong"}
    for block in found:
        assert block.kind in known or block in answers, f"{block} is not tested"


# ---- tables of docs/language.md ------------------------------------------------------------------------

LANGUAGE = "docs/language.md"


def lowered(expression: str) -> ir.Node:
    """An expression in the names of the frame, behind the line of `x+`."""
    found = check(framed("update", f"x+ = prox_r,alpha(y - alpha*grad f(y))\nv = {expression}"))
    assert found.ok and isinstance(found.program, ir.Algorithm), f"{expression}: {render(found.diagnostics, found.source)}"
    return next(s.value for s in found.program.statements if isinstance(s, ir.Assignment) and s.name == "v")


OPERATOR_ROWS = table(LANGUAGE, "written", "space", "meaning")


@pytest.mark.parametrize("row", OPERATOR_ROWS, ids=lambda row: row[0])
def test_operator_spaces(row: list[str]) -> None:
    for expression in code(row[0]):
        assert str(lowered(expression).type) == code(row[1])[0], expression


def test_every_operator_is_documented() -> None:
    nodes = [n for row in OPERATOR_ROWS for e in code(row[0]) for n in lowered(e).walk()]
    missing = OPERATORS.keys() - {n.op for n in nodes}
    assert not missing, f"{LANGUAGE} has no line for {sorted(missing)}"


@pytest.mark.parametrize("row", table(LANGUAGE, "ASCII", "Unicode"), ids=lambda row: row[0])
def test_unicode(row: list[str]) -> None:
    for ascii_, unicode in zip(code(row[0]), code(row[1]), strict=True):
        trees = []
        for text in (ascii_, unicode):
            lines = f"learned d_k in R^n with {text}" if "_k ->" in text or "_k →" in text else f"learned d {text}" if text[0] in "i∈" else ""
            parsed = parse(Source("spec.l2o", framed("parameters", lines) if lines else framed("update", f"v = {text}")))
            assert not parsed.diagnostics, render(parsed.diagnostics, parsed.source)
            trees.append(parsed.tree)
        assert trees[0] == trees[1], row


@pytest.mark.parametrize("row", table(LANGUAGE, "block", "written", "code", "message"), ids=lambda row: row[1])
def test_mistakes(row: list[str]) -> None:
    found = errors(framed(row[0], "\n".join(code(row[1]))))
    assert [(d.code, d.message) for d in found] == [(row[2], row[3])]


# ---- tables that list all there is ---------------------------------------------------------------------


def first_words(rows: list[list[str]], column: int = 0) -> set[str]:
    return {re.split(r"\W", part)[0] for row in rows for part in code(row[column])}


def test_properties() -> None:
    assert first_words(table(LANGUAGE, "property", "meaning")) == set(goal.PROPERTIES)


def test_kinds_of_parameters() -> None:
    assert first_words(table(LANGUAGE, "kind", "what it is", "its formula")) == set(parameters.KINDS)


def test_network_options() -> None:
    rows = table(LANGUAGE, "option", "values", "unless said", "of")
    fields = {f.name: f.default for f in dataclasses.fields(ir.Network)}
    assert [code(row[0])[0] for row in rows] == list(networks.OPTIONS["lstm"])
    for row in rows:
        (name,), (default,) = code(row[0]), code(row[2])
        absent = {0: "none", True: "true"} if name in ("embed", "head", "bias") else {}
        assert default == absent.get(fields[name], str(fields[name])), name
        cells = {cell for cell, options in networks.OPTIONS.items() if name in options}
        assert cells == (set(code(row[3])) or set(networks.OPTIONS)), name
        if name in networks.WORDS:
            assert set(code(row[1])) - {"embed", "head"} == set(networks.WORDS[name]), name


def test_train_settings() -> None:
    assert set(SETTINGS) <= {name for row in table(LANGUAGE, "setting", "value") for name in code(row[0])}


def test_laws() -> None:
    rows = table(LANGUAGE, "law", "draws")
    assert set(LAWS) == {m for row in rows for m in re.findall(r"~ (\w+)\(", row[0])}


def test_commands() -> None:
    rows = table(LANGUAGE, "command", "what it does")
    assert {code(row[0])[0] for row in rows} == {f"l2ogen {name}" for name in main.commands}
    for row in rows:
        command = main.commands[code(row[0])[0].split()[1]]
        known = {option for p in command.params for option in (*p.opts, *p.secondary_opts)}
        named = {word for part in code(row[1]) for word in part.split() if word.startswith("-")}
        assert named <= known, row


def test_python_names() -> None:
    for row in table(LANGUAGE, "call", "gives"):
        for call in code(row[0]):
            owner, _, name = call.partition("(")[0].partition(".")
            assert hasattr({"l2ogen": l2ogen, "spec": l2ogen.Spec}[owner], name), call


# ---- reparametrizations ----------------------------------------------------------------------------------

NUMBERS = {"lo": "0.5", "hi": "2", "c": "2", "E": "1/(k + 1)^2"}
"""What stands for the letters of a fact."""


class Anything:
    """Of what a step asks a problem; nothing of it reaches x."""

    L, b = torch.ones(1), torch.zeros(2)

    def zeros(self, size: int = 3) -> torch.Tensor:
        return torch.zeros(size)

    def grad_f(self, x: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(x)

    def prox_r(self, v: torch.Tensor, P: Any) -> torch.Tensor:
        return v


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@pytest.mark.parametrize("row", table(LANGUAGE, "fact", "space", "value, w the raw number"), ids=lambda row: row[1] + row[0])
def test_reparametrizations(row: list[str]) -> None:
    """The formula as it stands gives what the generated module multiplies with."""
    (fact,), (space,), (formula,) = (code(cell) for cell in row)
    declared = f"learned v in {space} with " + re.sub(r"\b(lo|hi|c|E)\b", lambda m: NUMBERS[m[1]], fact)
    use = {"R": "v*x", "R^n": "v .* x", "R^(n, m)": "v*u + 0*x"}.get(space, "v*x")
    rule = f"x+ = {use}\ny+ = prox_r,alpha(y - alpha*grad f(y))"
    text = framed("parameters", declared).replace("x+ = prox_r,alpha(y - alpha*grad f(y)); y+ = x+", rule)
    module = l2ogen.Spec(check(text)).check().module()
    sizes = {size: 3 if size == "n" else 2 for size in ("n", "m") if size in inspect.signature(module.T).parameters}
    algorithm = module.T(**sizes)
    draw = torch.Generator().manual_seed(4)
    u = torch.eye(2)
    x = torch.eye(3) if space != "R^(n, m)" else torch.zeros(2, 3)
    for scale in (0.1, 1.0, 5.0):
        with torch.no_grad():
            algorithm.v.copy_(scale * torch.randn(algorithm.v.shape, generator=draw))
            state = algorithm.init_state(Anything())._replace(k=3, x=x, y=x, u=u)
            found = algorithm.step(Anything(), state).x.T.numpy()
        w = algorithm.v.detach().double().numpy()
        known = {
            "w": np.matrix(w) if w.ndim == 2 else w, "m": 1e-3, "lo": 0.5, "hi": 2.0, "c": 2.0, "E": 1 / 16, "I": np.eye(3),
            "inv": np.linalg.inv, "sigmoid": lambda t: 1 / (1 + np.exp(-t)), "abs": np.abs, "min": min,
            "norm": lambda M: np.linalg.norm(M, 2),
        }  # fmt: skip
        expected = np.asarray(eval(re.sub(r"\|\|w\|\|_2", "norm(w)", formula.replace("'", ".T")), known))
        full = expected if w.ndim == 2 else np.diag(np.broadcast_to(expected, 3))
        np.testing.assert_allclose(found, full, rtol=1e-4, atol=1e-5)


# ---- tables of specs -------------------------------------------------------------------------------------


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def spec(name: str) -> tuple[l2ogen.Spec, str]:
    """A shipped spec, and its file as one line of text."""
    path = ROOT / "specs" / f"{name}.l2o"
    return l2ogen.load(path), plain(path.read_text(encoding="utf-8"))


ROWS = table("README.md", "spec", "rule", "from", "variants")


def test_the_readme_lists_all_specs() -> None:
    assert [code(row[0])[0] for row in ROWS] == list(dict.fromkeys(code(row[0])[0] for row in ROWS))
    assert {code(row[0])[0] for row in ROWS} == {p.stem for p in SPECS}
    problems = table("README.md", "problem", "objective or goal")
    assert {code(row[0])[0] for row in problems} == {p.stem for p in (ROOT / "specs/problems").glob("*.l2o")}
    for row in problems:
        for part in code(row[1]):
            assert part in spec(f"problems/{code(row[0])[0]}")[1], row[0]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_spec_in_the_readme(row: list[str]) -> None:
    """Rules stand in the spec as they stand in the table, the year in its documentation, and no variant is left out."""
    made, text = spec(code(row[0])[0])
    for part in code(row[1]):
        assert part in text
    for year in re.findall(r"\d{4}", row[2]):
        assert year in made.text.split('"')[1]
    assert set(code(row[3])) == set(made.variants)


def test_discrepancies() -> None:
    """What a spec is said to have stands in it; the variants that are named are there."""
    for name, _, has, other in table("docs/discrepancies.md", "spec", "the sources", "the spec has", "the other form"):
        _, text = spec(code(name)[0])
        assert code(has), name
        for part in code(has):
            assert part in text, f"{name}: {part}"
        for form in code(other):
            if re.fullmatch(r"\w+:\w+", form):
                base, _, variant = form.partition(":")
                assert variant in spec(base)[0].variants, form
