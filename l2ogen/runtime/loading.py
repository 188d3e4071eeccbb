"""Generated code, loaded from its folder without leaving a trace in sys.path or sys.modules."""
from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

TRAIN = "_train"    # l2o_pa.py is trained by l2o_pa_train.py


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Inside, `import l2o_pa` finds the file in `folder`, whatever else has that name; afterwards not."""
    names = {path.stem for path in folder.glob("*.py")}
    hidden = {name: sys.modules.pop(name) for name in names & sys.modules.keys()}
    path, bytecode = list(sys.path), sys.dont_write_bytecode
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True      # no __pycache__ in other people's folders
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:], sys.dont_write_bytecode = path, bytecode
        for name in names:
            sys.modules.pop(name, None)
        sys.modules.update(hidden)


def load_module(file: Path | str) -> ModuleType:
    """The module in `file`. It may import its neighbours, as l2o_pa_train.py imports l2o_pa.

    Raises FileNotFoundError when there is no such file.
    """
    file = Path(file).resolve()
    if not file.is_file():
        raise FileNotFoundError(f"no generated module {file}")
    with _importable(file.parent):
        return importlib.import_module(file.stem)


def training_file(place: Path | str) -> Path:
    """The training loop at `place`: the file itself, or the one *_train.py of a folder."""
    place = Path(place)
    if place.is_file():
        return place
    found = sorted(place.glob(f"*{TRAIN}.py"))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise FileNotFoundError(f"one file *{TRAIN}.py is expected in {place}; found: {names}")
    return found[0]


def module_file(training: Path) -> Path:
    """l2o_pa.py of l2o_pa_train.py"""
    return training.with_name(training.stem.removesuffix(TRAIN) + ".py")
