"""Writing files: all or none, never half of one, never over a file that its user edited."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile


class Edited(Exception):
    """A file that would be overwritten was changed by hand, or is not ours."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} was edited or not written by l2ogen; use --force, or another folder")
        self.path = path


def write_text(path: Path, text: str) -> None:
    """Write one file at once: a reader sees the old text or the new one."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """The same for what is no text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile("wb", dir=path.parent, suffix=".tmp", delete=False) as file:
        file.write(content)
    os.chmod(file.name, path.stat().st_mode & 0o777 if path.exists() else 0o644)
    os.replace(file.name, path)


def write_all(texts: Mapping[Path, str], ours: Callable[[str], bool], force: bool = False) -> list[Path]:
    """Write every file, or none: raises Edited before the first is touched. Returns the paths."""
    for path, text in texts.items():
        if not force and path.exists():
            old = path.read_text(encoding="utf-8", errors="replace")
            if old != text and not ours(old):
                raise Edited(path)
    for path, text in texts.items():
        if not path.exists() or path.read_text(encoding="utf-8", errors="replace") != text:
            write_text(path, text)
    return list(texts)
