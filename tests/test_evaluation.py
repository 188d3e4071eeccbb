"""`l2ogen eval`: curves, time to accuracy, problems by name and changed by --set, what is written, what is refused."""
from __future__ import annotations

import csv
import io
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from torch import nn

import l2ogen
from l2ogen import compare
from l2ogen.cli import main
from l2ogen.compare import instances
from l2ogen.compare.contestants import gather
from l2ogen.runtime import Curve, batches, evaluate, evaluate_recovery, plot_comparisons
from l2ogen.runtime.curves import Comparison
from l2ogen.runtime.evaluation import smoothed
from l2ogen.runtime.plots import drawn

SIZES = ("--set", "m=20,n=40,sparsity=5")
QUICK = ("--instances", "4", "--iterations", "30")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("L2OGEN_DATA", raising=False)


def flat(text: str) -> str:
    """Without the line breaks of a narrow table"""
    return " ".join(text.split())


def run(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "120"}).invoke(main, ["eval", *arguments])


def refused(*arguments: str, code: int = 1) -> str:
    """The message of a command that fails, in one line and without a traceback."""
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert isinstance(result.exception, SystemExit), result.exception
    return flat(result.stderr)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """runs/ with pa, small and large (of two sizes), and a file without weights"""
    folder = tmp_path_factory.mktemp("runs")
    little: dict[str, Any] = {"quiet": True, "steps": 2, "batch": 2, "validate_every": 1, "validate_batch": 2}
    pa: dict[str, Any] = {"m": 6, "n": 10, "sparsity": 2, "horizon": 4, "truncate": 2}
    l2ogen.load("l2o_pa").train(folder / "pa", **little, **pa)
    for name, n in (("small", 10), ("large", 12)):
        l2ogen.load("lista_cp").train(folder / name, **little, m=6, n=n, layers=3)
    return folder


# ---- curves --------------------------------------------------------------------------------------
def curve(*means: float, elapsed: list[float] | None = None) -> Curve:
    values = torch.tensor(means, dtype=torch.float64).unsqueeze(-1).repeat(1, 4)
    time = None if elapsed is None else torch.tensor(elapsed, dtype=torch.float64)
    return Curve(values, 0.5, torch.full((4,), 0.25, dtype=torch.float64), time)


def test_time_to_accuracy() -> None:
    found = Comparison("p", "gap", {"a": curve(1, 0.01, 0.5, 1e-5, elapsed=[0, 1, 2, 4]), "b": curve(1, 0.2, 0.1, 0.1)})
    assert found.accuracy_rows((1e-2, 1e-4, 1e-9))[1:] == [
        ["a", "mean", "1", "250", "3", "1e+03", "-", "-"], ["", "median", "1", "250", "3", "1e+03", "-", "-"],
        ["b", "mean", "-", "-", "-", "-", "-", "-"], ["", "median", "-", "-", "-", "-", "-", "-"]]
    assert found.accuracy_rows((0.2,))[3] == ["b", "mean", "1", "125"]    # without measured times: 0.5 s each
    document = json.loads(found.to_json(accuracy=(1e-2, 1e-9)))["algorithms"]["a"]["to_accuracy"]
    reached = {"iteration": 1, "milliseconds_per_instance": 250.0}
    assert document == [{"level": "1e-2", "mean": reached, "median": reached}, {"level": "1e-9", "mean": None, "median": None}]


def test_levels_are_said_as_they_are() -> None:
    found = Comparison("p", "gap", {"a": curve(1)}).levels((0.5, 2.5e-3, 1e-10, 1.0))
    assert [text for text, _ in found] == ["5e-1", "2.5e-3", "1e-10", "1e0"]


def test_accuracy_of_recovery_is_in_decibel() -> None:
    found = Comparison("p", "nmse", {"a": curve(1, 0.05, 0.001)})
    assert found.accuracy_rows((-13.0, -30.0, -31.0)) == [
        ["algorithm", "", "k to -13 dB", "ms to -13 dB", "k to -30 dB", "ms to -30 dB", "k to -31 dB", "ms to -31 dB"],
        ["a", "mean", "1", "125", "2", "250", "-", "-"], ["", "median", "1", "125", "2", "250", "-", "-"]]


def test_a_mean_and_a_median_reach_a_level_at_their_own_time() -> None:
    values = torch.tensor([[1.0] * 10, [0.0] * 9 + [1.0], [0.0] * 10], dtype=torch.float64)
    one = Curve(values, 1.0, torch.full((10,), 0.1, dtype=torch.float64))
    assert (one.reached(1e-2), one.reached(1e-2, "median"), one.reached(1e-2, "worst")) == (2, 1, 2)
    assert (one.p99[1], one.median[1]) == (1.0, 0.0)


