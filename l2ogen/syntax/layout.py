"""Raw tokens -> tokens with statement separators, and brackets that always balance.

Newlines, `;` and comments become SEP. A bracket that is never closed is reported and closed where the statement
ends, one that closes nothing is reported and dropped, a block without its `{` gets one, and quotation marks are
mended, so the parser only ever sees balanced text.
"""

from __future__ import annotations

from collections.abc import Iterable

from lark import Token

from ..diagnostics import Diagnostic, catalog
from ..source import Span
from .build import span_of

OPENERS = {"LPAR": "RPAR", "LBRACKET": "RBRACKET", "LBRACE": "RBRACE", "PROX_BRACE": "RBRACE"}
CLOSERS = {"RPAR": ")", "RBRACKET": "]", "RBRACE": "}"}
CONTINUES = {
    "PLUS", "MINUS", "STAR", "SLASH", "DOTSTAR", "DOTSLASH", "CARET", "DOTCARET", "LT", "GT", "LE", "GE", "EQUALS",
    "ARROW", "WHERE", "WITH", "TAIL", "RPAR",
}  # fmt: skip
"""A line that begins with one of these continues the line above."""
BLOCKS = {"NETWORKS", "PARAMETERS", "STATE", "VARIABLE", "UPDATE", "EXPECT", "TRAIN", "SAMPLE"}
"""Keywords whose block never stands inside another, a variant's aside."""
STARTS_LINE = {"NEWLINE", "NAME", "NEXT", "LEARNED", "PREDICTED", "PRECOMPUTED", "FIXED", "SHARED"}
"""What follows the keyword of a block where its `{` was forgotten."""


