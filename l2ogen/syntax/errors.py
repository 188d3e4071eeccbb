"""What to say where the parser found a token it did not expect."""

from __future__ import annotations

from lark import Token

from ..diagnostics import Diagnostic, catalog, nearest
from .build import span_of

OPERAND_STARTS = {"NAME", "NEXT", "NUMBER", "LPAR", "PROX", "PROX_BRACE", "NABLA", "BARS"}
OPERAND_ENDS = {"NAME", "NUMBER", "RPAR", "TRANSPOSE", "DAGGER", "SUPERSCRIPT", "NORM"}
APPLIED = ("grad", "subgrad", "stochgrad")
"""Operator words that stand before a function's name."""

STATEMENTS = {
    "problem": "f(x) : convex, smooth(L)",
    "networks": "phi = lstm(hidden = 20, layers = 2) per coordinate",
    "parameters": "learned theta_k in R init 0.1 with theta_k >= 0",
    "state": "x, y in R^n = 0",
    "data": "A in R^(m, n)",
    "variable": "x in R^n",
    "update": "x+ = x - P*grad f(x)",
    "expect": "fixed_point proved",
    "train": "on lasso(m = 20, n = 40)",
    "sample": "A ~ gaussian(m, n)",
}
"""What a line of each block looks like."""

STRAY = {
    "|": "write `abs(x)` for an absolute value, `||x||_2` for a norm",
    "@": "write `A*x` for a product",
    "_": "a name begins with a letter",
    "“": 'write a straight quotation mark `"`',
    "”": 'write a straight quotation mark `"`',
    '"': "a string ends on the line it began",
    "⁺": "the `⁺` of the next iterate touches its name: `x⁺`",
    "∑": "write `sum(v)`",
    "√": "write `sqrt(v)`",
    "!": "write comparisons with `<`, `<=`, `>`, `>=`",
    "&": "separate conditions with `,`",
}


def is_juxtaposition(tokens: list[Token], i: int) -> bool:
    """Whether two operands stand side by side: `A x`, `2 x`, `(a) b`."""
    return i > 0 and tokens[i].type in OPERAND_STARTS and tokens[i - 1].type in OPERAND_ENDS


def unexpected(tokens: list[Token], start: int, at: int, choices: set[str], blocks: list[str]) -> Diagnostic:
    """The diagnostic for the token at index `at` of a statement that began at `start`."""
    token = tokens[at]
    before = tokens[at - 1] if at > start else None
    span = span_of(token)
    text = str(token)
    if token.type == "STRAY":
        return catalog.stray_character(span, text, STRAY.get(text, ""))
    norms = [t.type for t in tokens[start : at + 1] if t.type in ("BARS", "NORM")]
    if "BARS" in norms and norms.count("BARS") > norms.count("NORM") + (token.type != "BARS"):
        opened = [t for t in tokens[start : at + 1] if t.type == "BARS"]
        return catalog.norm_without_kind(span_of(opened[0]).to(span_of(opened[-1])))
    if before is not None and before.type == "NEXT" and token.type in OPERAND_STARTS:
        name = str(before).rstrip("+⁺")
        return catalog.next_before_operand(span_of(before).to(span), str(before), name, text)
    if choices == {"LPAR"} and at - 2 >= start and tokens[at - 2].type == tokens[at - 1].type == "NAME":
        word, name = str(tokens[at - 2]), str(tokens[at - 1])
        both = span_of(tokens[at - 2]).to(span_of(tokens[at - 1]))
        if nearest(word, APPLIED) or word in APPLIED:
            return catalog.operator_without_argument(both, word, name)
        return catalog.juxtaposition(both, word, name)
    if before is not None and before.type == token.type == "STAR":
        return catalog.double_star(span_of(before).to(span))
    if before is not None and is_juxtaposition(tokens, at) and tokens[start].type != "RBRACE":
        word = str(before)
        meant = nearest(word, APPLIED) if before.type == "NAME" and word not in APPLIED else None
        following = tokens[at + 1].type if at + 1 < len(tokens) else ""
        if meant is not None and token.type == "NAME":
            return catalog.unknown_name(span_of(before), word, meant)
        if word in APPLIED:
            return catalog.operator_without_argument(span_of(before).to(span), word, text)
        if "STAR" in choices:
            left = word if before.type != "RPAR" else "(…)"
            right = text if following != "LPAR" or token.type != "NAME" else f"{text}(…)"
            return catalog.juxtaposition(span_of(before).to(span), left, "(…)" if token.type == "LPAR" else right)
    block = blocks[-1] if blocks else ""
    if token.type in ("SEP", "RBRACE"):
        where = span_of(before) if before is not None else span
        return catalog.incomplete(where, str(before or text), _expected(choices))
    if at == start:
        meant = nearest(text, [c.lower() for c in choices if c.isupper()])
        return catalog.not_a_statement(span, text, block, STATEMENTS.get(block, ""), meant or "")
    return catalog.unexpected(span, text, _expected(choices), STATEMENTS.get(block, ""))


NAMES = {
    "NAME": "a name", "NUMBER": "a number", "STRING": "a documentation string", "LPAR": "`(`", "RPAR": "`)`",
    "LBRACE": "`{`", "RBRACE": "`}`", "COMMA": "`,`", "COLON": "`:`", "EQUALS": "`=`", "IN": "`in`", "TILDE": "`~`",
    "GT": "`>`", "NORM": "`||_2`", "SEP": "the end of the line", "$END": "the end of the file",
}  # fmt: skip


def _expected(choices: set[str]) -> str:
    """`a name or `(`` from terminal names; operands and operators are summed up."""
    if "NAME" in choices and "LPAR" in choices and "NUMBER" in choices:
        return "a value"
    words = [NAMES[c] for c in NAMES if c in choices and c not in ("SEP", "$END", "RBRACE")]
    words += [f"`{c.lower()}`" for c in sorted(choices) if c in ("WHERE", "WITH", "TAIL", "INIT", "PER", "FROM", "OF")]
    if "STAR" in choices:
        words = [w for w in words if w in ("`)`", "`,`", "`>`", "`||_2`")]
        words = ["an operator", *words]
    words = words[:4] or ["the end of the line"]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]
