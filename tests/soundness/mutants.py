"""Small changes of a spec's text: of the rule, and of the facts about its parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator

SIGN = re.compile(r" ([+-]) ")
NAME = re.compile(r"[A-Za-z_]\w*\+?")
GRADIENT = re.compile(r"grad f\((\w+)\)")
FACT = re.compile(r" with [^\n;}]*")
LIMIT = re.compile(r"\w+ -> 0 like [^\n,;}]*|\w+ -> 0(?! like)")
OPEN = re.compile(r"[<>](?!=)")
WORDS = {"where", "in", "subgrad", "grad", "f", "r", "k", "L", "I", "detach", "exp", "log", "sqrt", "F"}


def mutants(text: str) -> Iterator[tuple[str, str]]:
    """(what was done, the changed text); not every one of them is a valid spec."""
    start = text.rindex("update {") + len("update {")
    end = text.index("}", _matching(text, start - 1))
    before, rule, after = text[:start], text[start:end], text[end:]
    for what, changed in (*_signs(rule), *_names(rule), *_factors(rule)):
        yield what, before + changed + after
    head = text.find("parameters {")
    if head >= 0:
        stop = text.index("state", head)
        for what, changed in _facts(text[head:stop]):
            yield what, text[:head] + changed + text[stop:]


def _matching(text: str, at: int) -> int:
    """The place of the brace that closes the one at `at`."""
    depth = 0
    for i in range(at, len(text)):
        depth += {"{": 1, "}": -1}.get(text[i], 0)
        if not depth:
            return i
    return len(text) - 1


def _term_end(rule: str, at: int) -> int:
    """Where the term that starts at `at` ends."""
    depth = 0
    for i in range(at, len(rule)):
        if rule[i] in "([{":
            depth += 1
        elif rule[i] in ")]}":
            depth -= 1
            if depth < 0:
                return i
        elif depth == 0 and (rule[i] in ",\n;" or SIGN.match(rule, i)):
            return i
    return len(rule)


def _signs(rule: str) -> Iterator[tuple[str, str]]:
    for m in SIGN.finditer(rule):
        other = "-" if m[1] == "+" else "+"
        yield f"sign {other} at {m.start()}", f"{rule[: m.start(1)]}{other}{rule[m.end(1) :]}"
        stop = _term_end(rule, m.end())
        yield f"drop `{rule[m.start() : stop].strip()}`", rule[: m.start()] + rule[stop:]


def _names(rule: str) -> Iterator[tuple[str, str]]:
    """One use of a name replaced by another name of the rule."""
    names = sorted({m[0] for m in NAME.finditer(rule)} - WORDS - {"prox", "prox_", "soft", "soft_ss"})
    variables = [n for n in names if not re.search(rf"\b{re.escape(n)}\(", rule)]
    for m in NAME.finditer(rule):
        if m[0] not in variables or rule[m.end() : m.end() + 3] == " = ":
            continue
        for other in variables:
            if other != m[0]:
                yield f"`{m[0]}` -> `{other}` at {m.start()}", rule[: m.start()] + other + rule[m.end() :]


def _factors(rule: str) -> Iterator[tuple[str, str]]:
    for m in SIGN.finditer(rule):
        yield f"factor 2 at {m.end()}", f"{rule[: m.end()]}2*{rule[m.end() :]}"
    for m in GRADIENT.finditer(rule):
        yield f"gradient at {m.start()} dropped", rule[: m.start()] + m[1] + rule[m.end() :]


def _facts(block: str) -> Iterator[tuple[str, str]]:
    for m in FACT.finditer(block):
        yield f"facts dropped: {m[0].strip()}", block[: m.start()] + block[m.end() :]
    for m in LIMIT.finditer(block):
        changed = block[: m.start()] + block[m.end() :]
        changed = re.sub(r"with\s*,\s*|,\s*,\s*", lambda s: "with " if "with" in s[0] else ", ", changed)
        yield f"limit dropped: {m[0]}", re.sub(r" with\s*(?=[\n;}]|tail)|,\s*(?=[\n}])", "", changed)
    for m in OPEN.finditer(block):
        if block[m.start() - 1] != "-":
            yield f"closed range at {m.start()}", f"{block[: m.end()]}={block[m.end() :]}"
