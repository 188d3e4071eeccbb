"""The vocabulary of `train`, from the text of a spec to the numbers of a run.

What a setting means is held against formulas and loops written by hand here; what survives a kill, in each mode, against
a run that was left alone.
"""
from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file
from test_runtime import assert_same_end, metrics
from torch import Tensor, nn

from l2ogen import pipeline, vocabulary
from l2ogen.api import Spec
from l2ogen.cli import main
from l2ogen.runtime import Diverged, Run, Settings, load_module, load_run, solve, train
from l2ogen.runtime import checkpoint as files
from l2ogen.runtime.schedule import points
from l2ogen.source import Source

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = pipeline.Library()

LISTA = """algorithm LISTA
problem { data { shared A in R^(m, n); b in R^m }; recover x from b = A*x : sparse(x) }
parameters {
  learned W_k in R^(n, m) init A'/||A||_2^2
  learned theta_k in R init 0.1/||A||_2^2 with theta_k >= 0
}
state { x in R^n = 0 }
update { x+ = soft(x + W_k*(b - A*x), theta_k) }
train { on sparse_coding(m = 6, n = 10, density = 0.2); layers 3; loss ||x - x_true||_2^2; batch 8
  validate(every = 2, batch = 16); SETTINGS }
"""
TIED = LISTA.replace("W_k", "W").replace("LISTA", "TIED")   # one W for all layers, a threshold for each
GRADIENT = """algorithm GRADIENT
problem { data { shared A in R^(m, n); b in R^m }; recover x from b = A*x : sparse(x) }
parameters { learned c in R init 0.3 with 0 < c < 2; learned d in R init 0.1 }
state { x in R^n = 0 }
update { x+ = x + c*(A'*(b - A*x)) + d*x }
train { on sparse_coding(m = 6, n = 10, density = 0.2); layers 1; loss ||x - x_true||_2^2; batch 8; dtype float64
  SETTINGS }
"""
PA = """algorithm PA
problem { f(x) : convex, smooth(L); r(x) : convex, proximable; minimize f(x) + r(x) }
networks { phi = lstm(hidden = 4, layers = 1, head = 4) per coordinate }
parameters { predicted P in diag(n) = phi(detach(y), detach(grad f(y))) with 0 < P < 2/L }
state { x, y in R^n = 0 }
update { x+ = prox_r,P(y - P*grad f(y)); y+ = x+ + 0.5*(x+ - x) }
train { on lasso(m = 6, n = 10, sparsity = 2); horizon 6; loss LOSS; batch 4
  validate(every = 2, batch = 8); SETTINGS }
"""


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def spec(text: str, settings: str = "", loss: str = "mean over k of F(x)") -> Spec:
    text = text.replace("SETTINGS", settings).replace("LOSS", loss)
    return Spec(pipeline.check(Source("small.l2o", text), LIBRARY))


def codes(text: str, settings: str = "", loss: str = "mean over k of F(x)") -> list[str]:
    return [d.code for d in spec(text, settings, loss).diagnostics]


def written(made: Spec, folder: Path) -> Path:
    """The generated loop in a folder of its own"""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in made.check().files().items():
        (folder / name).write_text(text)
    return folder / "small_train.py"


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., Run]:
    def create(text: str, settings: str = "", name: str = "run", loss: str = "mean over k of F(x)", **changes: Any) -> Run:
        return Run.create(tmp_path / name, written(spec(text, settings, loss), tmp_path / f"{name}-code"), quiet=True, **changes)
    return create


# ---- from the file to the settings ---------------------------------------------------------------
GOOD: list[tuple[str, str, dict[str, Any]]] = [
    (LISTA, "steps 2*500", {"steps": 1000}),
    (LISTA, "clip_norm 1/2", {"clip_norm": 0.5}),
    (LISTA, "seed 7; patience 3", {"seed": 7, "patience": 3}),
    (LISTA, "optimizer sgd(rate = 1e-1, momentum = 0.9, weight_decay = 0)",
     {"optimizer": "sgd(rate = 0.1, momentum = 0.9, weight_decay = 0.0)"}),
    (LISTA, "optimizer adamw(beta1 = 0.8, beta2 = 0.95)", {"optimizer": "adamw(beta1 = 0.8, beta2 = 0.95)"}),
    (LISTA, "rate step(every = 3, factor = 0.5)", {"rate": "step(every = 3, factor = 0.5)"}),
    (LISTA, "rate plateau(patience = 1, factor = 1/10)", {"rate": "plateau(patience = 1, factor = 0.1)"}),
    (LISTA, "rate cosine; dtype bfloat16", {"rate": "cosine", "dtype": "bfloat16"}),
    (LISTA, "samples fixed(20)", {"samples": "fixed(20)"}),
    (LISTA, "schedule layerwise(steps = 4, rates = (1e-2, 2e-3), decay = 0.3), joint(rate = 1e-4, steps = 6)",
     {"schedule": "layerwise(steps = 4, rates = (0.01, 0.002), decay = 0.3), joint(rate = 0.0001, steps = 6)"}),
    (LISTA, "schedule layerwise(\n    steps = 4, # a comment\n    rates = 1e-2)", {"schedule": "layerwise(steps = 4, rates = 0.01)"}),
    (GRADIENT, "search grid(c in [0.1, 1], d in [-1, 1], points = (3, 5))",
     {"search": "grid(c in [0.1, 1.0], d in [-1.0, 1.0], points = (3, 5))"}),
    (GRADIENT, "search random(c in [1e-2, 1], points = 9, spacing = log)",
     {"search": "random(c in [0.01, 1.0], points = 9, spacing = log)"}),
    (PA, "curriculum(horizon = 2, every = 3)", {"curriculum": "curriculum(horizon = 2, every = 3)"}),
    (PA, "truncate 3", {"truncate": 3}),
    (LISTA, 'warm "runs/a b"', {"warm": "runs/a b"}),
]