class Layout:
    """Collects tokens, comments and diagnostics; `run` does it all."""

    def __init__(self) -> None:
        self.tokens: list[Token] = []
        self.comments: list[Token] = []
        self.diagnostics: list[Diagnostic] = []
        self.open: list[Token] = []
        self.variants: set[int] = set()
        """ids of the braces that open a variant"""
        self.reported: set[int] = set()
        """ids of tokens about which something was said: what else is wrong in their statement follows from it"""

    def run(self, raw: Iterable[Token]) -> Layout:
        tokens = list(raw)
        following = self.following(tokens)
        pending: Token | None = None
        for i, raw_token in enumerate(tokens):
            token = self.mend(raw_token)
            if token.type == "COMMENT":
                self.comments.append(token)
            elif token.type in ("NEWLINE", "SEMICOLON"):
                rest = tokens[i + 1 : i + 13]
                if token.type == "SEMICOLON" or not self.in_parentheses() or self.begins_statement(rest):
                    self.close_parentheses(token)
                    if pending is None or token.type == "SEMICOLON":
                        pending = token
            else:
                after = following[i]
                if token.type in BLOCKS and after is not None and after.type == "LBRACE":
                    self.close_blocks(pending or token, inside_variant=True)
                elif token.type == "VARIANT" and pending is not None and after is not None and after.type == "NAME":
                    self.close_blocks(pending)
                if token.type in ("WITH", "TAIL") and after is not None and after.type in ("NAME", "NUMBER", "REPEAT"):
                    self.close_parentheses(token)
                self.separate(pending, token, after)
                begins = pending is not None or not self.tokens
                pending = None
                self.put(token)
                if begins and not self.open and token.type in BLOCKS and i + 1 < len(tokens):
                    self.open_block(token, tokens[i + 1])
        end = tokens[-1].end_pos if tokens else 0
        while self.open:
            self.close_open(end or 0)
        return self

    def following(self, tokens: list[Token]) -> list[Token | None]:
        """For each token the next one that is neither a newline nor a comment."""
        found: list[Token | None] = []
        after: Token | None = None
        for token in reversed(tokens):
            found.append(after)
            if token.type not in ("NEWLINE", "COMMENT"):
                after = token
        return found[::-1]

    def mend(self, token: Token) -> Token:
        """A quotation that is not closed, or in curly marks, as the string that was meant."""
        if token.type not in ("UNFINISHED", "CURLY"):
            return token
        start = span_of(token).start
        first = Span(start, start + 1)
        if token.type == "UNFINISHED":
            self.diagnostics.append(catalog.unfinished_string(first))
        else:
            self.diagnostics.append(catalog.stray_character(first, token[0], 'write straight quotation marks `"`'))
        string = Token.new_borrow_pos("STRING", '"' + token.strip('“”„"') + '"', token)
        self.reported.add(id(string))
        return string

    def open_block(self, keyword: Token, following: Token) -> None:
        """`update` at the start of a line, without its `{`."""
        if following.type in STARTS_LINE:
            self.diagnostics.append(catalog.incomplete(span_of(keyword), str(keyword), "`{`"))
            end = span_of(keyword).end
            brace = Token("LBRACE", "{", start_pos=end, end_pos=end)
            self.reported.add(id(brace))
            self.put(brace)

    def in_parentheses(self) -> bool:
        return bool(self.open) and self.open[-1].type != "LBRACE"

    def begins_statement(self, rest: list[Token]) -> bool:
        """Whether what follows a newline can only be a new statement, so that an open `(` was forgotten."""
        kinds = [t.type for t in rest if t.type not in ("NEWLINE", "COMMENT")]
        match kinds[:2]:
            case ["NEXT", "EQUALS"] | [_, "LBRACE"]:
                return True
            case ["NAME", "EQUALS"]:  # else the keyword of an argument
                return self.tokens[-1].type not in ("LPAR", "COMMA")
        return kinds[:1] == ["RBRACE"] and self.open[-1].type != "PROX_BRACE"

    def separate(self, pending: Token | None, token: Token, after: Token | None) -> None:
        """Emit the SEP that stands between the last token and this one, if any does."""
        last = self.tokens[-1] if self.tokens else None
        if last is None or token.type == "RBRACE" or last.type in ("LBRACE", "SEP"):
            return
        starts_let = after is not None and after.type == "EQUALS"
        if pending is not None:
            word = token.type in ("WHERE", "WITH", "TAIL")
            continues = token.type in CONTINUES and not (word and starts_let)
            if pending.type == "SEMICOLON" or not continues:
                self.tokens.append(Token.new_borrow_pos("SEP", ";", pending))
        elif last.type == "RBRACE" and token.type not in ("LPAR", "SEP"):
            self.tokens.append(Token.new_borrow_pos("SEP", "", token))

    def put(self, token: Token) -> None:
        if token.type in OPENERS:
            self.open.append(token)
            if len(self.tokens) > 3 and self.tokens[-4].type == "VARIANT" and token.type == "LBRACE":
                self.variants.add(id(token))
        elif token.type in CLOSERS:
            if token.type == "RBRACKET" and self.in_parentheses():
                token = self.square(token)
            if token.type == "RBRACE":
                while self.open and OPENERS[self.open[-1].type] != "RBRACE":
                    self.close_open(span_of(token).start)
            if not self.open or OPENERS[self.open[-1].type] != token.type:
                self.diagnostics.append(catalog.unmatched_close(span_of(token), str(token)))
                return
            self.open.pop()
        self.emit(token)

    def square(self, token: Token) -> Token:
        """`]` as the parenthesis that was meant, unless a `[` is open."""
        opener = self.open[-1]
        if opener.type == "LBRACKET":
            return token
        self.diagnostics.append(catalog.unmatched_close(span_of(token), str(token)))
        closer = OPENERS[opener.type]
        self.reported.add(id(opener))
        return Token.new_borrow_pos(closer, CLOSERS[closer], token)

    def emit(self, token: Token) -> None:
        """Add a token; no SEP stands before the end of a block."""
        if token.type == "RBRACE" and self.tokens and self.tokens[-1].type == "SEP":
            self.tokens.pop()
        self.tokens.append(token)

    def close_parentheses(self, at: Token) -> None:
        while self.in_parentheses():
            self.close_open(span_of(at).start)

    def close_blocks(self, at: Token, inside_variant: bool = False) -> None:
        """A block inside a block, of which only a variant may hold some: the outer one was never closed."""
        while self.open and not (inside_variant and id(self.open[-1]) in self.variants):
            self.close_open(span_of(at).start)

    def close_open(self, offset: int) -> None:
        opener = self.open.pop()
        closer = OPENERS[opener.type]
        if id(opener) not in self.reported:
            self.diagnostics.append(catalog.never_closed(span_of(opener), str(opener), CLOSERS[closer]))
        if opener.type != "LBRACE":
            self.reported.add(id(opener))
        self.emit(Token(closer, CLOSERS[closer], start_pos=offset, end_pos=offset))