def test_an_instance_without_weight_may_diverge() -> None:
    values = torch.tensor([[1.0, 1.0], [0.5, torch.inf]], dtype=torch.float64)
    one = Curve(values, 1.0, torch.tensor([1.0, 0.0], dtype=torch.float64))
    assert one.mean.tolist() == [1.0, 0.5] and one.worst[1] == torch.inf and one.diverged == 1


def test_csv_is_one_line_per_iteration() -> None:
    text = Comparison("p, with a comma", "gap", {"a": curve(1, 0.5), "b": curve(2, float("inf"))}).to_csv()
    lines = list(csv.DictReader(io.StringIO(text)))
    assert [(line["problem"], line["algorithm"], line["iteration"]) for line in lines] == [
        ("p, with a comma", name, k) for name in "ab" for k in "01"]
    assert lines[1]["mean"] == "0.5" and lines[3]["worst"] == "inf" and lines[1]["milliseconds_per_instance"] == "125"


def test_one_slow_step_does_not_count() -> None:
    spent = torch.ones(30, dtype=torch.float64)
    spent[0], spent[11] = 50, 1000
    torch.testing.assert_close(smoothed(spent), torch.ones(30, dtype=torch.float64))
    slope = torch.linspace(1, 2, 30, dtype=torch.float64)
    assert (smoothed(slope) - slope).abs().max() < 0.15     # what changes slowly stays
    assert torch.equal(smoothed(torch.tensor([3.0])), torch.tensor([3.0]))


# ---- running -------------------------------------------------------------------------------------
class Watched(nn.Module):
    """Gradient steps that take note of the batches they see"""

    name, reported = "Watched", "x"

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, ...]] = []

    def __deepcopy__(self, memo: object) -> Watched:
        return self

    def init_state(self, problem: Any) -> Any:
        assert "L" in vars(problem), "computed before the clock runs"
        self.seen.append(tuple(problem.batch))
        return SimpleNamespace(x=problem.zeros())

    def step(self, problem: Any, state: Any) -> Any:
        return SimpleNamespace(x=problem.prox_r(state.x - problem.grad_f(state.x) / problem.L, 1 / problem.L))


def test_parts_give_the_same_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = l2ogen.load("lasso").compile().sample(11, m=10, n=20, sparsity=3, generator=torch.Generator().manual_seed(1))
    whole = evaluate({"a": Watched()}, problem, 15)
    monkeypatch.setattr(batches, "MEMORY", 4 * 8 * (10 * 20 + 10))
    model, told = Watched(), []
    parts = evaluate({"a": model}, problem, 15, report=lambda what, count: told.append((what, count)))
    assert model.seen == [(4,), (4,), (3,)]
    assert told == [("F*", 4), ("F*", 4), ("F*", 3), ("a", 4), ("a", 4), ("a", 3)]
    torch.testing.assert_close(parts.curves["a"].values, whole.curves["a"].values, rtol=1e-9, atol=1e-12)
    assert parts.curves["a"].milliseconds.shape == (16,) and (parts.curves["a"].milliseconds.diff() > 0).all()
    assert any(note.startswith("ms: of one iteration for all instances, in batches of 3 and 4, float64, cpu") for note in parts.notes)
    recovered = [evaluate_recovery({"a": Watched()}, problem, 15).curves["a"].values]
    monkeypatch.setattr(batches, "MEMORY", 2**27)
    recovered.append(evaluate_recovery({"a": Watched()}, problem, 15).curves["a"].values)
    torch.testing.assert_close(*recovered, rtol=1e-9, atol=1e-12)


def test_no_instances() -> None:
    problem = l2ogen.load("lasso").compile()(torch.ones(0, 3, 4), torch.ones(0, 3), 0.1)
    with pytest.raises(ValueError, match="there are no instances of `lasso`"):
        evaluate({"a": Watched()}, problem)


def test_a_negative_minimum_is_divided_by_its_size() -> None:
    problem = l2ogen.load("quadratic").compile().sample(3, n=6, generator=torch.Generator().manual_seed(1))
    found = evaluate({"a": Watched()}, problem, 400).curves["a"].values
    torch.testing.assert_close(found[0], torch.ones(3, dtype=torch.float64))    # (0 - F*)/|F*|
    assert (found[-1].abs() < 1e-12).all()


