"""What a training shows while it runs: a live bar on a terminal, one line per validation elsewhere."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class Display:
    """Steps done of `total`; the loss of the last step, the last validation and the best one."""

    def __init__(self, title: str, total: int, console: Console | None = None, quiet: bool = False):
        self.console = console or Console(stderr=True)
        self.quiet = quiet
        self.bar = Progress(
            TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}  {task.fields[figures]}"), TimeRemainingColumn(),
            console=self.console, transient=True, disable=quiet or not self.console.is_terminal,
        )
        self.title = title
        self.task = self.bar.add_task(title, total=total, speed="", figures="")
        self.total = total
        self.validation: float | None = None    # the last one

    def __enter__(self) -> Display:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def part(self, name: str) -> None:
        """What is done now, for a training in several parts."""
        self.bar.update(self.task, description=f"{self.title}, {name}" if name else self.title)
        if name and not self.console.is_terminal:
            self.say(name)

    def update(self, step: int, loss: float | None, validation: float | None, best: float | None) -> None:
        self.validation = self.validation if validation is None else validation
        speed = self.bar.tasks[self.task].speed
        figures = "  ".join(f"{name} {value:.5g}" for name, value in
                            (("loss", loss), ("validation", self.validation), ("best", best)) if value is not None)
        rate = f"{speed:.3g} steps/s" if speed else ""
        self.bar.update(self.task, completed=step, figures=figures, speed=rate)

    def validated(self, step: int, loss: float | None, validation: float, best: float) -> None:
        """The line that stays: on a terminal the bar shows it already."""
        self.update(step, loss, validation, best)
        if not self.quiet and not self.console.is_terminal:
            shown = "" if loss is None else f"  loss {loss:.5g}"
            self.say(f"step {step}/{self.total}{shown}  validation {validation:.5g}  best {best:.5g}")

    def say(self, text: str) -> None:
        if not self.quiet:
            self.console.print(text, highlight=False, soft_wrap=True, markup=False)


class Board:
    """The curves of metrics.jsonl for TensorBoard. Raises ImportError where it is not installed."""

    def __init__(self, folder: Path):
        from torch.utils.tensorboard import SummaryWriter

        self.folder, self._kind = folder, SummaryWriter
        self._writer: Any = None    # opened when there is something to write

    def write(self, step: int, line: dict[str, Any]) -> None:
        """What was written of this step and later ones before a kill is dropped."""
        if self._writer is None:
            self._writer = self._kind(str(self.folder), purge_step=step)
        for name in ("loss", "rate", "validation"):
            if line.get(name) is not None:
                self._writer.add_scalar(name, line[name], step)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


@contextmanager
def counting(title: str, total: int) -> Iterator[Callable[[str, int], None]]:
    """A bar for work in parts, on a terminal alone: inside, say `report(what, how many)` after each part."""
    console = Console(stderr=True)
    bar = Progress(TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(),
                   TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal)
    task = bar.add_task(title, total=total)
    with bar:
        yield lambda what, count: bar.update(task, advance=count, description=f"{title}: {what}")