@pytest.mark.parametrize(("text", "line", "expected"), GOOD)
def test_what_the_file_says_is_what_the_run_uses(text: str, line: str, expected: dict[str, Any], tmp_path: Path) -> None:
    made = spec(text, line)
    assert made.diagnostics == ()
    settings: Settings = load_module(written(made, tmp_path)).SETTINGS
    found = settings.as_dict()
    assert {name: found[name] for name in expected} == expected
    assert Settings.from_json(settings.to_json()) == settings
    assert vocabulary.SETTINGS, "every setting"


def test_every_setting_has_a_good_example() -> None:
    seen = {name for *_, expected in GOOD for name in expected}
    assert set(vocabulary.SETTINGS) - seen <= {"on", "loss", "layers", "horizon", "batch", "validate"}   # in every spec


@pytest.mark.parametrize(("text", "line"), [(text, line) for text, line, _ in GOOD])
def test_settings_are_printed_as_they_were_read(text: str, line: str) -> None:
    from l2ogen.syntax.printer import fmt
    parsed = spec(text, line).checked.parsed
    for unicode in (False, True):
        again = pipeline.parse(Source("again.l2o", fmt(parsed.tree, parsed.source, parsed.comments, unicode)))
        assert again.diagnostics == () and again.tree == parsed.tree


BAD = [     # the setting, and what is wrong on the command line as in the file
    (LISTA, "steps", "0", "L2O602"), (LISTA, "steps", "2.5", "L2O602"), (LISTA, "steps", "many", "L2O602"),
    (LISTA, "batch", "-1", "L2O602"), (LISTA, "seed", "-1", "L2O602"), (LISTA, "seed", "1e30", "L2O602"),
    (LISTA, "patience", "0", "L2O602"), (LISTA, "clip_norm", "0", "L2O602"),
    (LISTA, "optimizer", "adm", "L2O602"), (LISTA, "optimizer", "adam(rte = 1)", "L2O211"),
    (LISTA, "optimizer", "adam(rate = 0)", "L2O602"), (LISTA, "optimizer", "adam(beta1 = 1)", "L2O602"),
    (LISTA, "optimizer", "adam(momentum = 0.9)", "L2O211"), (LISTA, "optimizer", "sgd(momentum = -0.1)", "L2O602"),
    (LISTA, "optimizer", "adamw(weight_decay = -1)", "L2O602"), (LISTA, "optimizer", "adam(1e-3)", "L2O602"),
    (LISTA, "optimizer", "adam(rate = (1e-3, 1e-4))", "L2O602"), (LISTA, "optimizer", "adam, sgd", "L2O602"),
    (LISTA, "rate", "cosin", "L2O602"), (LISTA, "rate", "cosine(3)", "L2O602"),
    (LISTA, "rate", "step(every = 5)", "L2O602"), (LISTA, "rate", "step(every = 0.5, factor = 0.5)", "L2O602"),
    (LISTA, "rate", "step(every = 5, factor = 1)", "L2O602"), (LISTA, "rate", "plateau(patience = 1, factor = 0)", "L2O602"),
    (LISTA, "samples", "fixd(3)", "L2O602"), (LISTA, "samples", "fixed", "L2O602"), (LISTA, "samples", "fixed(0)", "L2O602"),
    (LISTA, "samples", "fixed(n = 3)", "L2O602"), (LISTA, "samples", "fixed(7)", "L2O608"),     # the batch is 8
    (LISTA, "schedule", "layerwise", "L2O602"), (LISTA, "schedule", "layerwise(steps = 5), join(steps = 5)", "L2O602"),
    (LISTA, "schedule", "layerwise(steps = 5, rates = (1e-2, 0))", "L2O602"),
    (LISTA, "schedule", "layerwise(steps = 5, decay = 0)", "L2O602"), (LISTA, "schedule", "joint(rate = 1)", "L2O602"),
    (LISTA, "schedule", "layerwise(steps = 5, rate = 1e-2)", "L2O211"),
    (PA, "schedule", "layerwise(steps = 5)", "L2O602"),
    (GRADIENT, "search", "grid(c in [0.1, 1])", "L2O602"), (GRADIENT, "search", "grid(points = 3)", "L2O602"),
    (GRADIENT, "search", "grid(e in [0.1, 1], points = 3)", "L2O602"),
    (GRADIENT, "search", "grid(c in [1, 0.1], points = 3)", "L2O602"),
    (GRADIENT, "search", "grid(c in [0.1, 1], c in [0.1, 1], points = 3)", "L2O602"),
    (GRADIENT, "search", "grid(c in [0.1, 1], points = (3, 3))", "L2O602"),
    (GRADIENT, "search", "random(d in [-1, 1], points = 3, spacing = log)", "L2O602"),
    (GRADIENT, "search", "random(d in [-1, 1], points = (3, 3))", "L2O602"),
    (PA, "curriculum", "curriculum(horizon = 2)", "L2O602"), (PA, "curriculum", "curriculum(horizon = 7, every = 1)", "L2O608"),
    (LISTA, "dtype", "float16", "L2O602"), (PA, "truncate", "7", "L2O608"), (LISTA, "truncate", "2", "L2O608"),
]