# ---- the command ---------------------------------------------------------------------------------
def test_the_command_writes_what_it_shows() -> None:
    result = run("ista", "fista", "--on", "lasso", *SIZES, *QUICK, "--at", "3,30", "--accuracy", "0.5,1e-3",
                 "--title", "my <title>", "-o", "out/compared", "--format", "svg, pdf,html")
    assert result.exit_code == 0, result.output
    assert "k=3" in result.output and "k=30" in result.output and "k=10" not in result.output
    assert "k to 5e-1" in result.output and "ms to 1e-3" in result.output and "my <title>" in flat(result.output)
    assert "certified: relative gap <= " in flat(result.output)
    files = {path.suffix: path.read_bytes() for path in Path("out").iterdir()}
    assert files.keys() == {".md", ".csv", ".json", ".png", ".svg", ".pdf", ".html"}
    assert files[".png"][:4] == b"\x89PNG" and files[".pdf"][:5] == b"%PDF-" and b"<svg" in files[".svg"]
    document = json.loads(files[".json"])
    ista = document["algorithms"]["ISTA"]
    assert len(ista["mean"]) == 31 and document["settings"]["sizes"] == {"m": 20, "n": 40, "sparsity": 5}
    assert document["solution"]["relative_gap"] <= 1e-10 and document["solution"]["uncertified"] == []
    assert f"{ista['p99'][30]:.1e}".replace("e-0", "e-") in files[".md"].decode()
    line = next(x for x in csv.DictReader(io.StringIO(files[".csv"].decode())) if x["iteration"] == "30")
    assert float(line["mean"]) == pytest.approx(ista["mean"][30], rel=1e-8)


