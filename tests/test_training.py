"""What the settings of `train` mean: numbers of a run against formulas and loops written by hand here.

What survives a kill, in each mode, is held against a run that was left alone.
"""
from __future__ import annotations

import math
import os
import re
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
from test_runtime import assert_same_end, metrics
from torch import Tensor, nn

from l2ogen import pipeline
from l2ogen.api import Spec
from l2ogen.cli import main
from l2ogen.runtime import Diverged, Run, Settings, load_run, solve, train
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


def written(made: Spec, folder: Path) -> Path:
    """The generated loop in a folder of its own"""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in made.check().files().items():
        (folder / name).write_text(text)
    return folder / "small_train.py"


def created(tmp_path: Path, text: str, settings: str = "", name: str = "run", loss: str = "mean over k of F(x)",
            **changes: Any) -> Run:
    """A run of that spec in the folder `name`"""
    return Run.create(tmp_path / name, written(spec(text, settings, loss), tmp_path / f"{name}-code"), quiet=True, **changes)


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., Run]:
    return partial(created, tmp_path)


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
