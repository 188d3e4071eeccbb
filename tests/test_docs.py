"""Every example in docs/ is executed.

The word behind the three backticks says what happens to a block:

    l2o                 a whole file: no diagnostics, and it compiles
    l2o NAME.l2o        the same, saved under that name first (docs/tutorial.md, in a temporary folder)
    l2o update          lines of that block, in the frame of pages.py: no errors
    l2o wrong           a file with mistakes; the `text` block behind it is all that `check` says about it
    console             `$ l2ogen …` is run; the lines below are its output, `...` stands for any text; no lines for any
    python              `>>>` lines are run as a doctest, other blocks as they are
    text                behind `l2o wrong`: its diagnostics; in the tutorial: lines of a generated file
"""

from __future__ import annotations

import doctest
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from pages import DEFAULTS, LIBRARY, PAGES, TUTORIAL, Block, blocks, errors, framed, rendered

from l2ogen import pipeline
from l2ogen.backends.torch import generate
from l2ogen.cli import main
from l2ogen.diagnostics import render
from l2ogen.source import Source

ALONE = [b for page in PAGES if page != TUTORIAL for b in blocks(page)]


def test_the_pages_are_tested() -> None:
    assert {"docs/language.md", "docs/theory.md", TUTORIAL, "docs/discrepancies.md"} <= set(PAGES)


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
