"""Where the grammar and the shipped specs are: beside the package in a checkout, inside it once installed."""

from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def _folder(name: str) -> Path:
    """The shipped folder `name`. Inside first: beside an installed package lie other people's folders."""
    for place in (PACKAGE, PACKAGE.parent):
        if (place / name).is_dir():
            return place / name
    raise FileNotFoundError(f"l2ogen is not completely installed: no {name}/ in {PACKAGE} or beside it")


@cache
def grammar_text() -> str:
    """The grammar of the language, in lark's notation."""
    return (_folder("grammar") / "l2o.lark").read_text(encoding="utf-8")


def specs_folder() -> Path:
    """The folder of the shipped algorithms (*.l2o) and, in problems/, the shipped problem families."""
    return _folder("specs")
