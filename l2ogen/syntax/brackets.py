"""Which bracket was meant: mistyped ones, and blocks that lost their header. Layout asks, for each token in turn."""

from __future__ import annotations

from itertools import pairwise

from lark import Token

BLOCKS = {"NETWORKS", "PARAMETERS", "STATE", "VARIABLE", "UPDATE", "EXPECT", "TRAIN", "SAMPLE"}
"""Keywords whose block never stands inside another, a variant's aside."""
HEADS = BLOCKS | {"PROBLEM", "DATA"}
ENDS = {"NEWLINE", "SEMICOLON"}
OPENERS = {"LPAR": "RPAR", "LBRACE": "RBRACE", "PROX_BRACE": "RBRACE"}
TEXTS = {"LPAR": "(", "LBRACE": "{", "RPAR": ")", "RBRACKET": "]", "RBRACE": "}"}
WRONG = {"LPAR", "RPAR", "LBRACKET", "RBRACKET", "LBRACE", "RBRACE", "LT", "GT", "STRAY", "BARS"}
"""What a finger may have hit instead of a brace."""
STARTS = HEADS | {"ALGORITHM", "STRING", "UNFINISHED", "CURLY", "VARIANT", "SAFEGUARD"}
"""What begins an item of a file."""
FAR = 120
"""How many tokens a look-ahead may take: hostile lines have thousands."""
DECLARED = {"LEARNED", "PREDICTED", "PRECOMPUTED", "FIXED"}


AFTER_VALUE = {
    "NEWLINE", "SEMICOLON", "RPAR", "RBRACE", "COMMA", "COLON", "EQUALS", "PLUS", "STAR", "SLASH", "DOTSTAR",
    "DOTSLASH", "CARET", "DOTCARET", "WITH", "TAIL", "INIT", "WHERE", "PER",
}  # fmt: skip
"""What follows a closing parenthesis, and never an opening one."""


