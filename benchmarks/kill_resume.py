"""A real `l2ogen train`, killed at random moments of its life and resumed, against the same run left alone.

    python benchmarks/kill_resume.py [--kills 20] [--seed 0] [--spec l2o_pa]

Each kill is SIGKILL to a new process of the command line, after a number of steps that is uniform over the whole run
and a moment more; then the run is resumed and left to its end. Ends with exit code 1 if any of the final weights,
optimizer states, random states or metrics differs in a bit.
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


def written(folder: Path) -> int:
    """Steps of which the metrics are on file."""
    metrics = folder / "metrics.jsonl"
    return metrics.read_text().count("\n") if metrics.exists() else 0


def kill(words: list[str], folder: Path, goal: int, delay: float) -> str:
    """Start a run, and kill it so much after a number of steps; how far it came."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    while process.poll() is None and written(folder) < goal:
        time.sleep(0.002)
    time.sleep(delay)
    process.kill()
    return f"in step {written(folder) + 1}" if process.wait() < 0 else "at its end"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--spec", choices=sorted(MORE), default="l2o_pa")
    given = parser.parse_args()
    chance, wrong = random.Random(given.seed), 0
    with tempfile.TemporaryDirectory() as place:
        whole = Path(place, "whole")
        subprocess.run(command(given.spec, whole, False), check=True, stdout=subprocess.DEVNULL)
        total = written(whole)
        step = json.loads((whole / "metrics.jsonl").read_text().splitlines()[-1])["seconds"] / total
        print(f"{given.spec}: {total} steps, {given.kills} kills")
        for number in range(1, given.kills + 1):
            folder, goal = Path(place, f"killed{number}"), chance.randrange(total)
            reached = kill(command(given.spec, folder, False), folder, goal, chance.uniform(0, 2 * step))
            # Before the folder is there, nothing is left behind, and the same command starts again.
            subprocess.run(command(given.spec, folder, folder.exists()), check=True, stdout=subprocess.DEVNULL)
            found = differences(whole, folder)
            wrong += bool(found)
            print(f"{number:3}: killed {reached}: {', '.join(found) or 'the same bits'}", flush=True)
    print(f"{given.kills - wrong} of {given.kills} end with the same bits")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
