"""Grammar rules -> syntax tree, while the parser reduces (so no recursion, however deep the text nests)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lark import Token, Transformer

from ..source import Span
from . import tree as t

GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta", "η": "eta", "θ": "theta",
    "ι": "iota", "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu", "ξ": "xi", "ο": "omicron", "π": "pi", "ρ": "rho",
    "ς": "varsigma", "σ": "sigma", "τ": "tau", "υ": "upsilon", "φ": "phi", "χ": "chi", "ψ": "psi", "ω": "omega",
    "Γ": "Gamma", "Δ": "Delta", "Θ": "Theta", "Λ": "Lambda", "Ξ": "Xi", "Π": "Pi", "Σ": "Sigma", "Φ": "Phi",
    "Ψ": "Psi", "Ω": "Omega", "ℝ": "R",
}  # fmt: skip

OPERATORS = {"·": "*", "−": "-", "⊙": ".*", "∘": ".*", "≤": "<=", "≥": ">="}


class TooDeep(Exception):
    """A node nests deeper than MAX_DEPTH; carries its span."""

    def __init__(self, span: Span) -> None:
        self.span = span


MAX_DEPTH = 60
"""Nesting that later passes walk recursively; Python's own limit is 1000 frames."""


def ascii_name(text: str) -> str:
    """`θ_k` -> `theta_k`"""
    return "".join(GREEK.get(c, c) for c in text)


def span_of(part: Any) -> Span:
    if isinstance(part, Token):
        assert part.start_pos is not None and part.end_pos is not None
        return Span(part.start_pos, part.end_pos)
    if isinstance(part, tuple):
        return span_of(part[0]).to(span_of(part[-1]))
    span: Span = part.span
    return span


def name_of(token: Token) -> t.Name:
    return t.Name(ascii_name(str(token).rstrip("+⁺")), next=token[-1] in "+⁺", span=span_of(token))


def is_token(part: Any, *types: str) -> bool:
    return isinstance(part, Token) and part.type in types


def nodes(parts: list[Any]) -> list[t.Node]:
    return [p for p in parts if isinstance(p, t.Node)]