@pytest.mark.parametrize(("text", "name", "value", "code"), BAD)
def test_a_bad_value_is_refused_in_the_file_and_on_the_command_line(
        text: str, name: str, value: str, code: str, tmp_path: Path) -> None:
    line = value if value.startswith(name) else f"{name} {value}"
    text = text.replace("batch 8" if name == "batch" else "no such text", "")
    assert codes(text, line) == [code]
    loop = written(spec(text), tmp_path / "code")
    changes: dict[str, Any] = {name: value}
    with pytest.raises(ValueError, match=r"`\w+`|batch"):
        Run.create(tmp_path / "run", loop, quiet=True, **changes)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("text", "line", "expected"), [
    (LISTA, "steps 3; schedule joint(steps = 5)", ["L2O608"]),
    (GRADIENT, "search grid(c in [0.1, 1], points = 3); optimizer adam; rate cosine", ["L2O608"] * 2),
    (GRADIENT, "search grid(c in [0.001, 1], points = 3)", ["L2O608"]),      # within the margin of 0 < c
    (GRADIENT, "search grid(c in [0.002, 1.998], points = 3)", []),
    (LISTA, "search grid(theta_k in [0.1, 1], points = 3)", ["L2O602"]),
    (LISTA, "optimizer adam(rate = 1e-3); schedule joint(steps = 5, rate = 1e-2)", ["L2O608"]),
    (LISTA, "optimizer adam(rate = 1e-3); schedule joint(steps = 5, rate = 1e-2), joint(steps = 5)", []),
    (LISTA, "steps 3; steps 4", ["L2O607"]),
    (LISTA, "validate(every = 5)", ["L2O607"]),
    (LISTA.replace("layers 3", "horizon 3"), "schedule layerwise(steps = 5)", ["L2O608"]),
    (LISTA.replace("loss ||", "loss sum over k of ||"), "schedule layerwise(steps = 5)", ["L2O608"]),
    (LISTA, "schedule layerwise(steps = 5); curriculum(horizon = 1, every = 1)", ["L2O608"]),
    (LISTA, "stpes 3", ["L2O601"]), (LISTA, "schedul joint(steps = 3)", ["L2O601"]), (LISTA, "validat(every = 3)", ["L2O601"]),
    (LISTA, "warm runs", ["L2O602"]), (LISTA, 'warm " "', ["L2O602"]), (LISTA, 'steps "5"', ["L2O602"]),
])
def test_contradictions_and_unknown_words(text: str, line: str, expected: list[str]) -> None:
    assert codes(text, line) == expected


@pytest.mark.parametrize(("loss", "expected"), [
    ("F(x)", []), ("F(y)", []), ("mean over k of ||y - x_star||_2^2", []), ("||x - x_true||_1", []),
    ("sum over k of (k + 1)*F(x)", []), ("F(z)", ["L2O201"]), ("sum over j of F(x)", ["L2O602"]), ("x", ["L2O305"]),
])
def test_what_a_loss_may_name(loss: str, expected: list[str]) -> None:
    assert codes(PA, "", loss) == expected


def test_a_recovery_has_no_solution_to_compare_with() -> None:
    assert codes(LISTA.replace("x_true", "x_star")) == ["L2O201"]


def test_a_loss_needs_an_x_true_that_is_drawn(tmp_path: Path) -> None:
    problem = (ROOT / "specs/problems/lasso.l2o").read_text().replace("problem lasso", "problem plain")
    (tmp_path / "plain.l2o").write_text(problem.replace("x_true", "u"))
    text = PA.replace("on lasso", "on plain").replace("SETTINGS", "").replace("LOSS", "||x - x_true||_2")
    assert [d.code for d in pipeline.check(Source(str(tmp_path / "t.l2o"), text)).diagnostics] == ["L2O606"]


# ---- overriding ------------------------------------------------------------------------------------
NOISY = LISTA.replace("density = 0.2", "density = 0.2, snr = 40")
OVERRIDES: list[tuple[str, str, dict[str, Any]]] = [
    (LISTA, "steps=3", {"steps": 3}), (LISTA, "batch=5", {"batch": 5}), (LISTA, "layers=2", {"layers": 2}),
    (LISTA, "seed=4", {"seed": 4}), (LISTA, "patience=2", {"patience": 2}), (LISTA, "clip-norm=0.5", {"clip_norm": 0.5}),
    (LISTA, "rate=1e-2", {"optimizer": "adam(rate = 0.01)"}), (LISTA, "rate=cosine", {"rate": "cosine"}),
    (LISTA, "optimizer=sgd(rate = 1e-2, momentum = 0.5)", {"optimizer": "sgd(rate = 0.01, momentum = 0.5)"}),
    (LISTA, "optimizer-beta1=0.8", {"optimizer": "adam(beta1 = 0.8)"}),
    (LISTA, "samples=fixed(20)", {"samples": "fixed(20)"}), (LISTA, "dtype=float64", {"dtype": "float64"}),
    (LISTA, "validate=every = 1, batch = 3", {"validate": "validate(every = 1, batch = 3)"}),
    (LISTA, "validate-every=1", {"validate": "validate(every = 1, batch = 16)"}),
    (LISTA, "schedule=layerwise(steps = 1, rates = (1e-2, 1e-3)), joint(steps = 1)",
     {"schedule": "layerwise(steps = 1, rates = (0.01, 0.001)), joint(steps = 1)", "steps": None}),
    (NOISY, "snr=30", {"sizes": {"m": 6, "n": 10, "density": 0.2, "sigma": 1.0, "snr": 30.0}}),
    (NOISY, "snr=22.5", {"sizes": {"m": 6, "n": 10, "density": 0.2, "sigma": 1.0, "snr": 22.5}}),
    (NOISY, "snr=inf", {"sizes": {"m": 6, "n": 10, "density": 0.2, "sigma": 1.0, "snr": "inf"}}),
    (GRADIENT, "search=random(c in [0.1, 1], points = 3)", {"search": "random(c in [0.1, 1.0], points = 3)", "steps": None}),
    (PA, "curriculum=(horizon = 2, every = 1)", {"curriculum": "curriculum(horizon = 2, every = 1)"}),
    (PA, "truncate=2", {"truncate": 2}), (PA, "horizon=3", {"horizon": 3}), (PA, "sparsity=3", {"sizes": {"m": 6, "n": 10, "sparsity": 3}}),
    (PA, "loss=sum over k of F(y)", {"loss": "sum over k of F(y)"}),
    (PA, "on=lasso(m = 4, n = 5, sparsity = 1)", {"sizes": {"m": 4, "n": 5, "sparsity": 1}}),
]