class Brackets:
    """Looks around in the raw tokens of a file; `open` is Layout's stack of open brackets, and changes meanwhile."""

    def __init__(self, tokens: list[Token], open_: list[Token]) -> None:
        self.tokens = [t for t in tokens if t.type != "COMMENT"]
        self.place = {id(t): i for i, t in enumerate(self.tokens)}
        self.open = open_
        self.lowest = self.lowest_depths()
        self.balanced = self.all_match()
        self.excess = sum((t.type in OPENERS) - (t.type in OPENERS.values()) for t in self.tokens)
        """Openers without a closer in the whole file."""
        self.algorithm = any(t.type == "ALGORITHM" for t in self.tokens[:6])

    def all_match(self) -> bool:
        """Whether each bracket has its partner: then none is taken for another one."""
        expected: list[str] = []
        for token in self.tokens:
            if token.type in OPENERS:
                expected.append(OPENERS[token.type])
            elif token.type in OPENERS.values() and (not expected or expected.pop() != token.type):
                return False
        return not expected

    def lowest_depths(self) -> list[int]:
        """For each token, how far below zero the depth of braces falls from there on."""
        found, low = [0] * len(self.tokens), 0
        for i in range(len(self.tokens) - 1, -1, -1):
            kind = self.kind(i)
            low = (kind in ("LBRACE", "PROX_BRACE")) - (kind == "RBRACE") + min(0, low)
            found[i] = low
        return found

    def kind(self, i: int) -> str:
        return self.tokens[i].type if 0 <= i < len(self.tokens) else "NEWLINE"

    def kinds(self, i: int) -> list[str]:
        """The rest of the statement or line from i on, as far as one looks."""
        end = i
        while self.kind(end) not in ENDS and end < i + FAR:
            end += 1
        return [t.type for t in self.tokens[i:end]]

    def starts(self, i: int) -> bool:
        """Whether a statement begins at i."""
        return self.kind(i - 1) in ENDS | {"LBRACE"} or (self.kind(i - 1) == "RBRACE" and not self.parentheses)

    @property
    def parentheses(self) -> bool:
        return bool(self.open) and self.open[-1].type != "LBRACE"

    @property
    def depth(self) -> int:
        return sum(t.type == "LBRACE" for t in self.open)

    def first_in_line(self, i: int) -> bool:
        return self.kind(i - 1) == "NEWLINE"

    def same_line(self, opener: Token, i: int) -> bool:
        return opener.line == self.tokens[i].line

    # -- mistyped brackets
    def meant(self, token: Token) -> str | None:
        """The terminal that was meant by this one; None where it is right, or no bracket."""
        i = self.place[id(token)]
        found = self.guess(i)
        if found is not None:  # so what is asked next about its neighbours is asked of the mended text
            self.tokens[i] = Token.new_borrow_pos(found, TEXTS[found], token)
        return found

    def guess(self, i: int) -> str | None:
        token = self.tokens[i]
        if token.type not in WRONG or (token.type == "STRAY" and token != "|"):
            return None
        if self.balanced:
            return self.square(token)
        if self.ends_header(i):
            return None
        if self.for_closer(i):
            return "RPAR"
        if token.type == "LBRACE":
            if self.closes_block(i) and self.kind(i - 1) != "LBRACE" and self.excess > 0:
                return "RBRACE"
            return None if self.opens_block(i) else "LPAR"
        if self.head_of_block(i) and not self.begins_call(i) and self.kind(i + 1) != "LBRACE":
            return "LBRACE"
        if token.type == "RBRACE":
            return "LPAR" if self.for_opener(i) else "RPAR" if self.closes_parenthesis(i) else None
        if self.for_opener(i):
            return "LPAR"
        if self.closes_block(i):
            return "RBRACE"
        return self.square(token)

    def square(self, token: Token) -> str | None:
        """Square brackets stand for parentheses."""
        return {"LBRACKET": "LPAR", "RBRACKET": "RPAR" if self.parentheses else None}.get(token.type)

    def balance(self, i: int) -> tuple[int, int]:
        """Parentheses open in this statement before i, and closers behind i that close one of them or nothing."""
        begin = i
        while self.kind(begin - 1) not in ENDS | {"LBRACE"} and begin > i - FAR:
            begin -= 1
        before = [t.type for t in self.tokens[begin:i]]
        return _deficit(before[::-1], "RPAR", "LPAR"), _deficit(self.kinds(i + 1), "LPAR", "RPAR")

    def for_opener(self, i: int) -> bool:
        """Whether a `(` was meant: it touches the name before it, and a `)` too many follows."""
        if (
            self.kind(i) == "LPAR"
            or self.kind(i - 1) not in ("NAME", "PROX", "CARET")
            or self.tokens[i - 1].end_pos != self.tokens[i].start_pos
        ):
            return False
        opened, closers = self.balance(i)
        return closers > opened and self.kind(i + 1) not in AFTER_VALUE

    def for_closer(self, i: int) -> bool:
        """Whether a `)` was meant: one is open that nothing closes, and no value follows."""
        if self.kind(i) in ("RPAR", "RBRACE", "BARS") or not self.parentheses or self.kind(i + 1) not in AFTER_VALUE:
            return False
        if self.kind(i) == "GT" and "LT" in (t.type for t in self.tokens[max(0, i - 20) : i]):
            return False
        opened, closers = self.balance(i)
        return opened > closers and not (self.kind(i) == "LPAR" and self.kind(i + 1) == "NEWLINE" and self.excess <= 0)

    def ends_header(self, i: int) -> bool:
        """Whether the brace at i opens the block of `sample (…`, though a `)` is missing."""
        begin = i
        while self.kind(begin - 1) not in ENDS and begin > i - FAR:
            begin -= 1
        return self.kind(i) == "LBRACE" and self.kind(i + 1) == "NEWLINE" and self.kind(begin) == "SAMPLE"

    def head_of_block(self, i: int) -> bool:
        """Whether a block's header stands before i, where only a brace can follow."""
        before = i - 1
        if self.kind(before) == "RPAR":  # sample (m = 20)
            before -= 1
            while self.kind(before) not in ENDS | {"LPAR", "RPAR"}:
                before -= 1
            return self.kind(before) == "LPAR" and self.kind(before - 1) == "SAMPLE" and self.starts(before - 1)
        if self.kind(i - 4) == "VARIANT" and self.kind(i - 2) == "OF":
            return self.starts(i - 4)
        inside = self.depth > 0 and self.kind(before) != "DATA"
        return self.kind(before) in HEADS and self.starts(before) and not (inside and self.kind(i) != "LBRACE")

    def begins_call(self, i: int) -> bool:
        """`sample (m = …)`, or a function called `data`."""
        if self.kind(i) != "LPAR":
            return False
        return self.kind(i - 1) == "SAMPLE" or (
            self.kind(i + 2) == "RPAR" and self.kind(i + 3) in ("COLON", "EQUALS", "NEWLINE")
        )

    def opens_block(self, i: int) -> bool:
        if self.head_of_block(i) or self.starts(i) or self.kind(i - 1) == "STRING":  # load "file" {
            return True
        if self.parentheses or self.unmatched(self.kinds(i + 1), "RPAR"):
            return False
        # a header that is misspelled, or not whole; in a line that goes on after a value it is a parenthesis
        return self.starts(i - 1) or self.depth == 0 or self.kind(i + 1) == "NEWLINE"

    def closes_parenthesis(self, i: int) -> bool:
        """Whether a `}` closes a `(`: more closers follow, or a block that began further above is not over here."""
        if not self.parentheses or self.open[-1].type != "LPAR":
            return False
        block = next((t for t in reversed(self.open) if t.type == "LBRACE"), None)
        if self.unmatched(self.kinds(i + 1), "RPAR", "RBRACE"):
            return True
        return not self.first_in_line(i) and (block is None or not self.same_line(block, i))

    def closes_block(self, i: int) -> bool:
        """A lone bracket on a line, or one that ends a line of a whole block, where only a `}` can stand."""
        if not self.open or self.parentheses:
            return False
        last = self.kind(i + 1) == "NEWLINE"
        if last and self.first_in_line(i):
            return True
        return last and self.same_line(self.open[-1], i) and self.kind(i) != "BARS"

    @staticmethod
    def unmatched(kinds: list[str], *closers: str) -> bool:
        """Whether a closer in the rest of a line closes something before it."""
        depth = 0
        for kind in kinds:
            depth += (kind in OPENERS) - (kind in OPENERS.values())
            if depth < 0:
                return kind in closers
        return False

    # -- lost closers
    def heads(self, token: Token) -> bool:
        """Whether a block begins here that stands inside no other, a variant's aside."""
        i = self.place.get(id(token), -1)
        if self.kind(i) not in BLOCKS | {"PROBLEM"} or not self.starts(i):
            return False
        return self.kind(i + 1) == "LBRACE" or (self.kind(i) == "SAMPLE" and "LBRACE" in self.kinds(i))

    # -- lost headers
    def lost_header(self, token: Token) -> str | None:
        """The keyword of the block to which the lines from here belong, where its header is missing although its `}`
        is there; empty where that can be any."""
        i = self.place[id(token)]
        token = self.tokens[i]
        if self.parentheses or not self.starts(i) or token.type in ENDS | {"RBRACE"}:
            return None
        if token.type == "LBRACE":
            return None if self.below_header(i) or self.kind(i - 1) == "LBRACE" else self.keyword(self.body(i + 1, 0))
        if self.depth + self.lowest[i] >= 0 or self.belongs(i):
            return None
        return self.keyword(self.body(i, self.depth))

    def below_header(self, i: int) -> bool:
        """Whether the brace at i stands on the line below its keyword."""
        before = i - 1
        while before > 0 and self.kind(before) == "NEWLINE":
            before -= 1
        return self.kind(before) in BLOCKS | {"PROBLEM"} and self.starts(before)

    def belongs(self, i: int) -> bool:
        """Whether a statement may begin so where it does."""
        kinds = self.kinds(i)
        if self.depth:
            block = self.open[-1]
            inside = self.kind(self.place.get(id(block), 0) - 1)
            return inside != "PROBLEM" or (kinds[0] != "SHARED" and kinds[1:2] not in (["IN"], ["COMMA"]))
        item = kinds[0] in ("MINIMIZE", "RECOVER") or (kinds[:2] == ["NAME", "LPAR"] and kinds[3:4] == ["RPAR"])
        head = kinds[0] in STARTS and kinds[1:2] not in (["EQUALS"], ["IN"], ["COMMA"], ["TILDE"])
        misspelled = "LBRACE" in kinds[1:]
        return head or misspelled or (item and not self.algorithm)

    def body(self, i: int, depth: int) -> list[Token]:
        """What stands from i on before the `}` that closes nothing."""
        for j in range(i, len(self.tokens)):
            depth += (self.kind(j) in ("LBRACE", "PROX_BRACE")) - (self.kind(j) == "RBRACE")
            if depth < 0:
                return self.tokens[i:j]
        return self.tokens[i:]

    def keyword(self, body: list[Token]) -> str:
        """Whose lines these are, by what is in them."""
        kinds = [t.type for t in body]
        pairs = list(pairwise(kinds))
        if self.depth:
            return "data"
        if "MINIMIZE" in kinds or "RECOVER" in kinds or ("COLON" in kinds and self.algorithm):
            return "problem"
        if DECLARED & set(kinds):
            return "parameters"
        if "TILDE" in kinds:
            return "sample"
        if ("NEXT", "EQUALS") in pairs:
            return "update"
        if "PER" in kinds:
            return "networks"
        if "LOSS" in kinds or any(str(t) in ("on", "optimizer", "steps") for t in body):
            return "train"
        if "IN" in kinds:
            if self.algorithm:
                return "state"
            return "variable" if any(t.type == "DATA" for t in self.tokens) else "data"
        return "expect" if kinds[:2] == ["NAME", "NAME"] else "update"


def _deficit(kinds: list[str], opener: str, closer: str) -> int:
    """How many closers find no opener before them."""
    depth = lowest = 0
    for kind in kinds:
        depth += (kind == opener) - (kind == closer)
        lowest = min(lowest, depth)
    return -lowest
