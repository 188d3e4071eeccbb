"""What to say where the parser found a token it did not expect."""

from __future__ import annotations

from lark import Token

from ..diagnostics import Diagnostic, catalog, nearest
from ..source import Span
from .build import ascii_name, span_of

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
    "variant": "B = I",
    "load": "A = W",
}
"""What a line of each block looks like."""

STRAY = {
    "|": "write `abs(x)` for an absolute value, `||x||_2` for a norm",
    "@": "write `A*x` for a product",
    "_": "a name begins with a letter",
    "”": 'write straight quotation marks `"`',
    "’": "write `'` for the transpose",
    ".": "write `A'` for the transpose `A.T`, `.*` for products of entries",
    "×": "write `A*x` for a product",
    "³": "write `x^3`",
    "⁺": "the `⁺` of the next iterate touches its name: `x⁺`",
    "∑": "write `sum(v)`",
    "√": "write `sqrt(v)`",
    "!": "write comparisons with `<`, `<=`, `>`, `>=`",
    "&": "separate conditions with `,`",
}


def is_juxtaposition(tokens: list[Token], i: int) -> bool:
    """Whether two operands stand side by side: `A x`, `2 x`, `(a) b`."""
    return i > 0 and tokens[i].type in OPERAND_STARTS and tokens[i - 1].type in OPERAND_ENDS


def words(token: Token) -> list[str]:
    """The names in a token, in ASCII."""
    if token.type == "PROX":
        return [ascii_name(part.strip()) for part in token.removeprefix("prox_").split(",")]
    if token.type not in ("NAME", "NEXT"):
        return []
    name = ascii_name(token.rstrip("+⁺"))
    return [name, name.removeprefix("prox_")] if name.startswith("prox_") else [name]


def unexpected(tokens: list[Token], start: int, at: int, choices: set[str], blocks: list[str]) -> Diagnostic:
    """The diagnostic for the token at index `at` of a statement that began at `start`."""
    known = _stray(tokens, at) or _norm(tokens, start, at) or _side_by_side(tokens, start, at, choices)
    if known is not None:
        return known
    token = tokens[at]
    before = tokens[at - 1] if at > start else None
    span, text = span_of(token), str(token)
    expected = _expected(choices, tokens[start:at])
    block = blocks[-1] if blocks else ""
    if before is not None and before.type == token.type == "STAR":
        return catalog.double_star(span_of(before).to(span))
    if before is not None and token.type == "COMMA" and before.startswith("prox_"):
        return catalog.metric_needs_braces(_until_parenthesis(tokens, at), before.removeprefix("prox_"))
    if before is not None and token.type == "COMMA" and nearest(before.partition("_")[0], ["prox"]) and "_" in before:
        return catalog.unknown_name(span_of(before), str(before), "prox_" + before.partition("_")[2])
    first = (
        at == start + 1
        and tokens[start].type == "NAME"
        and (not block or (token.type in ("NAME", "NUMBER", "NEXT") and block in ("update", "networks", "sample")))
    )
    if not first and before is not None and token.type in ("SEP", "RBRACE", "WITH", "TAIL", "WHERE"):
        return catalog.incomplete(span_of(before), str(before), expected)
    if at == start or first:
        meant = nearest(str(tokens[start]), [c.lower() for c in choices if c.isupper()]) if at == start else None
        return catalog.not_a_statement(
            span_of(tokens[start]), str(tokens[start]), block, STATEMENTS.get(block, ""), meant or ""
        )
    return catalog.unexpected(span, text, expected, STATEMENTS.get(block, ""))


def _stray(tokens: list[Token], at: int) -> Diagnostic | None:
    """Characters that are in no word of the language, neighbours together."""
    if tokens[at].type != "STRAY":
        return None
    end = at + 1
    while end < len(tokens) and tokens[end].type == "STRAY" and tokens[end].start_pos == tokens[end - 1].end_pos:
        end += 1
    text = "".join(tokens[at:end])
    hint = STRAY.get(text[0], "names are written in Latin or Greek letters" if text[0].isalpha() else "")
    return catalog.stray_character(span_of(tokens[at]).to(span_of(tokens[end - 1])), text, hint)