@pytest.mark.parametrize(("text", "option", "expected"), OVERRIDES)
def test_the_command_line_overrides(text: str, option: str, expected: dict[str, Any], tmp_path: Path) -> None:
    file, folder = tmp_path / "small.l2o", tmp_path / "run"
    file.write_text(text.replace("SETTINGS", "steps 2").replace("LOSS", "mean over k of F(x)"))
    done = CliRunner().invoke(main, ["train", str(file), "--quiet", "-o", str(folder), f"--{option}"])
    assert done.exit_code == 0, done.output
    found = json.loads((folder / "settings.json").read_text())
    assert {name: found[name] for name in expected} == expected
    assert (folder / "weights.safetensors").exists()


def test_a_schedule_with_rates_of_its_own_replaces_the_optimizers(tmp_path: Path) -> None:
    loop = written(spec(LISTA, "optimizer sgd(rate = 1e-2, momentum = 0.9); steps 5"), tmp_path)
    settings = load_module(loop).SETTINGS
    for text, expected in (("joint(steps = 1, rate = 3e-3)", "sgd(momentum = 0.9)"), ("joint(steps = 1)", "sgd(rate = 0.01, momentum = 0.9)")):
        assert str(settings.override(schedule=text).optimizer) == expected
    with pytest.raises(ValueError, match="never used"):
        settings.override(schedule="joint(steps = 1, rate = 3e-3)", rate=0.5)


def test_every_setting_is_overridden_in_these_tests() -> None:
    seen = {name for *_, expected in OVERRIDES for name in expected} | {"on", "warm"}
    assert set(vocabulary.SETTINGS) <= seen


def test_a_variant_that_sets_a_schedule_leaves_the_steps_behind() -> None:
    text = LISTA.replace("SETTINGS", "steps 5") + """variant layered of LISTA { train { schedule layerwise(steps = 2) } }
variant whole of LISTA { train { loss sum over k of ||x - x_true||_1; horizon 4 } }
"""
    for name, expected in (("layered", {"layers", "schedule"}), ("whole", {"steps", "horizon"})):
        checked = pipeline.check(Source("small.l2o", text), LIBRARY, name)
        assert checked.diagnostics == () and checked.program is not None
        settings = dict(checked.program.training.settings)      # type: ignore[union-attr]
        assert settings.keys() & {"steps", "layers", "horizon", "schedule"} == expected
    changed = Spec(pipeline.check(Source("small.l2o", text), LIBRARY, "whole")).with_settings(loss="||x - x_true||_2")
    assert changed.checked.program.training.loss_text == "||x - x_true||_2"     # type: ignore[union-attr]


def test_an_override_of_the_code_is_checked_like_the_file(tmp_path: Path) -> None:
    file = tmp_path / "small.l2o"
    file.write_text(PA.replace("SETTINGS", "steps 2").replace("LOSS", "F(x)"))
    done = CliRunner().invoke(main, ["train", str(file), "--quiet", "-o", str(tmp_path / "run"), "--loss", "F(z)"])
    assert done.exit_code == 1 and "L2O201" in done.output and not (tmp_path / "run").exists()


