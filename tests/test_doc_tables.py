"""Every table in docs/ and the README that lists something is held against the code."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from typing import Any

import numpy as np
import pytest
import torch
from pages import LANGUAGE, ROOT, THEORY, check, code, errors, framed, read, table

import l2ogen
from l2ogen import pipeline
from l2ogen.analysis.report import examine
from l2ogen.cli import main
from l2ogen.core import ir
from l2ogen.core.operators import CALLS, INFIX
from l2ogen.diagnostics import render
from l2ogen.passes import goal, networks, parameters
from l2ogen.passes.sample import LAWS
from l2ogen.source import Source
from l2ogen.syntax.parser import parse
from l2ogen.vocabulary import SETTINGS

SPECS = sorted((ROOT / "specs").glob("*.l2o"))


# ---- tables of docs/language.md ------------------------------------------------------------------------

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
    missing = (CALLS | INFIX).keys() - {n.op for n in nodes}
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
        assert default == {"0": "none", "True": "true"}.get(str(fields[name]), str(fields[name])), name
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


def test_keys_of_verdicts() -> None:
    """The table of JSON keys is what a report of `check --json` has."""
    program = pipeline.check(Source.read(ROOT / "specs" / "ista.l2o")).program
    assert isinstance(program, ir.Algorithm)
    (target,) = examine(program).as_dicts()
    rows = table(LANGUAGE, "key", "holds")
    assert ["target", "problem", *(code(row[0])[0] for row in rows)] == list(target)
    assert [code(row[0])[0] for row in table(LANGUAGE, "key", "says")] == list(target)[2:]
    for row in rows:
        found = target[code(row[0])[0]]
        first = found[0] if isinstance(found, list) else found
        assert set(first) <= set(code(row[1])) <= set(first) | {"uniform", "equilibrium"}, row


# ---- docs/theory.md ----------------------------------------------------------------------------------------


def test_theory_names_what_is_there() -> None:
    """Every `module.name` of l2ogen/analysis that the page speaks of exists."""
    named = re.findall(r"`((?:[a-z_]+\.)+[A-Za-z_]+)`", read(THEORY))
    assert len(named) > 20
    for name in named:
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(f"l2ogen.analysis.{module}"), attribute), name


def test_theory_has_every_theorem() -> None:
    """The page states each theorem that `check` can name."""
    text = (ROOT / "l2ogen" / "analysis" / "convergence.py").read_text(encoding="utf-8")
    theorems = set(re.findall(r'"(C\d\w?|SG-\w)"', text))
    stated = set(re.findall(r"^\* \*\*([\w-]+)\*\*|^### (C\d):", read(THEORY), re.MULTILINE))
    assert len(theorems) >= 9 and theorems <= {name for pair in stated for name in pair}


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
