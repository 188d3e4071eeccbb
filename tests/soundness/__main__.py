"""python -m tests.soundness --count 2000 --seed 1: the table of verdicts, and every complaint with its rule."""

from __future__ import annotations

import argparse
import time
from collections import Counter

from l2ogen.analysis.report import examine

from .judge import judge
from .rules import rules


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--count", type=int, default=200)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--trials", type=int, default=12)
    options.add_argument("--family", default="")
    options.add_argument("--show", type=int, default=20, help="complaints to print in full")
    given = options.parse_args()
    verdicts: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    wrong = 0
    began = time.time()
    for i, rule in enumerate(rules(given.seed, given.count)):
        if given.family and rule.family != given.family:
            continue
        report = examine(rule.program)
        for t in report.targets:
            verdicts[t.fixed_point.verdict] += 1
            verdicts[f"convergence {t.convergence.verdict}"] += 1
            if t.fixed_point.verdict == "unknown":
                unknown[f"{rule.family}: {t.fixed_point.reason}"] += 1
        complaints = judge(rule.program, given.seed + i, given.trials, report)
        wrong += bool(complaints)
        for c in complaints[: given.show]:
            if wrong <= given.show:
                print(f"--- rule {i}, {rule.damage or 'undamaged'}: {c.claim}\n{rule.text}{c.found}\n", flush=True)
    print(f"{given.count} rules in {time.time() - began:.0f} s: {dict(verdicts)}; {wrong} with complaints")
    for reason, count in unknown.most_common(15):
        print(f"  unknown {count:4d}  {reason}")
    return wrong > 0


if __name__ == "__main__":
    raise SystemExit(main())