def test_a_generated_loop_takes_the_same_options(tmp_path: Path) -> None:
    loop = written(spec(LISTA, "steps 2"), tmp_path / "code")
    arguments = ["--run", str(tmp_path / "run"), "--validate-every", "1", "--schedule", "layerwise(steps = 1)", "--quiet"]
    done = subprocess.run([sys.executable, str(loop), *arguments], capture_output=True, text=True, check=False,
                          env=os.environ | {"OMP_NUM_THREADS": "1"}, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    settings = load_run(tmp_path / "run").settings
    assert (str(settings.validate), settings.as_dict()["schedule"]) == ("validate(every = 1, batch = 16)", "layerwise(steps = 1)")


# ---- schedules -------------------------------------------------------------------------------------
def updates(run: Run, stages: int | None = None) -> Iterator[tuple[str, set[str], dict[str, float]]]:
    """Train as the generated loop does; after each step: its stage, the tensors it changed, the groups' rates by tensor."""
    names = {id(weight): name for name, weight in run.model.named_parameters()}
    for stage in run.stages():
        optimizer = run.optimizer(stage)
        for iterations in run.steps(stage, optimizer):
            before = {name: weight.detach().clone() for name, weight in run.model.named_parameters()}
            for value in run.training.segments(run.settings, run.model, run.draw(run.training.sample), iterations):
                run.log(value)
                optimizer.zero_grad()
                value.backward()
                run.clip()
                optimizer.step()
            changed = {name for name, weight in run.model.named_parameters() if not torch.equal(weight, before[name])}
            rates = {names[id(weight)]: group["lr"] for group in optimizer.param_groups for weight in group["params"]}
            yield stage.name, changed, rates


SCHEDULE = "schedule layerwise(steps = 2, rates = (1e-2, 2e-3, 4e-4), decay = 0.3), joint(rate = 1e-4, steps = 2)"


def test_layer_by_layer(start: Callable[..., Run]) -> None:
    """Stage 1 of layer t changes its tensors alone, the later ones layers 1..t, older layers at lower rates."""
    found = list(updates(start(LISTA, SCHEDULE)))
    assert len(found) == 3 * 3 * 2 + 2
    expected = [(t, number) for t in (1, 2, 3) for number in (1, 2, 3) for _ in range(2)]
    for (name, changed, rates), (t, number) in zip(found, expected, strict=False):
        assert name == f"layer {t} of 3, stage {number}"
        learning = [t] if number == 1 else list(range(1, t + 1))
        assert changed == {f"{p}.{s - 1}" for p in ("W", "theta") for s in learning}
        assert rates == pytest.approx({f"{p}.{s - 1}": (1e-2, 2e-3, 4e-4)[number - 1] * 0.3 ** (t - s)
                                       for p in ("W", "theta") for s in learning})
    for name, changed, rates in found[-2:]:
        assert (name, len(changed), set(rates.values())) == ("all layers", 6, {1e-4})


def test_what_belongs_to_no_layer_is_trained_in_every_stage(start: Callable[..., Run]) -> None:
    for name, changed, rates in updates(start(TIED, SCHEDULE)):
        assert "W" in changed
        if name.startswith("layer"):
            t, number = int(name.split()[1]), int(name[-1])
            assert rates["W"] == (1e-2, 2e-3, 4e-4)[number - 1]
            assert changed - {"W"} == {f"theta.{s - 1}" for s in ([t] if number == 1 else range(1, t + 1))}


def test_layer_by_layer_equals_a_loop_written_by_hand(start: Callable[..., Run]) -> None:
    """Same draws, torch.optim by hand, the newest layer's output in the loss, each stage from the best weights so far."""
    run = start(LISTA, "schedule layerwise(steps = 3, rates = (2e-1, 1e-1), decay = 0.5); dtype float64; seed 3; clip_norm 0.1")
    code, s = run.training, run.settings
    model, shared = code.build(s)
    generator = s.generator(1)
    validation = code.sample(s, 16, s.generator(2), shared)

    def loss(problem: Any, t: int) -> Tensor:
        x = torch.zeros(*problem.b.shape[:-1], 10, dtype=torch.float64)
        for k in range(t):
            v = x + (problem.b - x @ shared["A"].T) @ model.W[k].T
            x = v.sign() * (v.abs() - model.theta[k].abs()).clamp(min=0)
        return (x - problem.x_true).square().sum(-1).mean()

    reverted = 0
    for t in (1, 2, 3):
        best = math.inf

        def judge(best: float, t: int = t) -> tuple[float, bool]:
            with torch.no_grad():
                value = loss(validation, t).item()
            return min(value, best), value < best

        kept: dict[str, Tensor] = {}
        for number, rate in enumerate((2e-1, 1e-1), 1):
            if number == 1:
                best, _ = judge(best)
                kept = {name: value.clone() for name, value in model.state_dict().items()}
            groups: list[dict[str, Any]] = [{"params": [model.W[i], model.theta[i]], "lr": rate * 0.5 ** (t - 1 - i)}
                      for i in range(t) if number == 2 or i == t - 1]
            optimizer = torch.optim.Adam(groups)
            for step in (1, 2, 3):
                model.zero_grad()
                loss(code.sample(s, 8, generator, shared), t).backward()
                nn.utils.clip_grad_norm_([weight for group in groups for weight in group["params"]], 0.1)
                optimizer.step()
                if step in (2, 3):      # validated every 2 steps and at the end
                    best, better = judge(best)
                    if better:
                        kept = {name: value.clone() for name, value in model.state_dict().items()}
            reverted += not all(torch.equal(kept[name], value) for name, value in model.state_dict().items())
            model.load_state_dict(kept)
    assert reverted >= 2    # else it would not matter
    trained = train(run).model.state_dict()
    assert all(torch.allclose(value, trained[name], rtol=1e-10, atol=1e-13) for name, value in model.state_dict().items())
    assert run.best == pytest.approx(best, rel=1e-12)
    assert any(not torch.equal(value, trained[name]) for name, value in code.build(s)[0].state_dict().items())


def test_rates_that_a_layerwise_schedule_leaves_out_are_the_published_shares(start: Callable[..., Run]) -> None:
    run = start(LISTA, "optimizer adam(rate = 5e-4); schedule layerwise(steps = 1), joint(steps = 1)")
    assert [stage.rate for stage in run.plan] == pytest.approx([5e-4, 1e-4, 1e-5] * 3 + [5e-4])
    assert [stage.iterations for stage in run.plan] == [1] * 3 + [2] * 3 + [3] * 4


def test_patience_ends_a_part_of_a_schedule(start: Callable[..., Run]) -> None:
    run = train(start(LISTA, "optimizer sgd; patience 2; schedule joint(steps = 40, rate = 1e-30), joint(steps = 40, rate = 1e-30)"))
    assert run.step == 8    # 2 validations of 2 steps in each part


# ---- rates -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(("line", "share"), [
    ("constant", lambda i: 1.0), ("cosine", lambda i: (1 + math.cos(math.pi * i / 9)) / 2),
    ("step(every = 4, factor = 0.1)", lambda i: [1, 1, 1, 1, 0.1, 0.1, 0.1, 0.1, 0.01][i]),
])
def test_the_course_of_the_rate(start: Callable[..., Run], line: str, share: Callable[[int], float]) -> None:
    run = train(start(LISTA, f"optimizer adam(rate = 2e-3); rate {line}; steps 9"))
    assert [line["rate"] for line in metrics(run.folder)] == pytest.approx([2e-3 * share(i) for i in range(9)], rel=1e-12)


