"""Input that nobody means well, through the command line: one clear message within a second, nothing run, nothing written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from l2ogen.cli import main

UPDATE = "algorithm T\nproblem { f(x) : convex, smooth(L); minimize f(x) }\nstate { x in R^n = 0 }\nupdate { x+ = %s }\n"
RIGHT = UPDATE % "x - grad f(x)"
TEXTS: dict[str, bytes | str] = {
    "import": UPDATE % "__import__('os').system('touch owned')", "call": UPDATE % "x - eval(f)", "dunder": UPDATE % "x.__class__",
    "template": UPDATE % "x - {{ 7*7 }}", "percent": UPDATE % "x - {% raw %}", "1 MB": UPDATE % ("x + " * 250_000 + "x"),
    "10,000 parentheses": UPDATE % ("(" * 9_900 + "x" + ")" * 9_900), "10,000 open": UPDATE % ("(" * 10_000 + "x"),
    "10,000 closed": UPDATE % ("x" + ")" * 10_000), "10,000 braces": "{" * 10_000, "10,000 square": UPDATE % ("[" * 10_000), "square pairs": UPDATE % ("x" + "[x]" * 5_000), "3,000 empty blocks": "{}" * 3_000,
    "10,000 pairs": UPDATE % ("x" + "()" * 9_000), "many blocks": "state { }\n" * 1_900, "10,000 bars": UPDATE % ("x" + "|" * 10_000),
    "mixed brackets": UPDATE % "([{<" * 2_000, "path in a name": "algorithm ../../x\n" + RIGHT.split("\n", 1)[1],
    "path of a problem": RIGHT + "train { on ../../x }\n", "NUL": UPDATE % "x\0 - grad f(x)", "empty": "", "only a BOM": "\ufeff",
    "invalid UTF-8": RIGHT.encode().replace(b"x+ =", b"x+ \xff\xfe ="), "UTF-16": RIGHT.encode("utf-16"), "binary": bytes(range(256)) * 20,
    "right to left": UPDATE % "\u202ex - grad f(x)", "combining": UPDATE % "x\u0301 - grad f(x)", "zero width": UPDATE % "x\u200b - grad f(x)",
    "emoji": UPDATE % "x - 🚀*grad f(x)", "look-alike": UPDATE % "х - grad f(x)", "full width": UPDATE % "ｘ - grad f(x)",
    "long line": UPDATE % ("x - grad f(x)" + " + a" * 4_000), "long name": UPDATE % ("x - " + "a" * 15_000),
    "escape codes": UPDATE % "x - \x1b[31m grad f(x)", "unclosed string": RIGHT.replace("T\n", 'T\n"' + "a" * 10_000 + "\n"), "vertical tab": UPDATE % "x -\x0b grad f(x)",
}  # fmt: skip


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


@pytest.mark.parametrize("name", TEXTS)
def test_hostile_text(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = TEXTS[name]
    Path("spec.l2o").write_bytes(text if isinstance(text, bytes) else text.encode())
    run("check", "ista")  # the grammar is built once per process
    start = time.process_time()  # other processes may take their time
    code, output = run("compile", "spec.l2o", "-o", "out")
    assert time.process_time() - start < 1
    assert code == 1 and "nothing was written" in output and "Traceback" not in output
    codes = re.findall(r"^error\[(L2O\d+)\]", output, re.MULTILINE)
    assert len(codes) == 1 or (name == "binary" and len(codes) < 60), output[:2000]
    assert os.listdir() == ["spec.l2o"]
    assert "\x1b" not in output and "\0" not in output and "\u202e" not in output


def test_a_path_in_a_name_writes_nothing_outside_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "inside").mkdir()
    monkeypatch.chdir(tmp_path / "inside")
    Path("..hidden.l2o").write_text(RIGHT)
    code, output = run("compile", "..hidden.l2o", "-o", "out")
    assert code == 0 and {p.name for p in tmp_path.iterdir()} == {"inside"}
    assert all(Path(line).resolve().is_relative_to(Path("out").resolve()) for line in output.splitlines())


def test_what_is_no_file(tmp_path: Path) -> None:
    pipe, empty, secret = tmp_path / "pipe.l2o", tmp_path / "empty", tmp_path / "secret.l2o"
    os.mkfifo(pipe)
    empty.mkdir()
    secret.write_text(RIGHT)
    secret.chmod(0)
    start = time.perf_counter()
    assert "is no regular file" in run("check", str(pipe))[1] and "is no regular file" in run("check", "/dev/zero")[1]
    code, output = run("check", str(empty))
    assert code == 2 and "holds no .l2o files" in output
    if not os.access(secret, os.R_OK):  # not so for the superuser
        code, output = run("check", str(secret))
        assert code == 2 and "can't be read" in output
    assert run("check", str(tmp_path / "a\0b"))[0] == 2 and run("check", "x" * 5_000)[0] == 2
    assert time.perf_counter() - start < 1


def test_a_folder_called_like_a_spec_and_a_link_to_itself(tmp_path: Path) -> None:
    (tmp_path / "folder.l2o").mkdir()
    (tmp_path / "loop.l2o").symlink_to(tmp_path / "loop.l2o")
    (tmp_path / "spec.l2o").write_text(RIGHT)
    code, output = run("check", str(tmp_path))
    assert code == 2 and "is no regular file" in output
    assert run("check", str(tmp_path / "loop.l2o"))[0] == 2


def test_the_installed_command_prints_no_traceback(tmp_path: Path) -> None:
    """The same in a process of its own, where nothing is warm."""
    spec = tmp_path / "spec.l2o"
    spec.write_bytes(bytes(range(256)))
    done = subprocess.run([sys.executable, "-m", "l2ogen", "check", str(spec)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "Traceback" not in done.stderr and "error[L2O" in done.stderr
