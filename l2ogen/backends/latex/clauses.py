"""Statements as clauses of a sentence, with their formulas inside."""

from __future__ import annotations

from collections.abc import Iterable

from ...syntax import tree as t
from ...syntax.printer import show
from .formulas import Formulas
from .settings import CELLS, escape, prose


def listed(words: Iterable[str]) -> str:
    return ", ".join(word for word in words if word)


class Clauses:
    def __init__(self, running: Formulas) -> None:
        self.running = running.small
        """Formulas about iterates."""
        self.still = running.at_rest.small
        """Formulas about the problem, where `x` is a point."""

    def body(self, nodes: Iterable[t.Node], block: str = "") -> str:
        return "; ".join(self.clause(node, block) for node in nodes)

    def clause(self, node: t.Node, block: str = "") -> str:
        """`block`: the keyword of the block in which the statement stands. What is not mathematics is shown as it is
        written in the file."""
        match node:
            case t.Declaration() if block == "state":
                return self.state(node)
            case t.Declaration():
                return self.declaration(node, self.still if block == "data" else self.running)
            case t.Amendment():
                start = f"${self.running.name(node.name)}$"
                facts = f"{start} with {self.facts(node.facts, self.running)}" if node.facts else ""
                return listed((facts or start, self.tail(node.tail)))
            case t.FunctionDeclaration():
                name, variable = self.still.name(node.name), node.variable.id
                return f"${name}$ is {' and '.join(self.property(p, variable) for p in node.properties)}"
            case t.Network():
                return self.network(node)
            case t.Assignment():
                left, right, where = self.line(node, self.running)
                return f"${left} {right}$" + f", where ${where}$" * bool(where)
            case t.Expectation():
                return f"{node.claim.id.replace('_', ' ')} {node.verdict.id}"
            case t.Loss(over=None):
                return f"loss ${self.still(node.term)}$ of the last iterate"
            case t.Loss():
                over = f"{node.reduction} over ${node.over.id}$ of " if node.over else ""
                return f"loss {over}${self.running(node.term)}$"
            case t.Block(keyword="expect"):
                return f"expected: {self.body(node.body)}"
            case t.Block(keyword="train"):
                return f"training: {self.body(node.body)}"
            case t.Block():
                return self.body(node.body, node.keyword)
            case t.Variant():
                return rf"\textbf{{{escape(node.name.id)}}}: {self.body(node.body)}"
            case t.Safeguard():
                return rf"safeguard: \texttt{{{escape(show(node.method))}}}"
            case t.Doc():
                return prose(node.text.rstrip("."))
        return rf"\texttt{{{escape(show(node))}}}"

    # -- declarations
    def declaration(self, d: t.Declaration, formulas: Formulas) -> str:
        names = [formulas.name(name) for name in d.names]
        together = d.kind == "predicted" and len(names) > 1  # one network call for all of them
        value = f" = {formulas(d.value.expr)}" if d.value is not None else ""
        if value and d.value and d.value.word == "=" and not together:
            parts = [self.equal(names, value, d.groups[0].space)]
        else:
            parts = [f"${listed(map(formulas.name, g.names))} \\in {self.space(g.space)}$" for g in d.groups]
            left = f"({listed(names)})" if together else " = ".join(names)
            parts.append(("" if together else "initially ") + f"${left}{value}$" if value else "")
        parts.append(f"with {self.facts(d.facts, formulas)}" if d.facts else "")
        return f"{d.kind} " * (d.kind is not None) + listed((*parts, self.tail(d.tail)))

    def state(self, d: t.Declaration) -> str:
        """The value at the first iteration."""
        value = f" = {self.still(d.value.expr)}" if d.value is not None else ""
        symbol = self.running.names.symbol
        return listed(self.equal([symbol(n.id, "0") for n in g.names], value, g.space) for g in d.groups)

    def equal(self, names: list[str], value: str, space: t.Space) -> str:
        """`x_0 = y_0 = 0 \\in R^n`; without a value `x_0, y_0 \\in R^n`."""
        return f"${(' = ' if value else ', ').join(names)}{value} \\in {self.space(space)}$"

    def space(self, s: t.Space) -> str:
        sizes = r" \times ".join(map(self.still, s.sizes))
        if s.name == "R":
            return r"\mathbb{R}" + f"^{{{sizes}}}" * bool(sizes)
        return rf"\mathbb{{S}}^{{{sizes}}}" if s.name == "sym" else rf"\operatorname{{{s.name}}}({sizes})"

    def facts(self, facts: tuple[t.Fact, ...], formulas: Formulas) -> str:
        return listed(self.fact(fact, formulas) for fact in facts)

    def fact(self, f: t.Fact, formulas: Formulas) -> str:
        subject = formulas(f.relation)
        if f.limit is None:
            return f"${subject}$"
        envelope = f", $|{subject}| \\leq {formulas(f.envelope)}$" if f.envelope is not None else ""
        return rf"${subject} \to {formulas(f.limit)}${envelope}"

    def tail(self, tail: t.Tail | None) -> str:
        if tail is None:
            return ""
        if tail.formula is None:
            return "the last one repeated after the last layer"
        word = isinstance(tail.formula, t.Name) and tail.formula.id == "none"
        return ("none" if word else f"${self.running(tail.formula)}$") + " after the last layer"

    def property(self, p: t.Call, variable: str) -> str:
        """`smooth(L)` is L-smooth; `sparse(x)`, of x itself, sparse."""
        word = p.fn.id.replace("_", " ")
        if not p.args or p.args == (t.Name(variable),):
            return word
        return f"${', '.join(map(self.still, p.args))}$-{word}"

    def network(self, n: t.Network) -> str:
        cell = CELLS.get(n.cell.id, rf"\texttt{{{escape(n.cell.id)}}}")
        options = f" ({escape(listed(map(show, n.options)))})" if n.options else ""
        shared = ", the same for every coordinate" if n.per_coordinate else ""
        return f"${self.running.name(n.name)}$ is {cell}{options}{shared}"

    def line(self, s: t.Assignment, formulas: Formulas) -> tuple[str, str, str]:
        """The two sides of an assignment, the second with its relation, and what stands after `where`."""
        left = listed(map(formulas.name, s.targets))
        any_of = isinstance(s.value, t.Apply) and s.value.op.id == "subgrad"
        right = (r"\in " if any_of else "= ") + formulas(s.value)
        where = rf"{formulas.name(s.implicit[0])} \in {formulas(s.implicit[1])}" if s.implicit else ""
        return f"({left})" if len(s.targets) > 1 else left, right, where
