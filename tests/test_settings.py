"""Every setting of `train`: what is refused in the file and on the command line, how it is printed and overridden."""
from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from test_training import GRADIENT, LIBRARY, LISTA, PA, ROOT, spec, written

from l2ogen import pipeline, vocabulary
from l2ogen.api import Spec
from l2ogen.cli import main
from l2ogen.runtime import Run, Settings, load_module, load_run
from l2ogen.source import Source


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def codes(text: str, settings: str = "", loss: str = "mean over k of F(x)") -> list[str]:
    return [d.code for d in spec(text, settings, loss).diagnostics]


# ---- settings ------------------------------------------------------------------------------------
def test_settings_survive_json() -> None:
    settings = Settings(algorithm="X", problem="lasso", sizes={"m": 20, "density": 0.1}, layers=16,
                        clip_norm=0.5, patience=3, rate="step(every = 3, factor = 0.5)", warm="runs/x",
                        schedule="layerwise(steps = 5, rates = (1e-2, 1e-3), decay = 0.3), joint(steps = 7)")
    assert Settings.from_json(settings.to_json()) == settings


def test_settings_override_takes_text_and_sizes() -> None:
    settings = Settings(algorithm="X", problem="lasso", sizes={"m": 20, "n": 40}, horizon=100)
    changed = settings.override(rate="1e-2", steps="7", m="8", clip_norm=None, sizes={"n": 9})
    assert (changed.learning_rate, changed.steps, changed.sizes) == (0.01, 7, {"m": 8, "n": 9})
    assert settings.sizes == {"m": 20, "n": 40}


@pytest.mark.parametrize(("changes", "message"), [
    ({"stepz": 5}, "unknown setting `stepz` .did you mean 'steps'"),
    ({"optimizer": "adan"}, "`optimizer` cannot be 'adan' .did you mean 'adam"),
    ({"rate": "cosin"}, "did you mean 'cosine'"),
    ({"dtype": "float16"}, "did you mean 'bfloat16'"),
    ({"sizes": {"sparcity": 3}}, "unknown size `sparcity` .there is m"),
    ({"rate": 0}, "`rate` takes a positive number"),
    ({"rate": math.nan}, "`rate` takes a positive number"),
    ({"steps": 2.5}, "`steps` must be a positive whole number, not 2.5"),
    ({"steps": True}, "`steps` must be a positive whole number, not True"),
    ({"batch": "many"}, "`batch` must be a positive whole number, not 'many'"),
    ({"seed": -1}, "`seed` must be a whole number, not -1"),
    ({"truncate": 200}, "`truncate` is longer than `horizon`: take at most 100"),
    ({"layers": 16, "horizon": 8}, "`layers` and `horizon` both say"),
    ({"device": "gpu"}, "`device` cannot be 'gpu'"),
])
def test_settings_that_make_no_sense(changes: dict[str, Any], message: str) -> None:
    settings = Settings(algorithm="X", problem="lasso", sizes={"m": 20}, horizon=100)
    with pytest.raises(ValueError, match=message):
        settings.override(**changes)


def test_settings_from_json_with_an_unknown_name() -> None:
    with pytest.raises(ValueError, match="unknown setting `rates`"):
        Settings.from_json('{"algorithm": "X", "problem": "lasso", "horizon": 5, "rates": 1}')
    with pytest.raises(ValueError, match="settings without problem"):
        Settings.from_json('{"algorithm": "X", "horizon": 5}')


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
