"""A variant applied to its base: tree -> tree, every line of the variant in the place of what it replaces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..diagnostics import Diagnostic, catalog, nearest
from ..syntax import tree as t

Body = tuple[t.Node, ...]


def variants(file: t.File) -> dict[str, t.Variant]:
    """The variants of a file by name; of two with one name the first."""
    found: dict[str, t.Variant] = {}
    for item in file.items:
        if isinstance(item, t.Variant):
            found.setdefault(item.name.id, item)
    return found


def check(file: t.File, report: list[Diagnostic]) -> None:
    """Names of variants: each once, each of the algorithm above."""
    header = next((i for i in file.items if isinstance(i, t.Header)), None)
    seen: dict[str, t.Name] = {}
    for item in file.items:
        if not isinstance(item, t.Variant):
            continue
        if header is not None and header.kind == "problem":
            report.append(catalog.misplaced_part(item.span, "a variant", "a problem", "an algorithm file"))
            continue
        if header is not None and item.base.id != header.name.id:
            report.append(catalog.variant_of_another(item.base.span, item.base.id, header.name.id, header.name.span))
        first = seen.setdefault(item.name.id, item.name)
        if first is not item.name:
            report.append(catalog.duplicate_name(item.name.span, item.name.id, first.span))


def without(file: t.File) -> t.File:
    """The algorithm alone."""
    return replace(file, items=tuple(i for i in file.items if not isinstance(i, t.Variant)))


def apply(file: t.File, variant: t.Variant, report: list[Diagnostic]) -> t.File:
    """The algorithm as the variant has it; lines that replace nothing are reported."""
    return _Applied(without(file), report).run(variant)


class _Applied:
    def __init__(self, file: t.File, report: list[Diagnostic]) -> None:
        self.items = list(file.items)
        self.file, self.report = file, report

    def run(self, variant: t.Variant) -> t.File:
        for item in variant.body:
            match item:
                case t.Doc():
                    self.put(item, lambda i: isinstance(i, t.Doc), after=t.Header)
                case t.Safeguard():
                    self.put(item, lambda i: isinstance(i, t.Safeguard), after=t.Node)
                case t.Block():
                    self.block(item)
                case t.Declaration():
                    self.declaration(item)
                case t.Amendment():
                    self.amendment(item)
                case t.Network():
                    self.network(item)
                case t.Assignment():
                    self.assignment(item)
                case _:
                    self.items.append(item)
        return replace(self.file, items=tuple(self.items))

    def put(self, new: t.Node, old: Callable[[t.Node], bool], after: type) -> None:
        """In the place of the first such item, or behind the last one of a kind."""
        for i, item in enumerate(self.items):
            if old(item):
                self.items[i] = new
                return
        last = max(i for i, item in enumerate(self.items) if isinstance(item, after))
        self.items.insert(last + 1, new)

    def body(self, keyword: str) -> Body:
        return next((i.body for i in self.items if isinstance(i, t.Block) and i.keyword == keyword), ())

    def put_body(self, keyword: str, body: Body) -> None:
        for i, item in enumerate(self.items):
            if isinstance(item, t.Block) and item.keyword == keyword:
                self.items[i] = replace(item, body=body)
                return
        self.items.append(t.Block(keyword, body, span=body[0].span, keyword_span=body[0].span))

    # -- blocks
    def block(self, block: t.Block) -> None:
        """Merged line by line into the base's block of that name; a `problem` is replaced as a whole."""
        if block.keyword == "problem" or not self.body(block.keyword):
            self.put(block, lambda i: isinstance(i, t.Block) and i.keyword == block.keyword, after=t.Node)
            return
        for part in block.body:
            match part:
                case t.Declaration() if block.keyword == "parameters":
                    self.declaration(part)
                case t.Declaration():
                    self.remove({n.id for n in part.names}, block.keyword)
                    self.put_body(block.keyword, (*self.body(block.keyword), part))
                case t.Assignment():
                    self.line(part)
                case _:
                    self.merge(block.keyword, part)

    def merge(self, keyword: str, part: t.Node) -> None:
        """A setting, an expectation or a network in the place of that of the same name."""
        name = _called(part)
        body = list(self.body(keyword))
        for i, old in enumerate(body):
            if _called(old) == name:
                body[i] = part
                break
        else:
            clash = {"layers": "horizon", "horizon": "layers"}.get(name)
            body = [old for old in body if _called(old) != clash] + [part]
        self.put_body(keyword, tuple(body))

    # -- declarations
    def remove(self, names: set[str], keyword: str = "parameters") -> None:
        """Take names, and the facts about them alone, out of the declarations of a block."""
        kept: list[t.Node] = []
        for item in self.body(keyword):
            if not isinstance(item, t.Declaration) or not names & {n.id for n in item.names}:
                kept.append(item)
                continue
            groups = tuple(
                replace(g, names=left) for g in item.groups if (left := tuple(n for n in g.names if n.id not in names))
            )
            if groups:
                facts = tuple(f for f in item.facts if not _mentions(f.relation, names))
                kept.append(replace(item, groups=groups, facts=facts))
        self.put_body(keyword, tuple(kept))

    def declaration(self, d: t.Declaration) -> None:
        self.remove({n.id for n in d.names})
        self.put_body("parameters", (*self.body("parameters"), d))

    def base(self, name: str) -> tuple[t.Declaration, t.Group] | None:
        """Where the base declares a parameter."""
        for item in self.body("parameters"):
            if isinstance(item, t.Declaration):
                for group in item.groups:
                    if name in {n.id for n in group.names}:
                        return item, group
        return None

    def amendment(self, a: t.Amendment) -> None:
        """`P with 0 < P < 1/L`: other facts, or another tail, for one name; the rest of its declaration stays."""
        found = self.base(a.name.id)
        if found is None:
            self.unknown(a.name)
            return
        d = found[0]
        facts = d.facts
        if a.facts:
            facts = (*(f for f in d.facts if not _mentions(f.relation, {a.name.id})), *a.facts)
        new = replace(d, facts=facts, tail=a.tail or d.tail)
        self.put_body("parameters", tuple(new if item is d else item for item in self.body("parameters")))

    def network(self, n: t.Network) -> None:
        if not any(_called(old) == n.name.id for old in self.body("networks")):
            self.unknown(n.name)
            return
        self.merge("networks", n)

    def unknown(self, name: t.Name) -> None:
        known = [n.id for item in self.body("parameters") if isinstance(item, t.Declaration) for n in item.names]
        known += [_called(n) for n in self.body("networks")]
        known += [x.id for s in self.body("update") if isinstance(s, t.Assignment) for x in s.targets]
        help = "a variant replaces what the algorithm declares or computes"
        self.report.append(catalog.unknown_name(name.span, name.text, nearest(name.id, known), help))

    # -- lines of `update`, and `name = formula`
    def assignment(self, s: t.Assignment) -> None:
        one = s.targets[0] if len(s.targets) == 1 else None
        if one is not None and not one.next and s.implicit is None:
            if any(_called(old) == one.id for old in self.body("networks")):
                call = s.value
                if isinstance(call, t.Call):
                    self.network(t.Network(one, call.fn, call.args, False, span=s.span))
                else:
                    self.report.append(
                        catalog.bad_setting(s.value.span, one.id, "a network, such as `mlp(hidden = 32)`")
                    )
                return
            found = self.base(one.id)
            if found is not None:
                group = t.Group((one,), found[1].space, span=one.span)
                value = t.Value("=", s.value, span=s.value.span)
                d = t.Declaration("fixed", (group,), value, span=s.span)
                self.remove({one.id})
                self.put_body("parameters", _placed(self.body("parameters"), d, s.value))
                return
        self.line(s)

    def line(self, s: t.Assignment) -> None:
        """In the place of the line that computes the same names."""
        targets = {x.text for x in s.targets}
        body = list(self.body("update"))
        for i, old in enumerate(body):
            if isinstance(old, t.Assignment) and targets & {x.text for x in old.targets}:
                body[i] = s
                self.put_body("update", tuple(body))
                return
        self.unknown(s.targets[0])


def _placed(body: Body, d: t.Declaration, value: t.Expr) -> Body:
    """The declarations with a new one behind the last that its formula names."""
    named = {n.id for n in t.walk(value) if isinstance(n, t.Name)}
    above = [i for i, b in enumerate(body) if isinstance(b, t.Declaration) and named & {n.id for n in b.names}]
    place = max(above, default=-1) + 1
    return (*body[:place], d, *body[place:])


def _called(node: t.Node) -> str:
    """What a line of a block is about."""
    match node:
        case t.Setting() | t.Network():
            return node.name.id
        case t.Loss():
            return "loss"
        case t.Expectation():
            return node.claim.id
    return ""


def _mentions(e: t.Node, names: set[str]) -> bool:
    return any(isinstance(n, t.Name) and n.id in names for n in t.walk(e))
