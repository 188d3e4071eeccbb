r"""Names as papers write them: `theta_k` is \theta_k, `W1_k` is W_{1,k}, `x_true` is x_{\mathrm{true}}.

What changes from one iteration to the next carries the iteration as its last index, as parameters of a layer do:
of a state `x`, the old value is x_k, the new one x_{k+1}, the first one x_0.
"""

from __future__ import annotations

from ...syntax import tree as t
from .settings import LETTERS


class Names:
    def __init__(self, file: t.File) -> None:
        self.changing: dict[str, str] = {}
        """Name -> its index in a line of the update: `k`, or `k+1` for a subgradient at the next iterate."""
        self.symmetric: set[str] = set()
        self.odd: set[str] = set()
        """Names that would look like another: `lam` beside `lambda`, `x1` beside `x_1`. They are written out."""
        self._find(file)
        seen: dict[str, str] = {}
        names = [n.id for n in t.walk(file) if isinstance(n, t.Name)]
        self.odd = {id for id in names if seen.setdefault(self.symbol(id, self.changing.get(id, "")), id) != id}

    def _find(self, file: t.File) -> None:
        lines: list[t.Assignment] = []
        declared: set[str] = set()
        for node in t.walk(file):
            match node:
                case t.Block(keyword="state"):
                    names = [name.id for d in node.body if isinstance(d, t.Declaration) for name in d.names]
                    self.changing |= dict.fromkeys(names, "k")
                case t.Declaration(kind="predicted"):
                    self.changing |= dict.fromkeys([name.id for name in node.names], "k")
                case t.Assignment():
                    lines.append(node)
                    if node.implicit is not None:
                        self.changing[node.implicit[0].id] = "k+1"
                case t.Group():
                    declared |= {name.id for name in node.names}
                    if node.space.name == "sym":
                        self.symmetric |= {name.id for name in node.names}
        waiting = [s for s in lines if not {x.id for x in s.targets} & declared]
        while found := [s for s in waiting if self._changes(s.value)]:  # lets of lets
            self.changing |= {x.id: "k" for s in found for x in s.targets if x.id not in self.changing}
            waiting = [s for s in waiting if s not in found]

    def _changes(self, value: t.Expr) -> bool:
        names = {n.id for n in t.walk(value) if isinstance(n, t.Name)}
        return any(n == "k" or n.endswith("_k") or n in self.changing for n in names)

    def name(self, name: t.Name) -> str:
        """A name in a line of the update."""
        return self.symbol(name.id, "k+1" if name.next else self.changing.get(name.id, ""))

    def symbol(self, id: str, index: str = "") -> str:
        """A name with this index; of a name in `_k`, the index is k unless given."""
        first, *rest = [part for part in id.split("_") if part]
        if rest and rest[-1] == "k":
            rest.pop()
            index = index or "k"
        letters = first.rstrip("0123456789")
        base, marks = _word(letters), [first[len(letters) :], *map(_word, rest), index]
        if id in self.odd:
            base, marks = rf"\mathrm{{{id}}}".replace("_", r"\_"), [index]
        joined = ",".join(filter(None, marks))
        return base + ("" if not joined else f"_{joined}" if len(joined) == 1 else f"_{{{joined}}}")


def _word(part: str) -> str:
    """A Greek letter, one letter or a number as it is, a word upright."""
    return LETTERS.get(part) or (part if len(part) == 1 or part.isdigit() else rf"\mathrm{{{part}}}")
