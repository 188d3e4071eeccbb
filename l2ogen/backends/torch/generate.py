"""A typed program -> the text of a torch module (and of its training loop), through the templates."""

from __future__ import annotations

import ast
import re
from functools import cache
from hashlib import sha256
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ...core import ir
from ...passes.bind import needs
from .algorithm import algorithm_context
from .names import TEMPLATES, classes, helper_texts
from .problem import ALL, EVALUATED, problem_context
from .training import training_context


@cache
def environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True,
    )  # fmt: skip
    made.filters |= {"suffix": lambda text, end: text + end, "prefix": lambda text, start: start + text}
    return made


def helpers(used: set[str]) -> list[str]:
    """The texts of the used helpers and of those that they call, in the order of the helpers' file."""
    texts = helper_texts()
    wanted, new = set(), used & texts.keys()
    while new:
        wanted |= new
        new = {
            name for text in map(texts.get, new) for name in re.findall(r"\w+(?=\()", text or "")
        } & texts.keys() - wanted
    return [text for name, text in texts.items() if name in wanted]


def files(program: ir.Algorithm | ir.Problem, stem: str) -> dict[str, str]:
    """File name -> text: the module, and beside it the training loop where there is something to train."""
    texts = {f"{stem}.py": _module(program)}
    loop = _training(program, stem) if isinstance(program, ir.Algorithm) else None
    if loop is not None:
        texts[f"{stem}_train.py"] = loop
    return {name: stamp(text) for name, text in texts.items()}


def stamp(text: str) -> str:
    """The text under a line with its own checksum, by which an edited file is told from an untouched one."""
    checksum = sha256(text.encode()).hexdigest()[:12]
    return f"# l2ogen {checksum} is the checksum of the lines below; an edited file is not overwritten.\n{text}"


def untouched(text: str) -> bool:
    """Whether a file is still what the compiler wrote."""
    first, _, rest = text.partition("\n")
    return first + "\n" == stamp(rest).partition("\n")[0] + "\n"


def _module(program: ir.Algorithm | ir.Problem) -> str:
    """The algorithm with the problem it trains on, or a problem alone."""
    bound = program if isinstance(program, ir.Problem) else program.training.problem
    used: set[str] = set()
    problem = algorithm = None
    if bound is not None:
        asked = ALL if isinstance(program, ir.Problem) else EVALUATED | needs(program)
        problem, problem_helpers = problem_context(bound, asked)
        used |= problem_helpers
    if isinstance(program, ir.Algorithm):
        algorithm, algorithm_helpers = algorithm_context(program)
        used |= algorithm_helpers
        if problem is not None:
            problem["class_name"] = classes(program)["problem"]
    template = environment().get_template("module.py.jinja")
    context = {"helpers": helpers(used), "problem": problem, "algorithm": algorithm, **_origin(program)}
    text = template.render(import_torch=True, **context)
    return text if _reads("torch", text) else template.render(import_torch=False, **context)


def _reads(name: str, text: str) -> bool:
    """Whether the code of a module reads a name; its comments and texts do not count."""
    return any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(ast.parse(text)))


def _origin(program: ir.Algorithm | ir.Problem) -> dict[str, str]:
    return {"source": Path(program.source.name).name, "hash": program.source.sha}


def _training(program: ir.Algorithm, stem: str) -> str | None:
    found = training_context(program)
    if found is None:
        return None
    context, used = found
    template = environment().get_template("train.py.jinja")
    return template.render(module=stem, loss_helpers=helpers(used), **context, **_origin(program))
