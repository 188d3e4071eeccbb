"""python -m benchmarks.reproduce TARGET: train, evaluate, draw, and write docs/reproduction/TARGET.json."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from . import optimization, recovery, step_size  # noqa: F401 (they register their targets)
from .common import TARGETS, Lab


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m benchmarks.reproduce", description=__doc__)
    options.add_argument("targets", nargs="+", choices=[*TARGETS, "all"], metavar="TARGET", help=", ".join(TARGETS))
    options.add_argument("--data", default=os.environ.get("L2OGEN_DATA"), help="published data [L2OGEN_DATA]")
    options.add_argument("--runs", type=Path, default=Path("runs/reproduce"), help="where trainings are kept")
    options.add_argument("--out", type=Path, default=Path("docs/reproduction"), help="where results are written")
    options.add_argument("--small", action="store_true", help="tiny sizes, to try it out; the numbers mean nothing")
    given = options.parse_args()
    if given.data is not None:
        given.data = Path(given.data)
        os.environ["L2OGEN_DATA"] = str(given.data)  # where `load` in a problem's file looks
    from l2ogen.runtime import RunError

    lab = Lab(given.data, given.runs, given.out, given.small)
    for name in TARGETS if "all" in given.targets else given.targets:
        started = time.perf_counter()
        try:
            made = TARGETS[name].run(lab)
        except (FileNotFoundError, ValueError, RunError) as error:
            print(f"error: {name}: {error}", file=sys.stderr)
            return 1
        for row in made.rows:
            mark = {True: "reached", False: "NOT REACHED", None: ""}[row.reached]
            print(f"{row.what}: {row.ours} {row.unit}, published {row.published}, goal {row.goal} {mark}")
        print(f"{name}: {time.perf_counter() - started:.0f} s; {lab.out / name}.json")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