class Outline(HTMLParser):
    """What a page refers to, its tags in balance, its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_report_needs_nothing_else(trained: Path) -> None:
    result = run(str(trained / "pa"), "ista", *QUICK, "--title", "a < b & c", "-o", "report.html")
    assert result.exit_code == 0, result.output
    page = Outline(Path("report.html").read_text())
    assert not page.open and all(link.startswith("#") for link in page.links)
    assert "script" not in page.tags and {"svg", "table", "style"} <= page.tags and "a < b & c" in page.text
    for text in ("algorithm L2O_PA", "algorithm ISTA", "problem lasso", "fixed point  proved", "convergence",
                 "p99", "ms to 1e-4", "seed", "optimizer", "777000", "certified"):
        assert text in page.text, text
    assert "url(http" not in Path("report.html").read_text()
    assert not Path("report.html.html").exists() and Path("report.md").exists()


def test_several_problems_are_several_tables() -> None:
    result = run("ista", "--on", "lasso", "--on", "logistic_l1", "--set", "sparsity=3,n=30", "--set", "rho=0.05", *QUICK, "-o", "two")
    assert result.exit_code == 0, result.output
    for title in ("lasso, sparsity = 3, n = 30", "logistic_l1, sparsity = 3, n = 30, rho = 0.05"):
        assert f"4 instances of {title}" in flat(result.output)
    first, second = json.loads(Path("two.json").read_text())
    assert first["settings"]["set"] == {"sparsity": "3", "n": "30"} and second["settings"]["set"]["rho"] == "0.05"
    assert Path("two.csv").read_text().count("problem,metric") == 1
    assert Path("two.md").read_text().count("Time to accuracy") == 2


def test_noise_and_numbers_are_set_in_the_problem() -> None:
    for name, value, draw in (("snr", "20", "lasso"), ("std", "0.5", "lasso"), ("lam", "0.3", "lasso"), ("snr", "inf", "elastic_net")):
        spec = l2ogen.load(draw)
        changed, sizes = instances.changed(spec, {name: value})
        assert sizes == {}
        expected = f"noise({name} = {value})" if name != "lam" else "lam = 0.3"
        assert expected in changed.text and len(changed.text.splitlines()) == len(spec.text.splitlines())
    noisy = instances.changed(l2ogen.load("lasso"), {"snr": "20"})[0].compile()
    problem = noisy.sample(50, m=30, n=40, sparsity=5, generator=torch.Generator().manual_seed(1))
    clean = (problem.A @ problem.x_true.unsqueeze(-1)).squeeze(-1)
    ratio = 10 * torch.log10(clean.square().sum() / (problem.b - clean).square().sum())
    assert ratio.item() == pytest.approx(20, abs=0.5)
    assert instances.changed(l2ogen.load("lasso"), {"m": "7", "sparsity": "2"})[1] == {"m": 7, "sparsity": 2}


def test_a_problem_in_this_folder_is_found_by_name() -> None:
    text = l2ogen.load("lasso").text.replace("problem lasso", "problem mine").replace("250", "8").replace("500", "12").replace("= 50", "= 2")
    Path("mine.l2o").write_text(text)
    assert "instances of mine" in flat(run("ista", "--on", "mine", *QUICK).output)
    Path("problems").mkdir()
    shutil.move("mine.l2o", "problems/mine.l2o")
    assert "instances of mine" in flat(run("ista", "--on", "mine", *QUICK).output)
    Path("mine.l2o").write_text("problem mine\n")
    assert "L2O" in run("ista", "--on", "mine", *QUICK).stderr    # its mistakes, as `check` says them


def test_data_of_a_folder(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    content: dict[str, Any] = {"W": random.normal(size=(64, 128)) / 8, "Y": random.normal(size=(15, 64)), "rho": np.float64(0.5)}
    (tmp_path / "data").mkdir()
    np.savez(tmp_path / "data" / "bsds_patches_lasso.npz", **content)
    found = run("ista", "fista", "--on", "bsds_lasso", "--data", "data", *QUICK)
    assert found.exit_code == 0 and "4 instances of bsds_lasso" in flat(found.output)
    message = refused("ista", "--on", "bsds_lasso", *QUICK)
    assert "no file ./bsds_patches_lasso.npz: name its folder with --data, or set L2OGEN_DATA" in message
    assert "there is no folder nowhere" in refused("ista", "--on", "bsds_lasso", "--data", "nowhere")
    assert "15" in refused("ista", "--on", "bsds_lasso", "--data", "data", "--instances", "16")


def test_runs_of_two_shapes(trained: Path) -> None:
    small, large = str(trained / "small"), str(trained / "large")
    assert "LISTA_CP was trained for A of the shape (6, 12), not (6, 10)" in refused(small, large, *QUICK)
    for copied in ("other", "another/other"):
        shutil.copytree(small, copied)
    assert [c.name for c in gather(("other", "ista", small))] == ["LISTA_CP (other)", "ISTA", "LISTA_CP (small)"]
    assert [c.name for c in gather(("other", "another/other"))] == ["LISTA_CP (other)", "LISTA_CP (another/other)"]
    assert [c.name for c in gather(("other", "other"))] == ["LISTA_CP (other)", "LISTA_CP (other) 2"]
    found = run(small, "other", *QUICK)
    assert found.exit_code == 0 and "LISTA_CP (small)" in found.output and "LISTA_CP (other)" in found.output and "NMSE in dB" in found.output


def test_a_run_on_a_shifted_problem_keeps_its_sizes_and_dictionary(trained: Path) -> None:
    found = run(str(trained / "small"), "--set", "snr=10", *QUICK, "-o", "shifted")
    assert found.exit_code == 0, found.output
    document = json.loads(Path("shifted.json").read_text())
    assert document["settings"]["sizes"] == {"m": 6, "n": 10, "density": 0.1, "sigma": 1.0, "snr": 10.0} and document["notes"][-1].startswith("ms: ")
    assert "sparse_coding, snr = 10" in found.output
    on = run(str(trained / "small"), "--on", "sparse_coding", *QUICK)
    assert on.exit_code == 0 and "another A" not in on.output


def test_another_dictionary_is_noted(trained: Path, tmp_path: Path) -> None:
    l2ogen.load("lista_cp").train(tmp_path / "seeded", quiet=True, steps=1, batch=2, validate_every=1, validate_batch=2,
                                  m=6, n=10, layers=2, seed=5)
    found = run(str(trained / "small"), str(tmp_path / "seeded"), *QUICK)
    assert found.exit_code == 0
    assert "LISTA_CP (seeded) was trained with another A than these instances have" in flat(found.output)


def test_weights_of_other_sizes_are_named(trained: Path) -> None:
    found = run(str(trained / "small"), "--on", "lasso", "--set", "m=7", "--set", "n=12", "--set", "sparsity=2", *QUICK)
    assert found.exit_code == 1
    assert "LISTA_CP was trained for A of the shape (6, 10), not" in flat(found.output)


@pytest.mark.parametrize(("arguments", "message", "code"), [
    (("fisto",), "there is no run folder and no spec called fisto; did you mean fista?", 2),
    (("l2o_pa",), "l2o_pa has weights to train: l2ogen train l2o_pa, then name its run folder", 1),
    (("pba12:PA",), "pba12:PA has weights to train: l2ogen train pba12:PA", 1),
    (("pba12:nothing",), "nothing", 1),
    (("lasso",), "lasso is a problem: name it with --on", 1),
    (("ista", "--on", "lassso"), "no problem is called `lassso`", 1),
    (("ista", "--on", "sparse_coding"), "problem `sparse_coding` does not fit: it recovers, the algorithm minimizes", 1),
    (("ista", "--on", "lasso", "--set", "snrr=3"), "`lasso` has no `snrr` to set; did you mean `snr`?", 1),
    (("ista", "--on", "logistic_l1", "--set", "snr=3"), "`logistic_l1` has no `snr` to set; it has m, n, rho, sparsity", 1),
    (("ista", "--on", "lasso", "--set", "m=2.5"), "`m` is a whole number, such as 250, not 2.5", 1),
    (("ista", "--on", "lasso", "--set", "lam=-1"), "lam > 0 is part of the problem", 1),
    (("ista", "--on", "lasso", "--set", "lam=x"), "--set lam=x: a number is needed", 1),
    (("ista", "--on", "lasso", "--set", "m=0"), "no instances in these sizes: `A` has no entries", 1),
    (("ista", "--on", "lasso", "--set", "sparsity=900"), "900 of 500 entries can't be nonzero", 1),
    (("ista", "--on", "lasso", "--set", "lam"), "write NAME=NUMBER, such as snr=20", 2),
    (("ista", "--on", "lasso", "--set", "m=3,m=4"), "--set m is given twice", 2),
    (("ista", "--at", "1,x"), "'1,x' is no list of iterations", 2),
    (("ista", "--accuracy", ","), "',' is no list of levels", 2),
    (("ista", "--format", "svg"), "--format needs -o", 2),
    (("ista", "--format", "gif", "-o", "x"), "--format gif: known are md, csv, json, png, svg, pdf, html", 2),
])  # fmt: skip
def test_what_is_refused(arguments: tuple[str, ...], message: str, code: int) -> None:
    assert message in refused(*arguments, *QUICK, code=code)
    assert not list(Path().iterdir())


def test_a_run_without_weights(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained / "pa", tmp_path / "bare")
    (tmp_path / "bare" / "weights.safetensors").unlink()
    assert "bare has no weights yet" in refused("bare", *QUICK)
    (tmp_path / "empty").mkdir()
    assert "empty is no run folder: it holds no settings.json" in refused("empty", *QUICK, code=2)


def test_nothing_is_written_where_one_file_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    made = compare.compare(("ista",), ("lasso",), compare.Options(instances=2, iterations=3, values={"m": "5", "n": "8", "sparsity": "2"}))
    Path("a.md").write_text("old")
    monkeypatch.setattr(compare.Evaluation, "text", lambda self, kind: "new" if kind == "md" else 1 / 0)
    with pytest.raises(ZeroDivisionError):
        made.save(Path("a"))
    assert [p.name for p in Path().iterdir()] == ["a.md"] and Path("a.md").read_text() == "old"


def test_files_that_cannot_be_written_are_said_at_once() -> None:
    Path("a.json").mkdir()
    Path("file").touch()
    assert "a.json is a folder" in refused("ista", *QUICK, "-o", "a")
    assert "file is no folder to write in" in refused("ista", *QUICK, "-o", "file/a")
    assert "file is no folder to write in" in refused("ista", *QUICK, "-o", "file/b/a")
    assert sorted(p.name for p in Path().iterdir()) == ["a.json", "file"]


# ---- pictures ------------------------------------------------------------------------------------
def test_pictures_are_the_same_each_time() -> None:
    many = Comparison("a title with $ and _", "gap", {f"method {i}": curve(1, 0.1 / (i + 1), 1e-3) for i in range(9)})
    for kind, start in (("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")):
        one, two = (drawn([many], kind) for _ in range(2))
        assert one == two and one.startswith(start)
    svg = drawn([many, many], "svg", axes=("iterations", "time")).decode()
    looks = set(re.findall(r"stroke-dasharray: ([^;]+)[^\"]*?; stroke: (#\w+); stroke-width: 1.8", svg))
    assert len({stroke for _, stroke in looks}) >= 6
    file = plot_comparisons([Comparison("p", "nmse", {"a": curve(1, float("inf"), 0.1)})], "x.pdf", axes=("time",))
    assert file.read_bytes().startswith(b"%PDF")
    with pytest.raises(ValueError, match="a picture is one of png, svg, pdf, not gif"):
        drawn([many], "gif")