def test_the_rate_falls_where_the_validation_stays(start: Callable[..., Run]) -> None:
    run = train(start(LISTA, "optimizer sgd(rate = 1e-30); rate plateau(patience = 2, factor = 0.5); steps 10"))
    assert [line["rate"] / 1e-30 for line in metrics(run.folder)] == pytest.approx([1] * 4 + [0.5] * 4 + [0.25] * 2)


def test_the_rate_stays_where_the_validation_gets_better(start: Callable[..., Run]) -> None:
    run = train(start(GRADIENT, "optimizer sgd(rate = 1e-3); rate plateau(patience = 1, factor = 0.5); steps 8; validate(every = 1)"))
    lines = metrics(run.folder)
    best, scale = run.first or 0.0, 1.0
    for line in lines:
        assert line["rate"] == pytest.approx(1e-3 * scale)
        scale, best = (scale, line["validation"]) if line["validation"] < best else (scale / 2, best)
    assert lines[1]["rate"] == 1e-3     # it did get better


def test_options_reach_the_optimizer(start: Callable[..., Run]) -> None:
    def group(line: str, name: str) -> tuple[type, dict[str, Any]]:
        run = start(LISTA, line, name)
        optimizer = run.optimizer(next(run.stages()))
        return type(optimizer), optimizer.param_groups[0]

    kind, options = group("optimizer adamw(rate = 0.02, beta1 = 0.7, weight_decay = 0.3)", "a")
    assert kind is torch.optim.AdamW
    assert (options["lr"], options["betas"], options["weight_decay"]) == (0.02, (0.7, 0.999), 0.3)
    kind, options = group("optimizer sgd(momentum = 0.9)", "b")
    assert (kind, options["lr"], options["momentum"]) == (torch.optim.SGD, 1e-3, 0.9)
    kind, options = group("steps 3", "c")
    assert (kind, options["lr"], options["betas"], options["weight_decay"]) == (torch.optim.Adam, 1e-3, (0.9, 0.999), 0)


# ---- samples, curriculum, precision ----------------------------------------------------------------
def test_fixed_samples_come_again_and_fresh_ones_do_not(start: Callable[..., Run]) -> None:
    def drawn(line: str, name: str) -> list[Tensor]:
        run, found = start(LISTA, f"{line}; steps 7", name), []
        draw = run.draw
        run.draw = lambda sample: found.append(draw(sample)) or found[-1]   # type: ignore[method-assign,func-returns-value]
        train(run)
        return [problem.b for problem in found]

    fixed, fresh = drawn("samples fixed(20)", "fixed"), drawn("samples fresh", "fresh")
    assert [len(b) for b in fixed] == [8, 8, 4, 8, 8, 4, 8]
    assert all(torch.equal(fixed[i], fixed[i + 3]) for i in range(4))
    assert len({b.sum().item() for b in fixed[:3]}) == 3
    assert len({b.sum().item() for b in fresh}) == 7 and {len(b) for b in fresh} == {8}


def test_a_curriculum_grows_to_the_full_horizon(start: Callable[..., Run]) -> None:
    run = start(PA, "curriculum(horizon = 2, every = 3); steps 9; truncate 4")
    found: dict[bool, list[int]] = {True: [], False: []}
    segments = run.training.segments

    def noted(settings: Settings, model: nn.Module, problem: Any, iterations: int) -> Iterator[Tensor]:
        found[torch.is_grad_enabled()].append(iterations)
        yield from segments(settings, model, problem, iterations)

    run.training.segments = noted   # type: ignore[attr-defined]
    train(run)
    assert found[True] == [2, 2, 2, 4, 4, 4, 6, 6, 6]
    assert set(found[False]) == {6}     # validated at the full horizon, so that all can be compared


def test_bfloat16_keeps_weights_and_validation_in_float32(start: Callable[..., Run]) -> None:
    half, single = start(PA, "dtype bfloat16; steps 4", "half"), start(PA, "steps 4", "single")
    train(half)
    train(single)
    assert {value.dtype for value in half.model.state_dict().values()} == {torch.float32}
    assert half.first == single.first
    ours, theirs = ([line["loss"] for line in metrics(run.folder)] for run in (half, single))
    assert ours[0] != theirs[0]
    assert ours == pytest.approx(theirs, rel=2e-2)
    problem = half._problem
    exact = type(problem)(*(getattr(problem, name).double() for name in problem.data)).L
    assert problem.L.dtype == torch.float32
    assert (exact <= problem.L).all() and torch.allclose(problem.L.double(), exact, rtol=1e-4)


# ---- losses ----------------------------------------------------------------------------------------
def test_the_loss_against_the_solution(start: Callable[..., Run]) -> None:
    run = start(PA, "dtype float64; steps 2", loss="||y - x_star||_2^2")
    problem = run.training.solved(run.settings, 5, run.settings.generator(7), {})
    A, b, x, lam = (np.asarray(value) for value in (problem.A, problem.b, problem.x_star, problem.lam))
    correlation = np.einsum("bmn,bm->bn", A, b - np.einsum("bmn,bn->bm", A, x))
    assert np.abs(correlation).max() <= lam * (1 + 1e-9)         # optimal: |A'(b - A x)| <= lam, = lam*sign on the support
    assert np.abs(correlation - lam * np.sign(x))[x != 0].max() < 1e-9
    state = run.model.init_state(problem)   # type: ignore[operator]
    for _ in range(3):
        state = run.model.step(problem, state)  # type: ignore[operator]
    expected = ((state.y.detach().numpy() - x) ** 2).sum(-1, keepdims=True)
    np.testing.assert_allclose(run.training.loss(problem, state).detach().numpy(), expected, rtol=1e-12)
    assert train(run).step == 2
    single = start(PA, "steps 1", "single", loss="||y - x_star||_2^2")
    drawn = single.training.solved(single.settings, 2, single.settings.generator(), {})
    assert drawn.x_star.dtype == torch.float32
    assert torch.equal(drawn.x_star, solve(drawn).x.float())


