"""A training run and its folder: validation, best weights, checkpoints, resuming bit for bit.

A run folder holds what is needed to continue or use it without the compiler:

    l2o_pa.py  l2o_pa_train.py      the generated code
    spec.l2o                        the file that it was compiled from, where known
    settings.json                   what this run used
    metrics.jsonl                   one line per step: loss, learning rate, validation when there was one
    tensorboard/                    the same for TensorBoard, where it was asked for
    checkpoint.safetensors          everything that resuming needs, in one file: replacing it is the commit
    weights.safetensors             the best validated weights and the shared data
    warm.safetensors                the weights that it started from, where `warm` named some
"""
from __future__ import annotations

import json
import math
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType, ModuleType
from typing import Any

import torch
from rich.console import Console
from torch import Tensor, nn

from l2ogen.runtime import checkpoint, distributed, schedule, warm
from l2ogen.runtime.guard import Guard
from l2ogen.runtime.loading import load_module, module_file, training_file
from l2ogen.runtime.progress import Board, Display
from l2ogen.runtime.schedule import Stage
from l2ogen.runtime.settings import Settings

SETTINGS, METRICS, SPEC = "settings.json", "metrics.jsonl", "spec.l2o"
CHECKPOINT, WEIGHTS, WARM = "checkpoint.safetensors", "weights.safetensors", "warm.safetensors"


class RunError(Exception):
    """A run that cannot start or continue; the message is meant for the user."""


class Diverged(RunError):
    """The training broke down; the best validated weights have been restored."""


class Interrupted(RunError):
    """The user stopped the training; the message says how to resume."""


