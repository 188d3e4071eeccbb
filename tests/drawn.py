"""Texts drawn from the grammar itself, and what must hold for each.

    python -m tests.drawn --count 5000

What the grammar derives, the parser reads without complaint, up to what only the driver decides: keywords, deep nesting,
and lines that continue the one above.
"""

from __future__ import annotations

import argparse
import re
import time
from functools import cache

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.extra.lark import from_lark
from lark import Lark

from l2ogen import pipeline
from l2ogen.diagnostics import render
from l2ogen.resources import grammar_text
from l2ogen.source import Source
from l2ogen.syntax.parser import Parsed, grammar, parse
from l2ogen.syntax.printer import fmt

LIBRARY = pipeline.Library()

TERMINALS = {
    "NAME": ["x", "y", "A", "f", "theta_k", "P", "n", "R", "v1", "λ"], "NEXT": ["x+", "t+", "z⁺"],
    "NUMBER": ["0", "1", "2.5", "1e-3", ".5", "4"], "STRING": ['"a doc"'], "PROX": ["prox_r,P", "prox_g, alpha"],
    "PROX_BRACE": ["prox_{"], "NORM": ["||_1", "||_2", "||_inf", "‖_F"], "BARS": ["||", "‖"], "TRANSPOSE": ["'", "ᵀ"],
    "DAGGER": ["†"], "IN": ["in", "∈"], "LE": ["<=", "≤"], "GE": [">=", "≥"], "ARROW": ["->", "→"], "MINUS": ["-", "−"],
    "STAR": ["*", "·"], "DOTSTAR": [".*", "⊙", "∘"], "SEP": ["\n", ";", " # why\n", "\n\n"],
}  # fmt: skip


BLOCKS = {
    "problem_items": "problem {{ {} }}", "declarations": "parameters {{ {} }}", "networks": "networks {{ {} }}",
    "assignments": "update {{ {} }}", "expectations": "expect {{ {} }}", "settings": "train {{ {} }}",
    "samples": "sample {{ {} }}", "items": "{}",
}  # fmt: skip
"""A rule of the grammar, and where its text stands in a file."""


LEAVES = [f"LEAF_{i}" for i in range(40)]
"""Terminals that only stand here for a name or a number, so that most atoms are one and texts stay small."""


def tamed(grammar: str) -> str:
    """The grammar for drawing: no BROKEN, one terminal where several operators may stand, and many plain atoms."""
    grammar = re.sub(r"\n *\| BROKEN +-> broken|\| BROKEN +-> broken", "", grammar)
    grammar = grammar.replace("(STAR | SLASH | DOTSTAR | DOTSLASH)", "STAR")
    grammar = grammar.replace("    | sum MINUS product                           -> binary\n", "")
    grammar = grammar.replace("?atom: NUMBER", f"?atom: {' | '.join(LEAVES)} | NUMBER").replace("%ignore BLANK\n", "")
    return grammar.replace("%declare SEP BROKEN", f"%declare SEP {' '.join(LEAVES)}")


@cache
def texts(rule: str) -> st.SearchStrategy[str]:
    """Texts of whole files, drawn from grammar/l2o.lark itself."""
    lark = Lark(tamed(grammar_text()), start=rule, lexer="basic", parser="lalr")
    words = {x.name: [x.pattern.value] for x in grammar().terminals if x.pattern.type == "str"}
    more = {"STAR": ["*", "·", "/", ".*", "⊙", "./"], "PLUS": ["+", "-", "−"]}
    choices = words | TERMINALS | more | dict.fromkeys(LEAVES, TERMINALS["NAME"] + TERMINALS["NUMBER"])
    names = {x.name for x in lark.terminals} | {"SEP", *LEAVES}
    explicit = {k: st.sampled_from([f" {v} " for v in values]) for k, values in choices.items() if k in names}
    return from_lark(lark, start=rule, explicit=explicit).map(BLOCKS[rule].format)


# ---- what must hold ----------------------------------------------------------------------------------


def check_round_trip(parsed: Parsed) -> None:
    """parse(print(tree)) == tree, printing again changes nothing, comments are kept; in ASCII and Unicode."""
    comments = [str(c).strip() for c in parsed.comments]
    for unicode in (False, True):
        text = fmt(parsed.tree, parsed.source, parsed.comments, unicode)
        again = parse(Source("again", text))
        assert not again.diagnostics, text + render(again.diagnostics, again.source)
        assert again.tree == parsed.tree, text
        assert sorted(str(c).strip() for c in again.comments) == sorted(comments), text
        assert fmt(again.tree, again.source, again.comments, unicode) == text


def read(rule: str, count: int) -> int:
    """Draw texts, the same ones each time; how many of them were read without complaint. None may crash the checker,
    and each that is read prints back."""
    without = 0

    @settings(
        max_examples=count, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(texts(rule))
    def draw(text: str) -> None:
        nonlocal without
        checked = pipeline.check(Source("t", text), LIBRARY)
        render(checked.diagnostics, checked.source)
        if not checked.parsed.diagnostics:
            check_round_trip(checked.parsed)
            without += 1

    draw()
    return without


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--count", type=int, default=1000)
    count = options.parse_args().count
    for rule in BLOCKS:
        start, each = time.perf_counter(), -(-count // len(BLOCKS))
        print(f"{rule:<16}{read(rule, each):>6} of {each} read, {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