# ---- search ----------------------------------------------------------------------------------------
def first_batch(run: Run) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    problem = run.training.sample(run.settings, run.settings.batch, run.settings.generator(1), run.shared)
    A, b, x_true = (np.asarray(value) for value in (problem.A, problem.b, problem.x_true))
    return A, b, x_true


def test_a_grid_finds_the_best_of_a_quadratic(start: Callable[..., Run]) -> None:
    """One layer gives x = c*A'*b, so the loss is a parabola in c with its minimum at <A'b, x_true>/||A'b||^2."""
    run = start(GRADIENT, "search grid(c in [0.01, 1], points = 34)")
    A, b, x_true = first_batch(run)
    v = b @ A
    vertex = (v * x_true).sum() / (v * v).sum()
    grid = np.linspace(0.01, 1, 34)
    nearest = grid[np.abs(grid - vertex).argmin()]
    train(run)
    c = load_run(run.folder).model.state_dict()["c"].double()
    share = 1e-3 + 0.998 * torch.sigmoid(c)
    assert 2 * share.item() == pytest.approx(nearest, rel=1e-12)
    assert 0.01 < nearest < 1
    assert run.best == pytest.approx(((nearest * v - x_true) ** 2).sum(-1).mean(), rel=1e-12)
    losses = {line["point"]["c"]: line["loss"] for line in metrics(run.folder)}
    assert len(losses) == 34
    for value, found in losses.items():
        assert found == pytest.approx(((value * v - x_true) ** 2).sum(-1).mean(), rel=1e-10)


def test_a_search_that_finds_nothing_better_keeps_the_initial_values(start: Callable[..., Run]) -> None:
    run = train(start(GRADIENT, "search grid(c in [1.5, 1.9], points = 3)"))
    assert run.best_step == 0 and run.best == run.first
    assert run.result == f"best loss on the first batch {run.best:.5g}, at the initial values"
    assert torch.equal(run.model.state_dict()["c"], run.training.build(run.settings)[0].state_dict()["c"])


def test_points_of_a_search() -> None:
    def of(search: str, seed: int = 0) -> list[dict[str, float]]:
        return list(points(Settings(algorithm="X", problem="p", layers=1, search=search, seed=seed)))

    both = of("grid(c in [1, 3], d in [1e-4, 1], points = (3, 5), spacing = (linear, log))")
    expected = list(product(np.linspace(1, 3, 3), np.geomspace(1e-4, 1, 5)))
    np.testing.assert_allclose([tuple(p.values()) for p in both], expected, rtol=1e-12)
    assert of("grid(c in [1, 3], points = 1)") == [{"c": 1.0}]
    drawn = of("random(c in [1e-4, 1], points = 400, spacing = log)")
    values = np.log10([p["c"] for p in drawn])
    assert len(drawn) == 400 and values.min() >= -4 and values.max() <= 0
    np.testing.assert_allclose(np.histogram(values, 4, (-4, 0))[0] / 400, 0.25, atol=0.08)
    assert drawn == of("random(c in [1e-4, 1], points = 400, spacing = log)")
    assert drawn != of("random(c in [1e-4, 1], points = 400, spacing = log)", seed=1)


def test_a_random_search_keeps_the_best_point(start: Callable[..., Run]) -> None:
    run = train(start(GRADIENT, "search random(c in [0.01, 1], d in [-1, 1], points = 30)"))
    A, b, x_true = first_batch(run)
    lines = metrics(run.folder)
    losses = [((line["point"]["c"] * (b @ A) - x_true) ** 2).sum(-1).mean() for line in lines]   # d meets x = 0
    assert [line["loss"] for line in lines] == pytest.approx(losses, rel=1e-10)
    assert run.best == min([run.first, *[line["loss"] for line in lines]])


# ---- warm starts -----------------------------------------------------------------------------------
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


# ---- divergence ------------------------------------------------------------------------------------
def test_divergence_says_where(start: Callable[..., Run]) -> None:
    run = start(GRADIENT.replace("layers 1", "layers 40"), "steps 40; optimizer sgd(rate = 1e3)")
    with pytest.raises(Diverged, match=r"On the last problems the loss is out of range from iteration \d+ on. "
                                       r"The largest gradient is that of `[cd]`. The weights of step 0 "):
        train(run)
    assert all(value.isfinite().all() for value in run.model.state_dict().values())


def test_an_exploding_rate_is_reported_and_leaves_the_best_weights(tmp_path: Path) -> None:
    """From the command line: the iteration, the parameter, and a folder whose weights are those before the explosion."""
    text = GRADIENT.replace("layers 1", "layers 40").replace("SETTINGS", "steps 40; optimizer sgd(rate = 1e3)")
    (tmp_path / "far.l2o").write_text(text.replace("LOSS", "F(x)"))
    done = CliRunner().invoke(main, ["train", str(tmp_path / "far.l2o"), "-o", str(tmp_path / "run"), "--quiet"])
    assert done.exit_code == 1
    assert re.search(r"error: training diverged in step \d+: .*out of range from iteration \d+ on\. The largest gradient is "
                     r"that of `[cd]`\. The weights of step 0 \(validation \S+\) are kept in", done.output), done.output
    kept = load_run(tmp_path / "run")
    fresh = kept.training.build(kept.settings)[0].state_dict()
    assert all(torch.equal(value, fresh[name]) for name, value in kept.model.state_dict().items())