class Builder(Transformer):
    """One method per rule alias; every method gets the reduced parts, tokens included."""

    def __default__(self, data: str, parts: list[Any], meta: Any) -> Any:
        raise AssertionError(f"no builder for rule {data}")

    # -- lists
    def none(self, parts: list[Any]) -> tuple[Any, ...]:
        return ()

    def first(self, parts: list[Any]) -> tuple[Any, ...]:
        (part,) = parts
        return (name_of(part) if is_token(part, "NAME") else part,)

    def second(self, parts: list[Any]) -> Any:
        return parts[1]

    def append(self, parts: list[Any]) -> tuple[Any, ...]:
        rest, _, last = parts
        return (*rest, name_of(last) if is_token(last, "NAME") else last)

    # -- files and blocks
    def file(self, parts: list[Any]) -> t.File:
        (items,) = parts
        return make(t.File, parts, items)

    def header(self, parts: list[Any]) -> t.Header:
        return make(t.Header, parts, str(parts[0]), name_of(parts[1]))

    def doc(self, parts: list[Any]) -> t.Doc:
        return make(t.Doc, parts, str(parts[0])[1:-1])

    def block(self, parts: list[Any]) -> t.Block:
        return make(t.Block, parts, str(parts[0]), parts[2], keyword_span=span_of(parts[0]))

    def sample_block(self, parts: list[Any]) -> t.Block:
        return make(t.Block, parts, str(parts[0]), parts[5], parts[2], keyword_span=span_of(parts[0]))

    def broken(self, parts: list[Any]) -> t.Broken:
        (token,) = parts
        return make(t.Broken, parts, tuple(str(token).split()))

    # -- problems
    def function_declaration(self, parts: list[Any]) -> t.FunctionDeclaration:
        return make(t.FunctionDeclaration, parts, name_of(parts[0]), name_of(parts[2]), parts[5])

    def function_definition(self, parts: list[Any]) -> t.FunctionDefinition:
        return make(t.FunctionDefinition, parts, name_of(parts[0]), name_of(parts[2]), parts[5])

    def minimize(self, parts: list[Any]) -> t.Minimize:
        return make(t.Minimize, parts, parts[1])

    def recover(self, parts: list[Any]) -> t.Recover:
        return make(t.Recover, parts, name_of(parts[1]), name_of(parts[3]), parts[5], parts[7])

    data = block

    def word(self, parts: list[Any]) -> t.Call:
        return make(t.Call, parts, name_of(parts[0]), ())

    # -- declarations
    def declaration(self, parts: list[Any]) -> t.Declaration:
        kind = next((str(p) for p in parts if isinstance(p, Token)), None)
        lists = [p for p in parts if isinstance(p, tuple)]
        groups = next(p for p in lists if isinstance(p[0], t.Group))
        facts = next((p for p in lists if isinstance(p[0], t.Fact)), ())
        value = next((p for p in parts if isinstance(p, t.Value)), None)
        tail = next((p for p in parts if isinstance(p, t.Tail)), None)
        return make(t.Declaration, parts, kind, groups, value, facts, tail)

    def kind(self, parts: list[Any]) -> Token:
        token: Token = parts[0]
        return token

    def group(self, parts: list[Any]) -> t.Group:
        return make(t.Group, parts, parts[0], parts[2])

    def space_plain(self, parts: list[Any]) -> t.Space:
        return make(t.Space, parts, ascii_name(parts[0]))

    def space_power(self, parts: list[Any]) -> t.Space:
        if len(parts) == 3:
            size = parts[2]
            expr: t.Expr = name_of(size) if size.type == "NAME" else make(t.Number, [size], str(size))
            return make(t.Space, parts, ascii_name(parts[0]), (expr,))
        return make(t.Space, parts, ascii_name(parts[0]), parts[3])

    def space_call(self, parts: list[Any]) -> t.Space:
        return make(t.Space, parts, ascii_name(parts[0]), (parts[2],))

    def value_is(self, parts: list[Any]) -> t.Value:
        return make(t.Value, parts, "=", parts[1])

    def value_init(self, parts: list[Any]) -> t.Value:
        return make(t.Value, parts, "init", parts[1])

    def fact_relation(self, parts: list[Any]) -> t.Fact:
        return make(t.Fact, parts, parts[0])

    def fact_limit(self, parts: list[Any]) -> t.Fact:
        return make(t.Fact, parts, parts[0], parts[2], parts[4] if len(parts) > 3 else None)

    def tail_last(self, parts: list[Any]) -> t.Tail:
        return make(t.Tail, parts, None)

    def tail_formula(self, parts: list[Any]) -> t.Tail:
        return make(t.Tail, parts, parts[1])

    # -- variants, safeguards
    def variant(self, parts: list[Any]) -> t.Variant:
        return make(t.Variant, parts, name_of(parts[1]), name_of(parts[3]), parts[5])

    def variant_network(self, parts: list[Any]) -> t.Network:
        return make(t.Network, parts, parts[0][0], name_of(parts[2]), parts[4], True)

    def amendment(self, parts: list[Any]) -> t.Amendment:
        facts = next((p for p in parts if isinstance(p, tuple)), ())
        tail = next((p for p in parts if isinstance(p, t.Tail)), None)
        return make(t.Amendment, parts, name_of(parts[0]), facts, tail)

    def safeguard(self, parts: list[Any]) -> t.Safeguard:
        return make(t.Safeguard, parts, parts[1])

    # -- networks, update, expect, train, sample
    def network(self, parts: list[Any]) -> t.Network:
        return make(t.Network, parts, name_of(parts[0]), name_of(parts[2]), parts[4], len(parts) > 6)

    def assignment(self, parts: list[Any]) -> t.Assignment:
        implicit = (name_of(parts[4]), parts[6]) if len(parts) > 3 else None
        return make(t.Assignment, parts, parts[0], parts[2], implicit)

    def expectation(self, parts: list[Any]) -> t.Expectation:
        return make(t.Expectation, parts, name_of(parts[0]), name_of(parts[1]))

    def setting(self, parts: list[Any]) -> t.Setting:
        return make(t.Setting, parts, name_of(parts[0]), parts[1])

    def setting_call(self, parts: list[Any]) -> t.SettingCall:
        return make(t.SettingCall, parts, name_of(parts[0]), parts[2] if len(parts) > 3 else ())

    def setting_choices(self, parts: list[Any]) -> t.Setting:
        call = self.setting_call(parts)
        return make(t.Setting, parts, call.fn, (call,))

    def text(self, parts: list[Any]) -> t.Text:
        return make(t.Text, parts, str(parts[0])[1:-1])

    def keyword_tuple(self, parts: list[Any]) -> t.Keyword:
        several = make(t.Tuple, parts[2:], (parts[3], *parts[5]))
        return make(t.Keyword, [*parts[:2], several], name_of(parts[0]), several)

    def interval(self, parts: list[Any]) -> t.Interval:
        return make(t.Interval, parts, name_of(parts[0]), parts[3], parts[5])

    def loss(self, parts: list[Any]) -> t.Loss:
        if len(parts) == 2:
            return make(t.Loss, parts, None, None, parts[1])
        return make(t.Loss, parts, str(parts[1]), name_of(parts[3]), parts[5])

    def draw(self, parts: list[Any]) -> t.Draw:
        modifier = (name_of(parts[4]), name_of(parts[5])) if len(parts) > 3 else None
        return make(t.Draw, parts, name_of(parts[0]), parts[2], modifier)

    def compute(self, parts: list[Any]) -> t.Compute:
        return make(t.Compute, parts, name_of(parts[0]), parts[2])

    def load(self, parts: list[Any]) -> t.Load:
        return make(t.Load, parts, str(parts[1])[1:-1], parts[3], file_span=span_of(parts[1]))

    def array(self, parts: list[Any]) -> t.Array:
        return make(t.Array, parts, name_of(parts[0]), name_of(parts[2 * (len(parts) > 1)]), len(parts) > 3)

    # -- expressions
    def number(self, parts: list[Any]) -> t.Number:
        return make(t.Number, parts, str(parts[0]))

    def name(self, parts: list[Any]) -> t.Name:
        return name_of(parts[0])

    next_name = name

    def negate(self, parts: list[Any]) -> t.Unary:
        return make(t.Unary, parts, "-", parts[1])

    def transpose(self, parts: list[Any]) -> t.Unary:
        return make(t.Unary, parts, "'", parts[0])

    def pseudo_inverse(self, parts: list[Any]) -> t.Unary:
        return make(t.Unary, parts, "†", parts[0])

    def binary(self, parts: list[Any]) -> t.Binary:
        op = str(parts[1])
        return make(t.Binary, parts, OPERATORS.get(op, op), parts[0], parts[2])

    def superscript(self, parts: list[Any]) -> t.Binary:
        return make(t.Binary, parts, "^", parts[0], make(t.Number, [parts[1]], "2"))

    def relation(self, parts: list[Any]) -> Token:
        token: Token = parts[0]
        return token

    def compare(self, parts: list[Any]) -> t.Compare:
        op = str(parts[1])
        return make(t.Compare, parts, parts[0], ((OPERATORS.get(op, op), parts[2]),))

    def compare_more(self, parts: list[Any]) -> t.Compare:
        op, left = str(parts[1]), parts[0]
        return make(t.Compare, parts, left.first, (*left.rest, (OPERATORS.get(op, op), parts[2])))

    def parenthesis(self, parts: list[Any]) -> t.Paren:
        return make(t.Paren, parts, parts[1])

    def keyword(self, parts: list[Any]) -> t.Keyword:
        return make(t.Keyword, parts, name_of(parts[0]), parts[2])

    def call(self, parts: list[Any]) -> t.Call:
        return make(t.Call, parts, name_of(parts[0]), parts[2])

    def application(self, parts: list[Any]) -> t.Apply:
        op = t.Name("grad", span=span_of(parts[0])) if parts[0].type == "NABLA" else name_of(parts[0])
        return make(t.Apply, parts, op, name_of(parts[1]), parts[3])

    def prox(self, parts: list[Any]) -> t.Prox:
        head, (left, right) = str(parts[0]), str(parts[0]).split(",")
        start = span_of(parts[0]).start
        fn_start, metric_start = start + len("prox_"), start + len(head) - len(right.lstrip())
        fn, metric = left[len("prox_") :].rstrip(), right.strip()
        return make(
            t.Prox, parts,
            t.Name(ascii_name(fn), span=Span(fn_start, fn_start + len(fn))),
            t.Name(ascii_name(metric), span=Span(metric_start, metric_start + len(metric))),
            parts[2],
        )  # fmt: skip

    def prox_brace(self, parts: list[Any]) -> t.Prox:
        return make(t.Prox, parts, name_of(parts[1]), parts[3], parts[6])

    def norm(self, parts: list[Any]) -> t.Norm:
        return make(t.Norm, parts, str(parts[2]).split("_")[1].replace("∞", "inf"), parts[1])

    def inner(self, parts: list[Any]) -> t.Inner:
        return make(t.Inner, parts, parts[1], parts[3])


def make(cls: Callable[..., Any], parts: list[Any], *fields: Any, **more: Any) -> Any:
    """A node over all the parts' text, one deeper than its deepest child."""
    solid = [p for p in parts if p != ()]
    span = span_of(solid[0]).to(span_of(solid[-1])) if solid else Span(0, 0)
    node = cls(*fields, span=span, **more)
    depth = 1 + max((child.depth for child in t.children(node)), default=0)
    if depth > MAX_DEPTH and isinstance(node, t.Expr):
        raise TooDeep(span)
    object.__setattr__(node, "depth", depth)
    return node
