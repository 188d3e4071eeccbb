"""`l2ogen check --fix`: patches applied to a file's tree, the result checked as any file is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from . import pipeline
from .analysis.repair import Patch, repair
from .analysis.report import Report, examine
from .core import ir
from .passes import variants
from .source import Source
from .syntax import tree as t
from .syntax.parser import parse
from .syntax.printer import fmt

BLOCKS = ("problem", "parameters", "state", "update", "safeguard")


def mend(checked: pipeline.Checked, report: Report, limit: float | None = None) -> Patch | None:
    """The patch that makes the verdicts better, or None where none of those that are known does; `limit`: seconds for
    each target of each."""
    library = pipeline.Library(Path(checked.source.name).parent)
    tree = variants.without(checked.parsed.tree)
    if checked.variant is not None:
        tree = variants.apply(checked.parsed.tree, variants.variants(checked.parsed.tree)[checked.variant], [])

    def check(file: t.File) -> Report | None:
        made = pipeline.check(Source(checked.source.name, text(file)), library)
        return examine(made.program, limit) if isinstance(made.program, ir.Algorithm) else None

    return repair(report, tree, apply, check)


def text(file: t.File) -> str:
    """The canonical text of a tree, without the expectations, which a patch outdates."""
    kept = [i for i in file.items if not (isinstance(i, t.Block) and i.keyword == "expect")]
    return fmt(replace(file, items=tuple(kept)), None)


def apply(file: t.File, lines: tuple[str, ...]) -> t.File | None:
    """Lines of a variant replace what they name; whole blocks replace blocks, an empty one leaves out; a safeguard is
    added."""
    name = next(i.name.id for i in file.items if isinstance(i, t.Header))
    if lines[0].partition(" ")[0] in BLOCKS:
        made = parse(Source("<fix>", "\n".join([f"algorithm {name}", *lines])))
        blocks = {i.keyword: i for i in made.tree.items if isinstance(i, t.Block)}
        kept = (blocks.get(i.keyword, i) if isinstance(i, t.Block) else i for i in file.items)
        guards = (i for i in made.tree.items if isinstance(i, t.Safeguard))
        return replace(file, items=(*(i for i in kept if not isinstance(i, t.Block) or i.body), *guards))
    made = parse(Source("<fix>", f"algorithm {name}\nvariant fixed_ of {name} {{\n" + "\n".join(lines) + "\n}"))
    found = variants.variants(made.tree)
    if made.diagnostics or not found:
        return None
    report: list = []
    changed = variants.apply(file, next(iter(found.values())), report)
    return None if report else _ordered(file, changed)


def _ordered(old: t.File, new: t.File) -> t.File:
    """Parameters that became formulas stand last: they may read what is declared below their old place."""
    before = {d for i in old.items if isinstance(i, t.Block) and i.keyword == "parameters" for d in i.body}

    def last(d: t.Node) -> bool:
        return isinstance(d, t.Declaration) and d.kind == "fixed" and d not in before

    items = (
        replace(i, body=tuple(sorted(i.body, key=last))) if isinstance(i, t.Block) and i.keyword == "parameters" else i
        for i in new.items
    )
    return replace(new, items=tuple(items))
