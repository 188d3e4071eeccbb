"""A real `l2ogen train`, killed at random moments of its life and resumed, against the same run left alone.

    python benchmarks/kill_resume.py [--kills 20] [--seed 0] [--spec l2o_pa]

Each kill is SIGKILL to a new process of the command line at a moment that is uniform over the time that the whole run
takes, its start included; then the run is resumed and left to its end. Ends with exit code 1 if any of the final
weights, optimizer states, random states or metrics differs in a bit.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from safetensors.torch import load_file

OPTIONS = ["--m", "20", "--n", "40", "--steps", "60", "--batch", "16", "--validate", "every = 5, batch = 32", "--quiet"]
MORE = {"l2o_pa": ["--sparsity", "5", "--horizon", "20", "--truncate", "10"], "alista": ["--layers", "8"]}


def command(spec: str, folder: Path, resume: bool) -> list[str]:
    start = [sys.executable, "-m", "l2ogen", "train"]
    if resume:
        return [*start, "-o", str(folder), "--resume", "--quiet"]
    return [*start, spec, "-o", str(folder), *OPTIONS, *MORE.get(spec, [])]


def state(folder: Path) -> tuple[dict[str, torch.Tensor], list[dict[str, object]]]:
    """All tensors of the folder, and the metrics without the wall time."""
    tensors = {f"{name}:{key}": value for name in ("checkpoint", "weights")
               for key, value in load_file(folder / f"{name}.safetensors").items()}
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return tensors, [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


def differences(one: Path, other: Path) -> list[str]:
    (a, lines), (b, others) = state(one), state(other)
    same = {key for key in a.keys() & b.keys() if torch.equal(a[key], b[key])}
    found = sorted((a.keys() | b.keys()) - same)
    found += ["metrics"] if lines != others else []
    return found + [path.name for path in other.glob(".*")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--spec", choices=sorted(MORE), default="l2o_pa")
    given = parser.parse_args()
    chance, wrong = random.Random(given.seed), 0
    with tempfile.TemporaryDirectory() as place:
        whole = Path(place, "whole")
        started = time.perf_counter()
        subprocess.run(command(given.spec, whole, False), check=True, stdout=subprocess.DEVNULL)
        life = time.perf_counter() - started
        total = len((whole / "metrics.jsonl").read_text().splitlines())
        print(f"{given.spec}: {total} steps, {life:.1f} s, {given.kills} kills")
        for number in range(1, given.kills + 1):
            folder, moment = Path(place, f"killed{number}"), chance.uniform(0, life)
            process = subprocess.Popen(command(given.spec, folder, False), stdout=subprocess.DEVNULL)
            try:
                process.wait(moment)
                reached = "after its end"
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                metrics = folder / "metrics.jsonl"
                steps = len(metrics.read_text().splitlines()) if metrics.exists() else 0
                reached = f"in step {steps + 1}" if metrics.exists() else "before its first step"
            # Before the folder is there, nothing is left behind, and the same command starts again.
            subprocess.run(command(given.spec, folder, folder.exists()), check=True, stdout=subprocess.DEVNULL)
            found = differences(whole, folder)
            wrong += bool(found)
            end = ", ".join(found) or "the same bits"
            print(f"{number:3}: killed after {moment:5.2f} s, {reached}: {end}", flush=True)
    print(f"{given.kills - wrong} of {given.kills} end with the same bits")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
