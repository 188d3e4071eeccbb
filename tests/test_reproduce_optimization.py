"""The driver of the reproductions: its arithmetic and what it writes; trainings are not repeated here."""

import json
from pathlib import Path

import pytest
import torch

import l2ogen
from benchmarks.reproduce import optimization as o
from benchmarks.reproduce.common import Lab, Result, Target

CURVES = o.Curves("problems", {
    "L2O-PA": torch.tensor([[4.0, 4.0], [1.0, 3.0], [0.2, 0.2], [1e-8, 3e-8]], dtype=torch.float64),
    "FISTA": torch.tensor([[4.0, 4.0], [2.0, 2.0], [0.1, 0.1], [1e-7, 1e-7]], dtype=torch.float64),
    "worse": torch.tensor([[4.0, 4.0], [2.0, 2.0], [3.0, 2.0], [5.0, float("nan")]], dtype=torch.float64),
})  # fmt: skip


def test_ratios_and_counts() -> None:
    assert CURVES.ratio("L2O-PA", "FISTA") == pytest.approx(2)
    assert CURVES.ratio("L2O-PA", "FISTA", 0.3) == pytest.approx(1)
    assert CURVES.at_most("L2O-PA", 0.2) == 2 and CURVES.at_most("L2O-PA", 1e-9) is None
    assert CURVES.diverged("FISTA") == 0 and CURVES.diverged("worse") == 2
    result = Result()
    pa = CURVES.of["L2O-PA"]
    o.price(result, o.Curves("", CURVES.of | {o.SAFE: pa, o.CERTIFIED: pa[1:], o.P: CURVES.of["worse"]}))
    assert [(row.ours, row.goal, row.reached) for row in result.rows] == [
        (3, None, None), (3, 3.3, True), (2, 3.3, True), (None, None, None), (3, None, None)]  # fmt: skip


def test_test_problems_are_the_same_each_time_and_in_chunks() -> None:
    lasso = l2ogen.load("lasso").compile()
    first, second = (list(o.chunks(lasso, 70, m=3, n=5, sparsity=2)) for _ in range(2))
    assert [len(p.b) for p in first] == [o.CHUNK, 70 - o.CHUNK]
    assert all(torch.equal(p.A, q.A) for p, q in zip(first, second, strict=True))
    assert not torch.equal(first[0].A[0], first[1].A[0])


def test_a_target_writes_numbers_and_the_page(tmp_path: Path) -> None:
    def make(lab: Lab) -> Result:
        result = Result()
        o.tame(result, o.Curves("problems", {**CURVES.of, "ISTA": CURVES.of["FISTA"]}), "L2O-PA")
        o.tabulate(result, CURVES, o.Models(lab, seconds={"L2O-PA": 1.26}))
        result.figure = o.draw([CURVES])
        return result

    Target("bsds", "A title", make).run(Lab(None, tmp_path, tmp_path))
    document = json.loads((tmp_path / "bsds.json").read_text())
    assert [row.get("reached") for row in document["rows"]] == [False, False, True, True, None]
    assert document["curves"]["problems: mean"]["L2O-PA"] == [4, 2, 0.2, 2e-8]
    assert document["curves"]["problems: worst"] == {"L2O-PA": [4, 3, 0.2, 3e-8]}
    page = (tmp_path / "README.md").read_text()
    assert "| FISTA | mean | 2.0e+00 | 0 |" in page and "| L2O-PA | worst | 3.0e+00 |  |" in page
    assert "| training of L2O-PA | 1.26 |" in page and "](bsds.png)" in page
    assert (tmp_path / "bsds.png").stat().st_size < 150_000
