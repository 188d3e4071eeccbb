"""Raw tokens -> tokens with statement separators, and brackets that always balance.

Newlines, `;` and comments become SEP. A bracket that is never closed is reported and closed where the statement
ends, one that closes nothing is reported and dropped, a mistyped one is replaced, a block without its header or its
`{` gets one, and quotation marks are mended, so the parser only ever sees balanced text.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise, takewhile

from lark import Token

from ..diagnostics import Diagnostic, catalog
from ..source import Span
from .brackets import BLOCKS, OPENERS, TEXTS, Brackets
from .build import span_of

CLOSERS = {"RPAR", "RBRACKET", "RBRACE"}
CONTINUES = {
    "PLUS", "MINUS", "STAR", "SLASH", "DOTSTAR", "DOTSLASH", "CARET", "DOTCARET", "LT", "GT", "LE", "GE", "EQUALS",
    "ARROW", "WHERE", "WITH", "TAIL", "RPAR",
}  # fmt: skip
"""A line that begins with one of these continues the line above."""
ANOTHER = "another block begins here"
SQUARE = "write `( )`; square brackets are not used"
STARTS_LINE = {"NEWLINE", "NAME", "NEXT", "LEARNED", "PREDICTED", "PRECOMPUTED", "FIXED", "SHARED"}
"""What follows the keyword of a block where its `{` was forgotten."""


def interval_ends(tokens: list[Token]) -> set[int]:
    """ids of the square brackets of `c in [lo, hi]`, the one place where they belong."""
    found: set[int] = set()
    for before, token in pairwise(tokens):
        if before.type == "IN" and token.type == "LBRACKET":
            start = next(i for i, t in enumerate(tokens) if t is token)
            inside = list(takewhile(lambda t: t.type not in STOPS, tokens[start + 1 : start + 40]))
            end = start + 1 + len(inside)
            if end < len(tokens) and tokens[end].type == "RBRACKET" and "COMMA" in {t.type for t in inside}:
                found |= {id(token), id(tokens[end])}
    return found


STOPS = {"RBRACKET", "LBRACKET", "NEWLINE", "SEMICOLON", "LBRACE", "RBRACE"}


class Layout:
    """Collects tokens, comments and diagnostics; `run` does it all."""

    def __init__(self) -> None:
        self.tokens: list[Token] = []
        self.comments: list[Token] = []
        self.diagnostics: list[Diagnostic] = []
        self.open: list[Token] = []
        self.variants: set[int] = set()
        """ids of the braces that open a variant"""
        self.headers_added = False
        self.unclear = False
        """Whether mistakes leave open which line belongs to which block"""
        self.reported: set[int] = set()
        """ids of tokens about which something was said: what else is wrong in their statement follows from it"""

    def run(self, raw: Iterable[Token]) -> Layout:
        tokens = list(raw)
        following = self.following(tokens)
        brackets = Brackets(tokens, self.open)
        ends = interval_ends(tokens)
        pending: Token | None = None
        for i, raw_token in enumerate(tokens):
            token = self.mend(raw_token)
            if id(raw_token) in ends:
                self.tokens.append(token)
                continue
            if token.type != "COMMENT":
                token = self.mend_bracket(token, brackets.meant(raw_token))
                header = brackets.lost_header(raw_token)
                if header is not None:
                    pending = self.add_header(header, pending, token)
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
                if brackets.heads(raw_token):
                    self.close_blocks(pending, token, inside_variant=token.type != "PROBLEM")
                elif after is not None and pending is not None:
                    again = token.type == "DATA" and after.type == "LBRACE" and self.inside() == "DATA"
                    if again:
                        self.close_open(span_of(pending).start, token, ANOTHER)
                    elif token.type == "VARIANT" and after.type == "NAME":
                        self.close_blocks(pending, token)
                if token.type in ("WITH", "TAIL") and after is not None and after.type in ("NAME", "NUMBER", "REPEAT"):
                    self.close_parentheses(token)
                self.separate(pending, token, after)
                begins = pending is not None or not self.tokens
                pending = None
                self.put(token)
                if begins and not self.open and token.type in BLOCKS and i + 1 < len(tokens):
                    self.open_block(token, tokens[i + 1 : i + 20], after)
        end = tokens[-1].end_pos if tokens else 0
        last = self.tokens[-1] if self.tokens else None
        while self.open:
            self.close_open(end or 0, last, "the file ends here")
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

    def mend_bracket(self, token: Token, meant: str | None) -> Token:
        """A mistyped bracket as the one that was meant."""
        if meant is None:
            return token
        text, closes = TEXTS[meant], meant in CLOSERS
        opener = self.open[-1] if closes and self.open else None
        if token.type == "LBRACKET":
            self.diagnostics.append(catalog.stray_character(span_of(token), "[", SQUARE))
        elif token.type != "RBRACKET" or opener is None or id(opener) not in self.reported:
            note = (span_of(opener), f"`{opener}` is opened here") if opener is not None else None
            self.diagnostics.append(catalog.wrong_bracket(span_of(token), str(token), text, note))
        mended = Token.new_borrow_pos(meant, text, token)
        self.reported.add(id(mended))
        self.unclear = self.unclear or meant in ("LBRACE", "RBRACE") or token.type in ("LBRACE", "RBRACE")
        return mended

    def add_header(self, keyword: str, pending: Token | None, token: Token) -> Token | None:
        """`update {` before lines that stand in no block; returns the separator that is still to come."""
        if not self.headers_added:  # the next ones mostly follow from the first
            self.diagnostics.append(catalog.missing_header(span_of(token), keyword, token.type == "LBRACE"))
        self.unclear = self.headers_added = True
        start = span_of(token).start
        added = [Token(keyword.upper(), keyword, start_pos=start, end_pos=start)]
        if token.type != "LBRACE":
            added.append(Token("LBRACE", "{", start_pos=start, end_pos=start))
        self.separate(pending or added[0], added[0], added[-1])
        for part in added:
            self.reported.add(id(part))
            self.put(part)
        return None

    def open_block(self, keyword: Token, rest: list[Token], after: Token | None) -> None:
        """`update` at the start of a line, without its `{`."""
        line = [token.type for token in takewhile(lambda token: token.type != "NEWLINE", rest)]
        if rest[0].type in STARTS_LINE and "LBRACE" not in line and (after is None or after.type != "LBRACE"):
            self.diagnostics.append(catalog.incomplete(span_of(keyword), str(keyword), "`{`"))
            end = span_of(keyword).end
            brace = Token("LBRACE", "{", start_pos=end, end_pos=end)
            self.reported.add(id(brace))
            self.unclear = True
            self.put(brace)

    def inside(self) -> str:
        """The keyword before the innermost brace."""
        at = next((i for i, token in enumerate(self.tokens) if self.open and token is self.open[-1]), 0)
        return self.tokens[at - 1].type if at else ""

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
            continues = continues or (token.type == "LBRACE" and last.type in BLOCKS | {"PROBLEM"})
            if pending.type == "SEMICOLON" or not continues:
                self.tokens.append(Token.new_borrow_pos("SEP", ";", pending))
        elif last.type == "RBRACE" and token.type not in ("LPAR", "SEP"):
            self.tokens.append(Token.new_borrow_pos("SEP", "", token))

    def put(self, token: Token) -> None:
        if token.type in OPENERS:
            if token.type == "LBRACE":
                self.close_parentheses(token)
            self.open.append(token)
            if token.type == "LBRACE" and self.is_variant():
                self.variants.add(id(token))
        elif token.type in CLOSERS:
            if token.type == "RBRACE":
                while self.open and OPENERS[self.open[-1].type] != "RBRACE":
                    self.close_open(span_of(token).start)
            if not self.open or OPENERS[self.open[-1].type] != token.type:
                self.unmatched(token)
                return
            self.open.pop()
        self.emit(token)

    def is_variant(self) -> bool:
        """Whether the statement before a brace is `variant B of A`, or one like it."""
        head = list(takewhile(lambda token: token.type not in ("SEP", "LBRACE", "RBRACE"), reversed(self.tokens)))
        return len(self.open) == 1 and bool(head) and (head[-1].type == "VARIANT" or len(head) == 4)

    def unmatched(self, token: Token) -> None:
        """Drop a closer without opener; what else is wrong in its statement follows from that."""
        last = self.tokens[-1] if self.tokens else None
        if last is None or id(last) not in self.reported:
            self.diagnostics.append(catalog.unmatched_close(span_of(token), str(token)))
        if token.type == "RBRACE":
            self.unclear = True
        elif last is not None:
            self.reported.add(id(last))

    def emit(self, token: Token) -> None:
        """Add a token; no SEP stands before the end of a block."""
        if token.type == "RBRACE" and self.tokens and self.tokens[-1].type == "SEP":
            self.tokens.pop()
        self.tokens.append(token)

    def close_parentheses(self, at: Token) -> None:
        while self.in_parentheses():
            self.close_open(span_of(at).start)

    def close_blocks(self, at: Token | None, keyword: Token, inside_variant: bool = False) -> None:
        """A block inside a block, of which only a variant may hold some: the outer one was never closed."""
        while self.open and not (inside_variant and id(self.open[-1]) in self.variants):
            self.close_open(span_of(at or keyword).start, keyword, ANOTHER)

    def close_open(self, offset: int, at: Token | None = None, why: str = "") -> None:
        opener = self.open.pop()
        closer = OPENERS[opener.type]
        if opener.type == "LBRACE":
            self.unclear = True
        if id(opener) not in self.reported:
            notes = ((span_of(at), why),) if at is not None and why and opener.type == "LBRACE" else ()
            self.diagnostics.append(catalog.never_closed(span_of(opener), str(opener), TEXTS[closer], notes))
        if opener.type != "LBRACE":
            self.reported.add(id(opener))
        self.emit(Token(closer, TEXTS[closer], start_pos=offset, end_pos=offset))