class Run:
    """One training. The generated loop uses settings, model, stages(), optimizer(), steps(), draw(), log(), clip();
    a search uses draw(), points(), judge()."""

    def __init__(self, folder: Path, training: ModuleType, settings: Settings,
                 console: Console | None = None, quiet: bool = False, tensorboard: bool = False):
        self.folder, self.training, self.settings = folder, training, settings
        self.model: nn.Module
        self.model, self.shared = training.build(settings)
        self.generator = settings.generator(1)
        self.plan = schedule.plan(settings)
        total = sum(stage.steps for stage in self.plan)
        quiet = quiet or distributed.rank() > 0
        self.display = Display(f"{settings.algorithm} on {settings.problem}", total, console, quiet)
        self.board = _board(folder) if tensorboard and not distributed.rank() else None
        self.step = 0                       # steps done
        self.best, self.best_step = math.inf, 0
        self.best_weights = self._weights()
        self.seconds = 0.0                  # of training, earlier sessions included
        self._stage, self._done = 0, 0      # the stage's number in the plan, and the steps done in it
        self._scale, self._idle = 1.0, 0    # what `rate plateau` has come to; validations without improvement
        self._resumed: Callable[[torch.optim.Optimizer], None] | None = None
        self._problem: Any = None           # the last batch
        self._share = 1.0                   # of the last batch that this process works on
        self._kept: dict[int, tuple[Any, float]] = {}   # the batches of `samples fixed`
        self._validation: Any = None
        self._losses: list[float] = []
        self._guard = Guard()
        self._asked, self._stop = False, False  # to stop: this process; all of them

    @property
    def first(self) -> float | None:
        """The validation before any training of so many iterations"""
        return self._guard.first

    @property
    def dropped(self) -> int:
        """Updates that were not made: they would have done harm."""
        return self._guard.dropped

    @property
    def result(self) -> str:
        """What came out, for people"""
        if self.settings.search is not None:
            place = f"point {self.best_step}" if self.best_step else "the initial values"
            return f"best loss on the first batch {self.best:.5g}, at {place}"
        return f"best validation {self.best:.5g} after step {self.best_step}"

    # ---- starting and resuming -------------------------------------------------------------------
    @classmethod
    def create(cls, folder: Path | str, generated: Path | str, *, spec: Path | str | None = None,
               console: Console | None = None, quiet: bool = False, tensorboard: bool = False,
               **overrides: Any) -> Run:
        """A new run folder for the training loop at `generated` (a folder or the file *_train.py).

        Raises RunError if the folder exists and is not empty, ValueError for settings that make no sense.
        """
        folder, source = Path(folder), training_file(generated)
        code = load_module(source)
        settings = code.SETTINGS.override(**overrides)
        if tensorboard:
            _board(folder)      # what is missing is said now
        _meet(settings)
        distributed.first(lambda: cls._new_folder(folder, source, code, settings, spec))
        return cls(folder, load_module(folder / source.name), settings, console, quiet, tensorboard)

    @staticmethod
    def _new_folder(folder: Path, source: Path, code: ModuleType, settings: Settings, spec: Path | str | None) -> None:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise RunError(f"{folder} is not empty; nothing was changed. "
                           "Resume the run in it, or choose another folder.")
        schedule.check_code(settings, code)
        try:    # what cannot be built or drawn leaves no folder behind
            model, shared = code.build(settings)
            code.sample(settings, 1, settings.generator(3), shared)
        except (RuntimeError, AssertionError) as error:
            raise ValueError(f"these settings cannot be trained: {str(error).splitlines()[0]}") from None
        weights = warm.find(settings.warm, model) if settings.warm is not None else None
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as place:
            new = Path(place) / folder.name     # filled aside, then moved: a kill leaves no half of a run folder
            new.mkdir()
            for file in (module_file(source), source):
                shutil.copyfile(file, new / file.name)
            if spec is not None:
                shutil.copyfile(spec, new / SPEC)
            if weights is not None:             # copied: resuming must not depend on the other folder
                shutil.copyfile(weights, new / WARM)
            checkpoint.write_atomically(new / SETTINGS, settings.to_json().encode())
            os.replace(new, folder)

    @classmethod
    def resume(cls, folder: Path | str, *, console: Console | None = None, quiet: bool = False,
               tensorboard: bool = False) -> Run:
        """The run of `folder`, at its last checkpoint. Raises RunError where there is no run."""
        folder = Path(folder)
        try:
            settings = Settings.from_json((folder / SETTINGS).read_text(encoding="utf-8"))
            training = load_module(training_file(folder))
        except FileNotFoundError as error:
            raise RunError(f"{folder} holds no run to resume: {error}") from None
        _meet(settings)
        return cls(folder, training, settings, console, quiet, tensorboard)

    # ---- what the generated loop calls -----------------------------------------------------------
    def stages(self) -> Iterator[Stage]:
        """The stages that are left. At the end of each the model has the best validated weights."""
        self._restore()
        for number in range(self._stage, len(self.plan)):
            self._stage = number
            yield self.plan[number]
            self.model.load_state_dict(self.best_weights)
        self.model.requires_grad_(True)
        if self.dropped:
            self.display.say(f"{self.dropped} updates were dropped: loss or gradient out of range")

    def optimizer(self, stage: Stage) -> torch.optim.Optimizer:
        """A new optimizer over the weights that learn in this stage; the others rest."""
        return schedule.new_optimizer(self.settings, stage, self.model, getattr(self.training, "of_layer", None))

    def steps(self, stage: Stage, optimizer: torch.optim.Optimizer) -> Iterator[int]:
        """For each step that is left of the stage: the iterations to unroll.

        Between the steps: learning rate, metrics, validation, best weights, checkpoint. Raises Interrupted after
        Ctrl-C.
        """
        self._begin(stage, optimizer)
        started = time.perf_counter() - self.seconds
        while self._done < stage.steps and not self._out_of_patience():
            self._stop_here(optimizer)
            rate = stage.rate * self._scale * schedule.course(self.settings, self._done, stage.steps)
            for group in optimizer.param_groups:
                group["lr"] = rate * group["share"]
            self._losses = []
            yield schedule.unrolled(self.settings, stage, self._done)
            self.step += 1
            self._done += 1
            self.seconds = time.perf_counter() - started
            loss = sum(self._losses) / len(self._losses) if self._losses else None
            due = self._done % self.settings.validate_every == 0 or self._done == stage.steps
            value = self._validate(stage, loss) if due else None
            self._write_metrics(stage, loss, rate, value)
            if due:
                self._save(optimizer)
            self.display.update(self.step, loss, value, self.best)

    def draw(self, sample: Callable[..., Any]) -> Any:
        """The next problems: fresh ones, or those whose turn it is with `samples fixed(N)`, kept in memory."""
        s = self.settings
        count = s.samples.get("")
        if count is None:
            self._problem, self._share = distributed.part(sample(s, s.batch, self.generator, self.shared))
        else:
            turn = self.step % math.ceil(count / s.batch)
            if turn not in self._kept:      # the last batch holds the rest
                size = min(s.batch, count - turn * s.batch)
                self._kept[turn] = distributed.part(sample(s, size, s.generator(10 + turn), self.shared))
            self._problem, self._share = self._kept[turn]
        distributed.separate(s.seed, self.step)
        if s.dtype.word == "bfloat16":
            with suppress(ValueError):      # computed before the iterations: in bfloat16 it would be no upper bound
                getattr(self._problem, "L", None)
        return self._problem

    def log(self, loss: Tensor) -> None:
        """Note the loss of one update, before it is made."""
        value = self._agreed(loss.item())
        self._losses.append(value)
        self._guard.note(value)

    def _agreed(self, loss: float) -> float:
        """The loss of the whole batch; the processes also tell each other when one was asked to stop."""
        value, asked = distributed.total(self._share * loss, float(self._asked))
        self._stop = asked > 0
        return value

    def clip(self) -> None:
        """Shorten the gradient to `clip_norm`, if there is one; drop it where it would do harm.

        Raises Diverged where that happens again and again; the model then has the best validated weights.
        """
        distributed.sum_gradients(self.model, self._share)
        if self._guard.clip(self.model, self.settings.clip_norm, self.step + 1):
            return
        iterations = self.plan[self._stage].iterations
        report = self._guard.report(self.training, self.settings, self.model, self._problem, iterations)
        self.model.load_state_dict(self.best_weights)
        distributed.first(self._write_weights)
        raise Diverged(f"{report}The weights of step {self.best_step} (validation {self.best:.5g}) are kept in "
                       f"{self.folder / WEIGHTS}. A lower rate or a clip_norm helps most often.")

    def points(self) -> Iterator[dict[str, float]]:
        """What a search tries: {} first, for the initial values, then the points that are left."""
        self._restore()
        tried, (stage,) = list(schedule.points(self.settings)), self.plan
        if self._resumed is None:
            yield {}
            self._guard.first = self._losses[-1]
            self._save(None)
        started = time.perf_counter() - self.seconds
        while self.step < stage.steps:
            self._stop_here(None)
            values = tried[self.step]
            self.step += 1
            yield values
            self.seconds = time.perf_counter() - started
            value = self._losses[-1]
            self._write_metrics(stage, value, 0.0, None, values)
            if self.step % self.settings.validate_every == 0 or self.step == stage.steps:
                self._save(None)
                self.display.validated(self.step, value, self.best, self.best)
            self.display.update(self.step, value, None, self.best)
        self.model.load_state_dict(self.best_weights)

    def judge(self, loss: Tensor) -> None:
        """Note the loss of the point that is tried; the best one's weights are kept."""
        self._losses = [self._agreed(loss.item())]
        self._keep_if_best(self._losses[0])

    # ---- between the steps -----------------------------------------------------------------------
    def _begin(self, stage: Stage, optimizer: torch.optim.Optimizer) -> None:
        """Resume in the stage, or start it: losses of so many iterations compare only with each other."""
        self.display.part(stage.name)
        if self._resumed is not None:
            self._resumed(optimizer)
            self._resumed = None
            return
        self._done, self._scale, self._idle = 0, 1.0, 0
        if self.first is None or self.plan[self._stage - 1].iterations != stage.iterations:
            self.best = math.inf
            self._guard.first = self._validate(stage, None)
        self._save(optimizer)

    def _stop_here(self, optimizer: torch.optim.Optimizer | None) -> None:
        if self._stop:
            self._save(optimizer)
            total = sum(stage.steps for stage in self.plan)
            raise Interrupted(f"stopped after step {self.step} of {total}; "
                              f"resume the run in {self.folder} to continue from there")

    def _validate(self, stage: Stage, loss: float | None) -> float:
        """The loss on problems that training never sees, the same each time; keeps the best weights."""
        s = replace(self.settings, dtype="float32") if self.settings.dtype.word == "bfloat16" else self.settings
        if self._validation is None:
            sample = getattr(self.training, "solved", self.training.sample)
            self._validation = distributed.part(sample(s, s.validate_batch, s.generator(2), self.shared))
        problem, share = self._validation
        with torch.no_grad():
            values = [each.item() for each in self.training.segments(s, self.model, problem, stage.iterations)]
        (value,) = distributed.total(share * sum(values) / len(values))
        better = self._keep_if_best(value)
        rate = s.rate
        if rate is not None and rate.word == "plateau" and self._done:
            self._idle = 0 if better else self._idle + 1
            if self._idle == rate.get("patience"):
                self._scale, self._idle = self._scale * rate.get("factor"), 0
        self.display.validated(self.step, loss, value, self.best)
        return value

    def _keep_if_best(self, value: float) -> bool:
        better = value < self.best      # never for NaN
        if better:
            self.best, self.best_step, self.best_weights = value, self.step, self._weights()
        return better

    def _out_of_patience(self) -> bool:
        s = self.settings
        since = max(self.best_step, self.step - self._done)     # a new stage gets its own time
        return s.patience is not None and self.step - since >= s.patience * s.validate_every

    def _weights(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self.model.state_dict().items()}

    def _write_metrics(self, stage: Stage, loss: float | None, rate: float, validation: float | None,
                       point: dict[str, float] | None = None) -> None:
        if distributed.rank():
            return
        line: dict[str, Any] = {"step": self.step, "loss": _finite(loss), "rate": rate,
                                "seconds": round(self.seconds, 3)}
        if stage.name:
            line["stage"] = stage.name
        if point is not None:
            line["point"] = point
        if validation is not None:
            line["validation"] = _finite(validation)
        with open(self.folder / METRICS, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        if self.board is not None:
            self.board.write(self.step, line)

    # ---- files -----------------------------------------------------------------------------------
    def _save(self, optimizer: torch.optim.Optimizer | None) -> None:
        distributed.first(lambda: self._write_checkpoint(optimizer))

    def _write_checkpoint(self, optimizer: torch.optim.Optimizer | None) -> None:
        """Metrics first, then the checkpoint, which says how many of them count; the weights follow from it."""
        metrics = self.folder / METRICS
        with open(metrics, "ab") as file:
            os.fsync(file.fileno())
        moments, groups = checkpoint.flatten_optimizer(optimizer) if optimizer is not None else ({}, {})
        tensors = checkpoint.joined(
            model=self.model.state_dict(), best=self.best_weights, shared=self.shared, optimizer=moments,
            random=checkpoint.random_state(self.generator))
        checkpoint.save(self.folder / CHECKPOINT, tensors, {
            "step": self.step, "best": self.best, "best_step": self.best_step,
            "stage": self._stage, "done": self._done, "plateau": [self._scale, self._idle],
            "guard": self._guard.state(),
            "seconds": self.seconds, "metrics_bytes": metrics.stat().st_size, "optimizer": groups,
        })
        self._write_weights()

    def _write_weights(self) -> None:
        s = self.settings
        tensors = checkpoint.joined(model=self.best_weights, shared=self.shared)
        checkpoint.save(self.folder / WEIGHTS, tensors, {
            "algorithm": s.algorithm, "problem": s.problem, "step": self.best_step, "validation": self.best,
            "facts": warm.facts(self.model)})

    def _restore(self) -> None:
        """Go on at the last checkpoint; without one, begin, with the weights of `warm` where there are some."""
        path = self.folder / CHECKPOINT
        tensors, meta = checkpoint.load(path) if path.exists() else ({}, {})
        distributed.first(lambda: self._tidy(meta.get("metrics_bytes", 0)))
        if not meta:
            if (self.folder / WARM).exists():
                self.display.say(warm.start(self.model, self.shared, self.folder / WARM))
                self.best_weights = self._weights()
            return
        copy_into(self.shared, checkpoint.part("shared", tensors))
        self.model.load_state_dict(checkpoint.part("model", tensors))
        self.best_weights = checkpoint.part("best", tensors)
        checkpoint.restore_random_state(self.generator, checkpoint.part("random", tensors))
        self.step, self.best, self.best_step = meta["step"], meta["best"], meta["best_step"]
        self.seconds = meta["seconds"]
        self._stage, self._done = meta["stage"], meta["done"]
        self._scale, self._idle = meta["plateau"]
        self._guard.restore(meta["guard"])
        moments = checkpoint.part("optimizer", tensors)
        self._resumed = lambda optimizer: checkpoint.restore_optimizer(optimizer, moments, meta["optimizer"])
        distributed.first(self._write_weights)
        self.display.update(self.step, None, None, self.best)

    def _tidy(self, metrics_bytes: int) -> None:
        """Without what a kill left half written, and without metrics after the checkpoint: they come again."""
        for left in self.folder.glob(".*.part"):
            left.unlink()
        with open(self.folder / METRICS, "ab") as file:
            file.truncate(metrics_bytes)

    @contextmanager
    def session(self) -> Iterator[None]:
        """Shows the progress; a first Ctrl-C (or SIGTERM) ends the run after the step, a second at once."""
        def stop(number: int, _: FrameType | None) -> None:
            if self._asked and distributed.world() == 1:    # torchrun passes a Ctrl-C on, so that it comes twice
                raise KeyboardInterrupt
            self._asked = True
            self.display.say("stopping after this step (once more: at once)")

        here = threading.current_thread() is threading.main_thread()
        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM) if here}
        try:
            with self.display:
                yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            if self.board is not None:
                self.board.close()


def _board(folder: Path) -> Board:
    try:
        return Board(folder / "tensorboard")
    except ImportError:
        raise RunError("TensorBoard is not installed: pip install 'l2ogen[tensorboard]'") from None


def _meet(settings: Settings) -> None:
    """The other processes of torchrun, if there are some, and work for each."""
    distributed.join(settings.like["device"])
    count = settings.samples.get("") or settings.batch
    distributed.check(batch=settings.batch, samples=count % settings.batch or settings.batch,
                      validate=settings.validate_batch)


def _finite(value: float | None) -> float | None:
    """JSON has no infinity: null instead"""
    return value if value is not None and math.isfinite(value) else None


def copy_into(shared: dict[str, Tensor], saved: dict[str, Tensor]) -> None:
    """In place: the model and the problems hold the same tensors."""
    for name, value in saved.items():
        shared[name].copy_(value)
