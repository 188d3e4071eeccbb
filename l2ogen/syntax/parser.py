"""Text -> syntax tree and diagnostics. Never raises for a user's mistake: what does not parse is skipped, said, and
stands in the tree as Broken."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from lark import Lark, Token
from lark.exceptions import UnexpectedToken
from lark.lark import PostLex

from ..diagnostics import Diagnostic, Shape, catalog, nearest
from ..resources import grammar_text
from ..source import Source, Span
from . import errors
from . import tree as t
from .brackets import OPENERS
from .build import Builder, TooDeep, span_of
from .layout import CLOSERS, Layout

MAX_CHARACTERS = 20_000
"""Larger files are refused: a rule that long was not written by a person, and would take seconds to parse. The
largest published algorithms take 2,000 characters."""


MAX_BRACKETS = 100
GARBAGE = re.compile("[\x00-\x08\x0e-\x1f\x7f\ufffd]")
MAX_GARBAGE = 10
"""More characters that are in no text mean that the file is no text."""


@dataclass(frozen=True)
class Parsed:
    source: Source
    tree: t.File
    diagnostics: tuple[Diagnostic, ...]
    comments: tuple[Token, ...] = ()
    statements: tuple[Span, ...] = ()
    unclear: bool = False
    """Whether mistakes leave open which line belongs to which block, so that what the lines mean is open, too."""
    unsure: bool = False
    """Whether a statement outside `update` and `expect` did not parse."""

    @property
    def shape(self) -> Shape:
        """What tells independent mistakes from consequences."""
        blocks = frozenset(item.keyword for item in self.tree.items if isinstance(item, t.Block) and item.body)
        return Shape(self.source, self.statements, self.unsure, blocks)


class _KeepTrivia(PostLex):
    """Tells lark that these terminals, in no rule, are wanted: Layout turns them into SEP."""

    always_accept = ("NEWLINE", "SEMICOLON", "COMMENT", "STRAY", "UNFINISHED", "CURLY", "LBRACKET", "RBRACKET")

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        return stream


@cache
def grammar() -> Lark:
    """The compiled grammar, built once per process."""
    made = Lark(
        grammar_text(), parser="lalr", lexer="basic", start=["file", "rule"], maybe_placeholders=False,
        transformer=Builder(), postlex=_KeepTrivia(),
    )  # fmt: skip
    made.lexer = made._build_lexer()  # else lark compiles the regular expressions anew for every text
    return made


@cache
def keywords() -> frozenset[str]:
    """Terminal names of all keywords."""
    return frozenset(term.name for term in grammar().terminals if term.name.lower() == term.pattern.value) | {"IN"}


def parse(source: Source, start: Literal["file", "rule"] = "file") -> Parsed:
    """Parse one file, or the assignments of a bare rule (then the tree's items are assignments)."""
    if len(source.text) > MAX_CHARACTERS:
        mistake = catalog.too_large(Span(0, 1), len(source.text), MAX_CHARACTERS)
        return Parsed(source, t.File(()), (mistake,))
    garbage = [m.start() for m in GARBAGE.finditer(source.text)]
    if len(garbage) >= MAX_GARBAGE:
        return Parsed(source, t.File(()), (catalog.not_text(Span(garbage[0], garbage[0] + 1)),))
    raw = list(grammar().lex(source.text))
    depth = 0
    for token in raw:  # brackets by the thousand would bring as many messages
        depth += (token.type in OPENERS or token.type == "LBRACKET") - (token.type in CLOSERS)
        if depth > MAX_BRACKETS:
            return Parsed(source, t.File(()), (catalog.too_deep(span_of(token)),))
    layout = Layout().run(raw)
    if not layout.tokens:
        return Parsed(source, t.File(()), (*layout.diagnostics, catalog.empty_file(Span(0, 0))))
    parser = _Parser(layout, start)
    tree = parser.run()
    said = parser.diagnostics
    if layout.unclear:  # below the first such place, what does not parse follows from it
        first = min((d.span.start for d in layout.diagnostics), default=0)
        said = [d for d in said if d.span.start < first]
    diagnostics = (*layout.diagnostics, *said)
    comments, statements = tuple(layout.comments), tuple(parser.statements)
    return Parsed(source, tree, diagnostics, comments, statements, layout.unclear, parser.unsure)


class _Parser:
    """Feeds tokens to the LALR machine, statement by statement, and recovers at statement ends."""

    def __init__(self, layout: Layout, start: str) -> None:
        self.tokens = layout.tokens
        self.reported = layout.reported
        self.diagnostics: list[Diagnostic] = []
        self.machine = grammar().parse_interactive(start=start)
        self.blocks: list[str] = ["update"] if start == "rule" else []
        self.statements: list[Span] = []
        self.unsure = False
        self.counts = Counter(str(token) for token in self.tokens if token.type == "NAME")

    def run(self) -> t.File:
        i = 0
        while i < len(self.tokens):
            first, i = i, self.statement(i)
            self.statements.append(span_of(self.tokens[first]).to(span_of(self.tokens[i - 1])))
        try:
            tree: t.File = self.machine.feed_eof(self.tokens[-1])
        except UnexpectedToken:  # no statement is whole
            if not self.diagnostics:
                self.diagnostics.append(errors.unexpected(self.tokens, 0, 0, self.choices(), self.blocks))
            return t.File(())
        return tree

    # -- the machine's state
    @property
    def state(self) -> Any:
        return self.machine.parser_state

    def choices(self) -> set[str]:
        """Terminals that have an action here."""
        return set(self.state.parse_conf.parse_table.states[self.state.position])

    def snapshot(self) -> tuple[list[Any], list[Any]]:
        return list(self.state.state_stack), list(self.state.value_stack)

    def restore(self, saved: tuple[list[Any], list[Any]]) -> None:
        self.state.state_stack[:], self.state.value_stack[:] = saved

    # -- statements
    def statement(self, start: int) -> int:
        """Feed tokens from the start of a statement to just past its end (a SEP, or the brace that opens or closes a
        block); return the index after it."""
        saved = self.snapshot()
        i = start
        while i < len(self.tokens):
            token = self.contextual(i, start)
            mistake: Diagnostic | None = None
            try:
                self.machine.feed_token(token)
            except UnexpectedToken:
                mistake = errors.unexpected(self.tokens, start, i, self.choices(), self.blocks)
            except TooDeep as deep:
                mistake = catalog.too_deep(deep.span)
            if mistake is not None:
                return self.give_up(mistake, saved, start, i)
            i += 1
            if token.type == "LBRACE":
                self.blocks.append(str(self.tokens[start]))
                return i
            if token.type == "RBRACE" and not self.in_prox(start, i - 1):
                self.blocks.pop()
                return i
            if token.type == "SEP":
                return i
        return self.ended(saved, start)

    def ended(self, saved: tuple[list[Any], list[Any]], start: int) -> int:
        """The text ends in this statement: check that it is whole."""
        if "$END" not in self.machine.accepts():
            end = span_of(self.tokens[-1]).end
            stop = Token("SEP", "", start_pos=end, end_pos=end)
            mistake = errors.unexpected([*self.tokens, stop], start, len(self.tokens), self.choices(), self.blocks)
            return self.give_up(mistake, saved, start, len(self.tokens) - 1)
        return len(self.tokens)

    def give_up(self, mistake: Diagnostic, saved: tuple[list[Any], list[Any]], start: int, at: int) -> int:
        """Report the mistake, unless it follows from one that was reported, and replace the statement."""
        if not any(id(token) in self.reported for token in self.tokens[start : at + 1]):
            self.diagnostics.append(mistake)
        self.unsure = self.unsure or self.blocks[-1:] not in (["update"], ["expect"])
        self.restore(saved)
        return self.skip(start)

    def in_prox(self, start: int, i: int) -> bool:
        """Whether the brace at i closes a `prox_{`."""
        kinds = [token.type for token in self.tokens[start:i]]
        return kinds.count("PROX_BRACE") > kinds.count("RBRACE")

    def skip(self, start: int) -> int:
        """Replace the statement by BROKEN; return the index of the token that ends it."""
        depth, end = 0, start
        while end < len(self.tokens):
            kind = self.tokens[end].type
            if depth == 0 and (kind == "SEP" or kind == "RBRACE"):
                break
            depth += (kind in ("LBRACE", "PROX_BRACE")) - (kind == "RBRACE")
            end += 1
        words = [word for token in self.tokens[start:end] for word in errors.words(token)]
        first, last = self.tokens[start], self.tokens[max(start, end - 1)]
        span = span_of(first).to(span_of(last))
        broken = Token("BROKEN", " ".join(words), start_pos=span.start, end_pos=span.end)
        if end == start:  # an empty statement: the end itself was not expected; drop it
            return start + 1
        if not self.accepts(broken):  # `}` and more on a line: drop it whole, each of its tokens would be a mistake
            ends = end < len(self.tokens) and self.tokens[end].type == "SEP"
            return end + (ends and not self.accepts(self.tokens[end]))
        self.machine.feed_token(broken)
        return end

    def accepts(self, token: Token) -> bool:
        """Whether the machine would take the token."""
        return token.type in self.machine.accepts()

    def contextual(self, i: int, start: int) -> Token:
        """The token at i as the grammar should see it: keyword or name, misspelled keywords mended and reported."""
        token, choices = self.tokens[i], self.choices()
        if token.type in keywords() and token.type != "IN":
            if "NAME" in choices and self.is_name(i, choices):
                return Token.new_borrow_pos("NAME", str(token), token)
        elif token.type == "NAME":
            meant = self.keyword_meant(i, start, choices)
            if meant is not None:
                self.diagnostics.append(catalog.misspelled_keyword(span_of(token), str(token), meant.lower()))
                return Token.new_borrow_pos(meant, meant.lower(), token)
        return token

    def is_name(self, i: int, choices: set[str]) -> bool:
        """Whether a word that can be a keyword is a name here."""
        token = self.tokens[i]
        after = self.tokens[i + 1].type if i + 1 < len(self.tokens) else ""
        if token.type in ("WITH", "TAIL", "WHERE") and after in ("NAME", "NEXT", "NUMBER", "REPEAT"):
            return False  # a clause begins where a value was expected
        if after in ("IN", "COMMA", "EQUALS", "COLON", "TILDE"):
            return True
        return token.type not in choices or (token.type in ("MEAN", "SUM") and after == "LPAR")

    def keyword_meant(self, i: int, start: int, choices: set[str]) -> str | None:
        """The terminal of the keyword that a name seems to misspell."""
        token = self.tokens[i]
        possible = {k.lower(): k for k in choices & keywords()}
        if "NAME" in choices:
            if not self.begins_like_keyword(i, start):
                return None
        elif errors.is_juxtaposition(self.tokens, i) and "STAR" in choices and self.counts[str(token)] > 1:
            return None  # `A x`: an operator is missing
        sure = "NAME" in choices or "STAR" in choices
        meant = nearest(str(token), possible, 0.75 if sure else 0.6)
        return possible[meant] if meant is not None else None

    def begins_like_keyword(self, i: int, start: int) -> bool:
        """`updte {`, `leanred W in …`: a first word followed by what no name is followed by."""
        return i == start and i + 1 < len(self.tokens) and self.tokens[i + 1].type in ("LBRACE", "NAME", "MEAN", "SUM")
