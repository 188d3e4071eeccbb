"""The pages of `l2ogen explain`: every code has one, and its examples do what it says."""

from __future__ import annotations

import inspect
import json
import re

import pytest
from click.testing import CliRunner

from l2ogen.cli import main
from l2ogen.cli.check import example
from l2ogen.diagnostics import catalog, render
from l2ogen.diagnostics.explain import FRAMES, Example, pages


def codes(given: Example) -> tuple[list[str], str]:
    """The codes of all that is said about an example, and how it is said."""
    checked = example(given, "spec.l2o")
    return [d.code for d in checked.diagnostics], render(checked.diagnostics, checked.source)


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_every_code_has_a_page_and_every_page_a_code() -> None:
    used = set()
    for _, f in inspect.getmembers(catalog, inspect.isfunction):
        if f.__module__.startswith(catalog.__name__):
            used |= set(re.findall(r'"(L2O\d{3})"', inspect.getsource(f)))
    assert len(used) > 80
    assert used - set(pages()) == set(), "write a page in l2ogen/diagnostics/pages/: see CONTRIBUTING.md"
    assert set(pages()) - used == set(), "no diagnostic has this code"


@pytest.mark.parametrize("code", pages())
def test_the_wrong_example_has_this_mistake_alone_and_the_right_one_none(code: str) -> None:
    page = pages()[code]
    found, text = codes(page.wrong)
    assert found == [code], text
    found, text = codes(page.right)
    assert found == [], text


@pytest.mark.parametrize("code", pages())
def test_a_page_reads_well(code: str) -> None:
    page = pages()[code]
    assert len(page.text) > 40 and page.text.endswith(".") and page.title[0].isupper() and not page.title.endswith(".")
    assert "```" not in page.text and max(map(len, page.text.splitlines())) <= 120


@pytest.mark.parametrize("frame", FRAMES)
def test_the_frames_are_right_files(frame: str) -> None:
    header = "problem example\n" if frame == "problem" else "algorithm Example\n"
    assert codes(Example("", header + FRAMES[frame], False)) == ([], "")


# ---- the command -------------------------------------------------------------------------------------


def test_explain_shows_the_page_and_what_the_wrong_example_gives() -> None:
    for spelling in ("L2O302", "l2o302", "302"):
        code, output = run("explain", spelling)
        assert code == 0 and output.startswith("L2O302: The product of two vectors\n")
        assert "error[L2O302]" in output and pages()["L2O302"].right.shown in output
    code, output = run("explain", "L2O503")
    assert code == 0 and "error[L2O503]" in output


def test_explain_lists_all_codes() -> None:
    code, output = run("explain")
    assert code == 0 and [line[:6] for line in output.splitlines()] == list(pages())
    code, output = run("explain", "--json")
    assert code == 0 and [p["code"] for p in json.loads(output)] == list(pages())


def test_explain_as_json() -> None:
    code, output = run("explain", "L2O201", "--json")
    page = json.loads(output)
    assert code == 0 and page["code"] == "L2O201" and page["wrong"] in page["wrong_file"]
    assert page.keys() == {"code", "title", "text", "wrong", "right", "wrong_file", "right_file"}


def test_an_unknown_code_is_wrong_usage() -> None:
    code, output = run("explain", "L2O21")
    assert code == 2 and "did you mean L2O121?" in output
    assert run("explain", "nonsense")[0] == 2
