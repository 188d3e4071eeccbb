"""Warm starts: what is taken of another run, and that it stands for the same values there."""
from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from test_runtime import assert_same_end
from test_training import GRADIENT, LISTA, PA, created, spec, written

from l2ogen.runtime import Run, load_run, train
from l2ogen.runtime import checkpoint as files


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., Run]:
    return partial(created, tmp_path)


def test_a_warm_start_goes_on_from_the_other_run(start: Callable[..., Run], capsys: pytest.CaptureFixture[str]) -> None:
    first = train(start(LISTA, "steps 12; optimizer adam(rate = 1e-2)", "first"))
    run = start(LISTA, "steps 1; seed 5", "second", warm=str(first.folder))
    shutil.rmtree(first.folder)         # the run keeps its own copy
    train(run)
    assert run.first == pytest.approx(validation_of(first, run), rel=1e-6)
    assert torch.equal(run.shared["A"], first.shared["A"])


def validation_of(first: Run, other: Run) -> float:
    """The weights of the first run on the validation set of the other"""
    drawn = other.training.sample(other.settings, other.settings.validate_batch, other.settings.generator(2), first.shared)
    with torch.no_grad():
        (value,) = first.training.segments(first.settings, first.model, drawn, first.settings.iterations)
    return value.item()


def test_a_warm_start_takes_what_agrees_and_says_the_rest(start: Callable[..., Run], tmp_path: Path) -> None:
    from io import StringIO

    from rich.console import Console
    first = train(start(LISTA, "steps 4; optimizer adam(rate = 1e-2)", "first", layers=2))
    text = StringIO()
    run = Run.create(tmp_path / "deeper", written(spec(LISTA, "steps 1; optimizer sgd(rate = 1e-30)"), tmp_path / "code"),
                     console=Console(file=text), warm=str(first.folder), layers=3)
    train(run)
    assert "4 of 6 tensors taken, and the data A; new: W.2, theta.2" in text.getvalue()
    ours, theirs = run.model.state_dict(), first.model.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_warm_start_from_nothing_that_fits(start: Callable[..., Run], tmp_path: Path) -> None:
    other = train(start(PA, "steps 1", "other"))
    for place, message in ((other.folder, "no weight in"), (tmp_path / "nowhere", "there are no weights in"), (tmp_path, "no weights")):
        with pytest.raises(ValueError, match=message):
            start(LISTA, "steps 1", "run", warm=str(place))
        assert not (tmp_path / "run").exists()


# As declared in the other run, here, and what the message says of each: raw numbers mean something under their facts.
DECLARED = [
    ("c in R init 0.3 with 0 < c < 2", "c in R init 0.3 with 0 < c < 1", "with 0 < c < 2 there, with 0 < c < 1 here"),
    ("c in R init 0.3 with c >= 0", "c in R init 0.3 with c > 0", "with c >= 0 there, with c > 0 here"),
    ("c in R init 0.3", "c in R with c <= 2/||A||_2^2", "without a range there, with c <= 2 / spectral_squared(A) here"),
    ("c in R with 0 < c < 2", "c in R with 0 < c < 2, margin(1e-2)", "with 0 < c < 2 there, with 0 < c < 2, margin(0.01) here"),
    ("c in R with -1 <= c <= 1", "c in R with bounded(1)", "with -1 <= c <= 1 there, with bounded(1) here"),
    ("c in sym(n) with 0 < c < 2", "c in R^(n, n) with bounded(2)",
     "with c symmetric, 0 < c < 2 there, with bounded(2) here"),
    ("c in sym(n)", "c in R^(n, n)", "with c symmetric there, without a range here"),
    ("c_k in R with c_k -> 0 like 1/(k + 1)", "c_k in R with c_k -> 0 like 0.5^k",
     "with c_k -> 0 like 1 / (k + 1) there, with c_k -> 0 like 0.5 ** k here"),
    ("c in R init 0.3 with 0 < c < 2", "c in R init 0.7 with c < 4/2, c > 0", None),
    ("c in R with 0 < c < 2", "c in R with 0 < c < 2, margin(0.001)", None),
    ("c in R^n init 0.3 with c >= 0", "c in diag(n) init 0.1*I with c >= 0", None),
    ("c in R", "c in R init 0.3", None),
]


@pytest.mark.parametrize(("there", "here", "said"), DECLARED)
def test_a_warm_start_under_other_facts_is_refused(there: str, here: str, said: str | None, start: Callable[..., Run],
                                                   tmp_path: Path) -> None:
    def declared(text: str) -> str:
        found = GRADIENT.replace("c in R init 0.3 with 0 < c < 2", text)
        found = found.replace("c*(A'*(b - A*x))", "c.*(A'*(b - A*x))") if "c in R^n " in text else found
        return found.replace("c*(A", "c_k*(A") if "c_k" in text else found

    other = train(start(declared(there), "steps 1", "other"))
    begin = partial(start, declared(here), "steps 1", "run", warm=str(other.folder))
    if said is None:
        run = train(begin())
        assert torch.equal(load_file(run.folder / "warm.safetensors")["model.c"], other.model.state_dict()["c"])
        return
    with pytest.raises(ValueError, match=re.escape(f"`c` is learned {said}. Declare the same facts")):
        begin()
    assert not (tmp_path / "run").exists()
    tensors, meta = files.load(other.folder / "weights.safetensors")
    files.save(other.folder / "weights.safetensors", tensors, {k: v for k, v in meta.items() if k != "facts"})
    assert train(begin()).step == 1     # written before a module said its facts


def test_a_warm_start_that_leaves_a_parameter_out_needs_no_facts_of_it(start: Callable[..., Run]) -> None:
    other = train(start(GRADIENT, "steps 1", "other"))
    here = GRADIENT.replace("c in R init 0.3 with 0 < c < 2", "c in R^(n, n) with bounded(1)")
    assert train(start(here, "steps 1", warm=str(other.folder))).step == 1


def test_weights_saved_by_hand_say_their_facts(start: Callable[..., Run], tmp_path: Path) -> None:
    train(start(GRADIENT, "steps 1", "other"))
    load_run(tmp_path / "other").save(tmp_path / "mine.safetensors")
    here = GRADIENT.replace("0 < c < 2", "0 < c < 1")
    with pytest.raises(ValueError, match="`c` is learned with 0 < c < 2 there, with 0 < c < 1 here"):
        start(here, "steps 1", warm=str(tmp_path / "mine.safetensors"))
    train(start(here, "steps 1"))
    mine = load_run(tmp_path / "run")
    kept = mine.model.state_dict()["c"].clone()
    with pytest.raises(ValueError, match="other values than those of this GRADIENT: `c` is learned with 0 < c < 2 there, with 0 < c < 1 here"):
        mine.load(tmp_path / "mine.safetensors")
    assert torch.equal(mine.model.state_dict()["c"], kept)


def test_a_warm_run_killed_before_its_first_checkpoint_starts_warm_again(start: Callable[..., Run]) -> None:
    first = train(start(LISTA, "steps 6; optimizer adam(rate = 1e-2)", "first"))
    whole = train(start(LISTA, "steps 5", "whole", warm=str(first.folder)))
    begun = start(LISTA, "steps 5", "begun", warm=str(first.folder))
    shutil.rmtree(first.folder)
    assert_same_end(whole.folder, train(Run.resume(begun.folder, quiet=True)).folder)