# ---- kills -----------------------------------------------------------------------------------------
KILLED = """
import os, random, signal, sys, time
from pathlib import Path
import torch
torch.set_num_threads(1)
from l2ogen.runtime import Run, train
base, loop = Path(sys.argv[1]), sys.argv[2]
chance = random.Random(sys.argv[3])
Run.create(base / "whole", loop, quiet=True)
Run.create(base / "killed", loop, quiet=True)
train(Run.resume(base / "whole", quiet=True))
total, lines = (base / "whole/metrics.jsonl").stat().st_size, base / "killed/metrics.jsonl"
kills = 0
for _ in range(6):
    child = os.fork()
    if child == 0:
        train(Run.resume(base / "killed", quiet=True))
        os._exit(0)
    written = lines.stat().st_size if lines.exists() else 0
    goal, ended = written + total * chance.uniform(0, 0.3), (0, 0)
    while ended[0] == 0 and (lines.stat().st_size if lines.exists() else 0) <= goal:    # so far, and a moment
        ended = os.waitpid(child, os.WNOHANG)
    if ended[0] == 0:
        time.sleep(chance.uniform(0, 0.004))
        os.kill(child, signal.SIGKILL)
        kills += os.WIFSIGNALED(os.waitpid(child, 0)[1])
train(Run.resume(base / "killed", quiet=True))
print(kills)
"""


@pytest.mark.parametrize(("text", "line"), [
    (LISTA, "schedule layerwise(steps = 9, rates = (1e-2, 2e-3), decay = 0.3), joint(rate = 1e-4, steps = 25); rate cosine"),
    (TIED, "schedule layerwise(steps = 12, rates = (1e-2, 1e-3)); patience 2; samples fixed(30)"),
    (LISTA, "optimizer adam(rate = 3e-2); rate plateau(patience = 1, factor = 0.5); steps 80"),
    (GRADIENT, "search grid(c in [0.01, 1], d in [-1, 1], points = (10, 12)); validate(every = 5)"),
    (GRADIENT, "search random(c in [0.01, 1], points = 150); validate(every = 7)"),
    (PA, "curriculum(horizon = 2, every = 10); samples fixed(14); rate step(every = 7, factor = 0.8); steps 40; truncate 3"),
    (PA, "optimizer sgd(rate = 1e-2, momentum = 0.9); dtype bfloat16; steps 30; clip_norm 0.5"),
], ids=["layerwise", "shared", "plateau", "grid", "random", "curriculum", "bfloat16"])
def test_killed_at_random_and_resumed_it_ends_where_it_would_have(text: str, line: str, tmp_path: Path) -> None:
    loop = written(spec(text, line), tmp_path / "code")
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(loop), line], capture_output=True, text=True,
                          check=False, env=os.environ | {"OMP_NUM_THREADS": "1"}, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 1, "no kill came in time"
    assert_same_end(tmp_path / "whole", tmp_path / "killed")


def test_a_warm_run_killed_before_its_first_checkpoint_starts_warm_again(start: Callable[..., Run]) -> None:
    first = train(start(LISTA, "steps 6; optimizer adam(rate = 1e-2)", "first"))
    whole = train(start(LISTA, "steps 5", "whole", warm=str(first.folder)))
    begun = start(LISTA, "steps 5", "begun", warm=str(first.folder))
    shutil.rmtree(first.folder)
    assert_same_end(whole.folder, train(Run.resume(begun.folder, quiet=True)).folder)


def test_weights_need_gradients_again_after_a_schedule(start: Callable[..., Run]) -> None:
    run = train(start(LISTA, "schedule layerwise(steps = 1)"))
    assert all(isinstance(weight, nn.Parameter) and weight.requires_grad for weight in run.model.parameters())


# ---- every shipped loop ----------------------------------------------------------------------------
def loops() -> list[Path]:
    """The generated loops whose problem has all that the rule asks of it."""
    found = sorted((ROOT / "generated").glob("*_train.py"))
    texts = {loop: loop.with_name(loop.name.replace("_train", "")).read_text() for loop in found}
    return [loop for loop in found if "problem.subgrad_F(" not in texts[loop] or "def subgrad_F(" in texts[loop]]


@pytest.mark.parametrize("loop", loops(), ids=lambda path: path.stem)
def test_every_generated_loop_trains(loop: Path, tmp_path: Path) -> None:
    """Two steps at a small size: nothing in a loop depends on the published ones."""
    text = loop.read_text()
    small = {"m": 6, "n": 10, "sparsity": 2, "density": 0.5}
    sizes: dict[str, Any] = {name: value for name, value in small.items() if f'"{name}":' in text}
    length: dict[str, Any] = {"layers": 3} if "    layers=" in text else {"horizon": 4}
    if "    truncate=" in text:
        length["truncate"] = 2
    searches = "    search=" in text
    length |= {"search_points": 2} if searches else {"steps": 2}
    if "    schedule=" in text:
        length = {k: v for k, v in length.items() if k != "steps"} | {"schedule": "joint(steps = 2, rate = 1e-2)"}
    run = Run.create(tmp_path / "run", loop, quiet=True, batch=3, validate="every = 1, batch = 4", **sizes, **length)
    optimizers: list[torch.optim.Optimizer] = []
    make = run.optimizer
    run.optimizer = lambda stage: optimizers.append(make(stage)) or optimizers[-1]  # type: ignore[method-assign,func-returns-value]
    train(run)
    assert run.step == 2 and math.isfinite(run.best)
    assert searches or optimizers[0].state, "nothing was updated"