def _norm(tokens: list[Token], start: int, at: int) -> Diagnostic | None:
    """`||x||` without its kind."""
    token = tokens[at]
    norms = [k.type for k in tokens[start : at + 1] if k.type in ("BARS", "NORM")]
    if "BARS" in norms and norms.count("BARS") > norms.count("NORM") + (token.type != "BARS"):
        opened = [k for k in tokens[start : at + 1] if k.type == "BARS"]
        return catalog.norm_without_kind(span_of(opened[0]).to(span_of(opened[-1])))
    return None


def _side_by_side(tokens: list[Token], start: int, at: int, choices: set[str]) -> Diagnostic | None:
    """Two operands without an operator between them: `A x`, `x+ y`, `gard f(y)`, `grad f`."""
    token = tokens[at]
    if at - 2 >= start and choices == {"LPAR"} and tokens[at - 2].type == tokens[at - 1].type == "NAME":
        word, name = str(tokens[at - 2]), str(tokens[at - 1])
        both = span_of(tokens[at - 2]).to(span_of(tokens[at - 1]))
        if nearest(word, APPLIED) or word in APPLIED:
            return catalog.operator_without_argument(both, word, name)
        return catalog.juxtaposition(both, word, name)
    if at == start or not (is_juxtaposition(tokens, at) or tokens[at - 1].type == "NEXT"):
        return None
    before = tokens[at - 1]
    both, word = span_of(before).to(span_of(token)), str(before)
    if before.type == "NEXT":
        if token.type not in OPERAND_STARTS or "STAR" not in choices:
            return None
        return catalog.next_before_operand(both, word, word.rstrip("+⁺"), str(token))
    meant = nearest(word, APPLIED) if before.type == "NAME" and word not in APPLIED else None
    if meant is not None and token.type == "NAME":
        return catalog.unknown_name(span_of(before), word, meant)
    if word in APPLIED:
        return catalog.operator_without_argument(both, word, str(token))
    if "STAR" not in choices:
        return None
    called = token.type == "NAME" and at + 1 < len(tokens) and tokens[at + 1].type == "LPAR"
    right = "(…)" if token.type == "LPAR" else f"{token}(…)" if called else str(token)
    return catalog.juxtaposition(both, word if before.type != "RPAR" else "(…)", right)


def _until_parenthesis(tokens: list[Token], at: int) -> Span:
    """From the token after `at` to the parenthesis that opens the argument."""
    end = at + 1
    while end + 1 < len(tokens) and tokens[end + 1].type not in ("SEP", "LPAR", "RBRACE"):
        end += 1
    last = tokens[min(end, len(tokens) - 1)]
    return span_of(tokens[min(at + 1, len(tokens) - 1)]).to(span_of(last))


NAMES = {
    "NAME": "a name", "NUMBER": "a number", "STRING": "a documentation string", "LPAR": "`(`", "RPAR": "`)`",
    "LBRACE": "`{`", "RBRACE": "`}`", "COMMA": "`,`", "COLON": "`:`", "EQUALS": "`=`", "IN": "`in`", "TILDE": "`~`",
    "GT": "`>`", "NORM": "`||_2`", "SEP": "the end of the line", "$END": "the end of the file",
}  # fmt: skip


def _expected(choices: set[str], statement: list[Token]) -> str:
    """`a name or `(`` from terminal names; operands and operators are summed up."""
    if "NAME" in choices and "LPAR" in choices and "NUMBER" in choices:
        return "a value"
    closers = _closers(statement)
    words = [NAMES[c] for c in NAMES if c in choices and c not in ("SEP", "$END", "RBRACE")]
    words += [f"`{c.lower()}`" for c in sorted(choices) if c in ("WHERE", "WITH", "TAIL", "INIT", "PER", "FROM", "OF")]
    if "STAR" in choices:
        words = ["an operator", *(NAMES[c] for c in closers if c in choices)]
    words = words[:4] or ["the end of the line"]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]


def _closers(statement: list[Token]) -> list[str]:
    """What can close the innermost open bracket of an unfinished statement."""
    open_: list[str] = []
    for token in statement:
        if token.type in ("LPAR", "BARS"):
            open_.append(token.type)
        elif token.type in ("RPAR", "NORM") and open_:
            open_.pop()
    return {"LPAR": ["RPAR", "COMMA"], "BARS": ["NORM"]}[open_[-1]] if open_ else []
