"""A check ends: what takes longer than `--limit` is unknown, and says so."""
from __future__ import annotations

import contextlib
import json
import signal
import threading
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

import l2ogen
from l2ogen import pipeline
from l2ogen.analysis import deadline as module
from l2ogen.analysis.deadline import TimeLimit, deadline, interrupts, look
from l2ogen.analysis.report import examine, verdicts
from l2ogen.cli import main
from l2ogen.core import ir
from l2ogen.source import Source

SLOW = """algorithm T
problem {{ f(x) : convex, smooth(L); minimize f(x) }}
state {{ x in R^n = 0; t in R = 1 }}
update {{
  s = {}
  x+ = x - 1/L*s*grad f(x)
  t+ = t + 1
}}
""".format(" + ".join(f"1/(sqrt(t + {i}) + exp(t) + tanh({i}*t))" for i in range(1, 9)))
"""Bringing the sum under one denominator takes SymPy many minutes."""

needs_timers = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no interval timers on this system")


def forever(*_: object) -> None:
    while True:
        with contextlib.suppress(Exception):
            sum(range(10_000))


@needs_timers
def test_a_computation_that_never_ends_is_ended() -> None:
    before, began = signal.getsignal(signal.SIGALRM), time.monotonic()
    with pytest.raises(TimeLimit), deadline(0.2):
        forever()
    assert time.monotonic() - began < 5
    assert signal.getsignal(signal.SIGALRM) is before and signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    look()  # the limit holds no longer
    with deadline(0.01):  # a block that is left in time
        pass
    time.sleep(0.05)


@needs_timers
def test_who_catches_the_limit_once_is_interrupted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGAIN", 0.05)
    caught = []
    with pytest.raises(TimeLimit), deadline(0.1):
        try:
            forever()
        except TimeLimit:
            caught.append(1)
        forever()
    assert caught


@needs_timers
def test_a_timer_of_someone_else_goes_on() -> None:
    rung: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with deadline(10):
            time.sleep(0.05)
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 0.26 and not rung
        time.sleep(0.4)
        assert rung
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_elsewhere_the_time_is_looked_at() -> None:
    """A thread gets no signal."""
    found: list[object] = []

    def work() -> None:
        found.append(interrupts())
        program = l2ogen.load("pba12").checked.program
        assert isinstance(program, ir.Algorithm)
        found.append(examine(program, limit=1e-9))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    interrupted, report = found
    assert not interrupted and isinstance(report, verdicts.Report)
    assert report.targets[0].fixed_point.verdict == "unknown" and "time limit" in report.targets[0].fixed_point.reason


@needs_timers
def test_a_slow_rule(tmp_path: Path) -> None:
    file, began = tmp_path / "slow.l2o", time.monotonic()
    file.write_text(SLOW)
    result = CliRunner().invoke(main, ["check", str(file), "--limit", "1", "--json"])
    (target,) = json.loads(result.output)["targets"]
    assert result.exit_code == 0 and time.monotonic() - began < 20
    assert target["fixed_point"]["verdict"] in ("conditional", "unknown")  # as fast as the machine is
    for found in (target["exactness"], target["convergence"]):
        assert found["verdict"] == "unknown" and found["because"] == "the time limit of 1 seconds"


@needs_timers
def test_what_was_decided_in_time_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdicts, "exactness", forever)
    program = pipeline.check(Source.read(Path(l2ogen.load("ista").checked.source.name))).program
    assert isinstance(program, ir.Algorithm)
    (target,) = examine(program, limit=1.5).targets
    assert target.fixed_point.verdict == "proved" and target.form is not None
    assert target.exactness.verdict == target.convergence.verdict == "unknown"
    assert "time limit" in target.exactness.because


def test_limits_that_are_none() -> None:
    for limit in ("0", "-1", "soon"):
        assert CliRunner().invoke(main, ["check", "ista", "--limit", limit]).exit_code == 2


def test_a_limit_that_can_not_interrupt_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "interrupts", lambda: False)
    assert "this system interrupts nothing" in CliRunner().invoke(main, ["check", "ista", "--limit", "30"]).output
    assert "interrupts" not in CliRunner().invoke(main, ["check", "ista"]).output
