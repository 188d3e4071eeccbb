"""A limit of time for what may take SymPy forever.

On the main thread of systems with interval timers (not on Windows) a signal ends even a computation that never comes
back; it is sent again as long as it is caught somewhere on the way. Elsewhere the time is looked at between steps, by
`look`.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

AGAIN = 0.5
"""Seconds until the signal is sent once more."""

_ends: list[float] = []
"""When the limits that hold end, in seconds of the monotonic clock."""


class TimeLimit(BaseException):
    """The time is over. No `Exception`, which libraries catch and go on."""


def interrupts() -> bool:
    """Whether a computation that does not look at the time is ended, too."""
    return hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()


def look() -> None:
    """Raises TimeLimit where the time is over."""
    if _ends and time.monotonic() > min(_ends):
        raise TimeLimit


@contextmanager
def deadline(seconds: float | None) -> Iterator[None]:
    """Raises TimeLimit inside the block once so many seconds are over; None is no limit."""
    if seconds is None:
        yield
        return
    started = time.monotonic()
    _ends.append(started + seconds)
    try:
        if interrupts():
            with _alarm(seconds, started):
                yield
        else:
            yield
    finally:
        _ends.pop()


@contextmanager
def _alarm(seconds: float, started: float) -> Iterator[None]:
    done = False

    def ring(signum: int, frame: FrameType | None) -> None:
        if not done:
            raise TimeLimit

    handler = signal.signal(signal.SIGALRM, ring)
    delay, interval = signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
    try:
        try:
            yield
        finally:
            done = True
    finally:  # also of a signal that comes on the line above; the next one is far enough away
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if delay:  # a timer of someone else's goes on
            left = max(delay - (time.monotonic() - started), 1e-3)
            signal.setitimer(signal.ITIMER_REAL, left, interval)


__all__ = ["TimeLimit", "deadline", "interrupts", "look"]
