"""Settings as text, as a spec and a command line write them: `step(every = 100, factor = 0.5)` -> a Phrase."""
from __future__ import annotations

import ast
import difflib
from collections.abc import Iterable
from typing import Any

from l2ogen import vocabulary as v


def suggestion(name: str, known: Iterable[str]) -> str:
    """" (did you mean ...?)", or the choices where nothing is near."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {near[0]!r}?)" if near else f" (there is {', '.join(known)})"


def phrase(setting: str, value: Any) -> Any:
    """A Phrase, or a tuple of them for a list such as `schedule`, from itself or its text. Raises ValueError."""
    if isinstance(value, v.Phrase) or (isinstance(value, tuple) and all(isinstance(p, v.Phrase) for p in value)):
        return value
    if not isinstance(value, str):
        raise ValueError(f"`{setting}` must be text, not {value!r}")
    text = value.strip()
    if list(v.FORMS[setting]) == [setting] and not text.startswith(setting):
        text = setting + (text if text.startswith("(") else f"({text})")    # every = 20, batch = 256
    try:
        tree = ast.parse(text, mode="eval").body
        nodes = tree.elts if isinstance(tree, ast.Tuple) else [tree]
        found = tuple(_phrase(setting, value, *_parts(node)) for node in nodes)
    except (SyntaxError, _Unread):
        raise ValueError(f"`{setting}` cannot be {value!r}: it takes {v.wanted(setting)}") from None
    if setting in v.LISTS:
        return found
    if len(found) != 1:
        raise ValueError(f"`{setting}` takes one value, not {value!r}")
    return found[0]


class _Unread(Exception):
    """Text that is no phrase"""


def _phrase(setting: str, text: str, word: str, items: list[v.Item]) -> v.Phrase:
    found, mistakes = v.read(setting, word, items)
    if found is None:
        m = mistakes[0]
        if m.known and m.at is None:
            raise ValueError(f"`{setting}` cannot be {word!r}{suggestion(word, m.known)}")
        if m.known:
            raise ValueError(f"`{word}` has no option `{m.name}`{suggestion(m.name, m.known)}")
        raise ValueError(f"`{m.name}` takes {m.wanted}; `{setting}` was {text!r}")
    return found


def _parts(node: ast.expr) -> tuple[str, list[v.Item]]:
    """The word and what stands in its parentheses"""
    match node:
        case ast.Name(word):
            return word, []
        case ast.Call(ast.Name(word), arguments, keywords):
            items: list[v.Item] = [_positional(each) for each in arguments]
            return word, items + [(each.arg or "", _literal(each.value)) for each in keywords]
    raise _Unread


def _positional(node: ast.expr) -> v.Item:
    match node:
        case ast.Compare(ast.Name(name), [ast.In()], [ast.List([low, high])]):
            ends = _literal(low), _literal(high)
            if not all(isinstance(end, int | float) for end in ends):
                raise _Unread
            return v.Range(name, float(ends[0]), float(ends[1]))    # type: ignore[arg-type]
    return "", _literal(node)


def _literal(node: ast.expr) -> object:
    match node:
        case ast.Constant(int() | float() as number):
            return number
        case ast.UnaryOp(ast.USub(), ast.Constant(int() | float() as number)):
            return -number
        case ast.Name(word):
            return word
        case ast.Tuple(several):
            return tuple(map(_literal, several))
    raise _Unread
