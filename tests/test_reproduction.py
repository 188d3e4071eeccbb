"""The driver of the reproductions end to end at tiny sizes; what is committed in docs/reproduction."""

import json
import math
from dataclasses import fields
from pathlib import Path

import pytest

from benchmarks.reproduce import __main__, recovery  # noqa: F401 (it registers the targets)
from benchmarks.reproduce.common import TARGETS, Lab, Row, page

COMMITTED = Path("docs/reproduction")
RECOVERY = ("alista", "lista", "tilista", "hyperlista", "na_alista", "coupling")


def test_recovery_runs_and_is_not_made_twice(tmp_path: Path) -> None:
    lab = Lab(None, tmp_path / "runs", tmp_path / "out", small=True)
    made = [TARGETS[name].run(lab) for name in ("alista", "tilista", "hyperlista")]
    before = {path: path.read_text() for path in (tmp_path / "runs").glob("*/metrics.jsonl")}
    assert {path.parent.name for path in before} == {"alista", "alista_40", "alista_20", "alista_20_exact", "lista_cpss", "tilista",
                                                         "hyperlista", "hyperlista_30", "hyperlista_whitened", "hyperlista_whitened_30"}
    again = [TARGETS[name].run(lab) for name in ("alista", "tilista", "hyperlista")]
    assert before == {path: path.read_text() for path in before}
    assert [r.rows for r in made] == [r.rows for r in again] and made[0].curves == again[0].curves
    for row in (row for result in made for row in result.rows):
        assert row.ours is not None and math.isfinite(row.ours) and row.reached in (True, False, None)
    curves = made[0].curves["ALISTA"]
    assert set(curves) == {"no noise", "SNR 40 dB", "SNR 20 dB"}
    assert all(len(curve) == 3 and abs(curve[0] or 0) < 1e-5 for curve in curves.values())  # x_0 = 0 is 0 dB, two layers
    assert (tmp_path / "out/README.md").read_text() == page(tmp_path / "out")
    assert (tmp_path / "out/alista.png").stat().st_size > 1000


def test_published_data_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"hyperlista_fixed_A\.npz is needed: name its folder with --data"):
        TARGETS["alista"].run(Lab(tmp_path, tmp_path / "runs", tmp_path / "out"))


def test_another_recipe_does_not_pass_for_a_finished_run(tmp_path: Path) -> None:
    lab = Lab(None, tmp_path, tmp_path, small=True)
    world = recovery.Recovery(lab)
    world.train("run", "alista")
    with pytest.raises(ValueError, match="another spec or other settings"):
        world.train("run", "alista", snr=30.0)


# ---- what is committed -----------------------------------------------------------------------------
FILES = sorted(COMMITTED.glob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_committed_results_say_what_they_are(path: Path) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["target"] == path.stem and document["command"] == f"make reproduce-{path.stem}"
    assert document["title"] == TARGETS[path.stem].title
    known = {each.name for each in fields(Row)}
    assert document["rows"]
    for row in document["rows"]:
        assert set(row) <= known and {"what", "ours"} <= set(row)
        if "goal" in row:
            kept = row.get("note", "").startswith("no step improved")
            assert row["reached"] == (row["ours"] <= row["goal"] and not kept)
    for curves in document["curves"].values():
        for curve in curves.values():
            assert all(value is None or math.isfinite(value) for value in curve)
    picture = path.with_suffix(".png")
    assert not picture.is_file() or picture.stat().st_size < 150_000


def test_the_page_quotes_the_results_exactly() -> None:
    assert (COMMITTED / "README.md").read_text(encoding="utf-8") == page(COMMITTED)


def test_the_results_of_recovery_are_committed() -> None:
    assert {path.stem for path in FILES} >= set(RECOVERY)
