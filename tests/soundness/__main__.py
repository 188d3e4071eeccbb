"""python -m tests.soundness --count 2000 --seed 1: the table of verdicts, what was tested, and every complaint with its
rule. `--json FILE` writes the summary; `--jobs 2` shares the rules among processes and gives the same."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from l2ogen.analysis.report import examine

from .affine import affine
from .judge import Complaint, Tally, judge
from .population import rules
from .rules import Rule

VERDICTS = ("proved", "conditional", "refuted", "unknown")


@dataclass
class Outcome:
    """Of one rule."""

    number: int
    family: str
    affine: bool
    verdicts: list[dict[str, str]] = field(default_factory=list)
    """One for each target: `fixed_point`, `convergence`, `exactness`, and the reason of an unknown fixed point."""
    tests: Counter[str] = field(default_factory=Counter)
    complaints: list[Complaint] = field(default_factory=list)


def outcome(number: int, rule: Rule, seed: int, trials: int) -> Outcome:
    warnings.simplefilter("ignore", RuntimeWarning)  # rules that diverge
    report, tally = examine(rule.program), Tally()
    made = Outcome(number, rule.family, affine(rule.program), tests=tally.counts)
    for t in report.targets:
        found = {"fixed_point": t.fixed_point.verdict, "convergence": t.convergence.verdict}
        made.verdicts.append(found | {"exactness": t.exactness.verdict, "reason": t.fixed_point.reason})
    try:
        made.complaints = judge(rule.program, seed + number, trials, report, tally)
    except Exception:  # the other rules are to be judged all the same
        made.complaints = [Complaint("the judge itself failed", traceback.format_exc(limit=-3))]
    return made


_rules: list[Rule] = []
"""What the processes of `--jobs` inherit."""


def _one(job: tuple[int, int, int]) -> Outcome:
    number, seed, trials = job
    return outcome(number, _rules[number], seed, trials)


def outcomes(drawn: list[Rule], chosen: list[int], seed: int, trials: int, jobs: int) -> Iterator[Outcome]:
    """In the order of the rules, whatever the number of processes is."""
    _rules[:] = drawn
    work = [(i, seed, trials) for i in chosen]
    if jobs == 1:
        yield from map(_one, work)
        return
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        yield from pool.imap(_one, work, chunksize=4)


def summary(found: list[Outcome]) -> dict[str, Any]:
    """Counts of what was said, tested and contradicted."""
    families: dict[str, Counter[str]] = {}
    totals = {name: Counter[str]() for name in ("fixed_point", "convergence", "exactness")}
    of_class, unknown, tests = Counter[str](), Counter[str](), Counter[str]()
    for o in found:
        tests += o.tests
        for v in o.verdicts:
            families.setdefault(o.family, Counter())[v["fixed_point"]] += 1
            for name, counts in totals.items():
                counts[v[name]] += 1
            if o.affine:
                of_class[v["fixed_point"]] += 1
            if v["fixed_point"] == "unknown":
                unknown[f"{o.family}: {v['reason']}"] += 1
    members = max(of_class.total(), 1)
    return {
        "rules": len(found), "targets": totals["fixed_point"].total(), "complaints": sum(len(o.complaints) for o in found),
        **{name: dict(sorted(counts.items())) for name, counts in totals.items()},
        "affine_with_known_prox": {
            "rules": sum(o.affine for o in found), **dict(sorted(of_class.items())),
            "unknown_percent": round(100 * of_class["unknown"] / members, 2),
        },
        "tests": dict(sorted(tests.items())),
        "families": {name: dict(sorted(counts.items())) for name, counts in sorted(families.items())},
        "unknown": dict(unknown.most_common(15)),
    }  # fmt: skip


def text(s: dict[str, Any], seconds: float) -> str:
    lines = [f"{'family':<18}" + "".join(f"{v:>13}" for v in VERDICTS)]
    for name, counts in (*s["families"].items(), ("all", s["fixed_point"])):
        lines.append(f"{name:<18}" + "".join(f"{counts.get(v, 0):>13}" for v in VERDICTS))
    lines.append(f"{'share':<18}" + "".join(f"{100 * s['fixed_point'].get(v, 0) / s['targets']:>12.1f}%" for v in VERDICTS))
    lines += [f"{name}: {s[name]}" for name in ("convergence", "exactness")]
    lines += [f"  tested {count:5d}  {what}" for what, count in s["tests"].items()]
    lines += [f"  unknown {count:4d}  {reason}" for reason, count in s["unknown"].items()]
    c = s["affine_with_known_prox"]
    lines.append(
        f"{s['rules']} rules, {s['targets']} targets in {seconds:.0f} s: {s['complaints']} complaints; {c['rules']} affine "
        f"rules with known prox, fixed point unknown for {c['unknown_percent']} % of their targets; sufficiency of "
        f"conditions tested {s['tests'].get('sufficient', 0)} times, not tested {s['tests'].get('sufficient, not tested', 0)}"
    )
    return "\n".join(lines)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--count", type=int, default=200)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--trials", type=int, default=12)
    options.add_argument("--family", default="", help="only rules of this family")
    options.add_argument("--only", default="", help="only these numbers: 3,17")
    options.add_argument("--jobs", type=int, default=1)
    options.add_argument("--show", type=int, default=20, help="complaints to print in full")
    options.add_argument("--json", type=Path, metavar="FILE")
    given = options.parse_args()
    began, drawn, found, shown = time.time(), rules(given.seed, given.count), [], 0
    only = {int(i) for i in given.only.split(",") if i}
    chosen = [i for i, r in enumerate(drawn) if given.family in ("", r.family) and (not only or i in only)]
    for o in outcomes(drawn, chosen, given.seed, given.trials, given.jobs):
        found.append(o)
        for c in o.complaints:
            shown += 1
            if shown <= given.show:
                rule = drawn[o.number]
                print(f"--- rule {o.number}, {rule.damage or 'undamaged'}: {c.claim}\n{rule.text}{c.found}\n", flush=True)
    made = summary(found)
    print(text(made, time.time() - began))
    if given.json is not None:
        run = {"command": f"python -m tests.soundness --count {given.count} --seed {given.seed} --trials {given.trials}"}
        given.json.write_text(json.dumps(run | made, indent=1) + "\n", "utf-8")
    return made["complaints"] > 0


if __name__ == "__main__":
    sys.exit(main())
