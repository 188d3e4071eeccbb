"""A variant is its base with some lines exchanged: held against the same algorithm written out in full."""
import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from test_meaning import HEAD, TRAIN, build

import l2ogen
from l2ogen import pipeline
from l2ogen.cli import main
from l2ogen.source import Source
from l2ogen.syntax.parser import parse
from l2ogen.syntax.printer import fmt

NETS = "networks { phi = mlp(hidden = 3) per coordinate }\n"
PARAMETERS = """parameters {
  learned a in R init 0.3 with a >= 0
  learned c_k, d_k in R init 0.1 with bounded(2)
  fixed b in R = a/2
  predicted P, A, B in diag(n) = phi(x, grad f(x)) with 0 < P < 2/L, 0 < A < 2
}
"""
STATE = "state { x, y in R^n = 1 }\n"
UPDATE = """update {
  g = b*grad f(y) + c_k*y
  x+ = prox_r,P(y - P*grad f(y) - d_k*g) + B*x
  y+ = x+ + A*(x+ - x)
}
"""
BASE = HEAD + NETS + PARAMETERS + STATE + UPDATE + TRAIN


def replaced(*pairs: tuple[str, str]) -> str:
    text = BASE
    for old, new in pairs:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


PREDICTED = "predicted P, A, B in diag(n) = phi(x, grad f(x)) with 0 < P < 2/L, 0 < A < 2"
X_LINE = "x+ = prox_r,P(y - P*grad f(y) - d_k*g) + B*x"
CASES: dict[str, tuple[str, str]] = {
    "a formula": ("a = 0.7", replaced(("learned a in R init 0.3 with a >= 0", "fixed a in R = 0.7"))),
    "a formula of a parameter above": ("d_k = a*c_k", replaced(
        ("learned c_k, d_k in R init 0.1 with bounded(2)", "learned c_k in R init 0.1 with bounded(2); fixed d_k in R = a*c_k"))),
    "a formula of what is predicted beside it": ("B = I - A", replaced(
        (PREDICTED, PREDICTED.replace("P, A, B", "P, A") + "\n  fixed B in diag(n) = I - A"))),
    "a declaration": ("learned a in R init 0.2 with 0 < a < 1", replaced(("init 0.3 with a >= 0", "init 0.2 with 0 < a < 1"))),
    "a declaration of several": ("learned c_k, a in R init 0.2", replaced(
        ("learned a in R init 0.3 with a >= 0", "learned c_k, a in R init 0.2"), ("learned c_k, d_k", "learned d_k"))),
    "other facts": ("P with 0 < P < 1/L", replaced(("0 < P < 2/L", "0 < P < 1/L"))),
    "other facts of one of two": ("d_k with bounded(1)", replaced(
        ("learned c_k, d_k in R init 0.1 with bounded(2)",
         "learned c_k in R init 0.1 with bounded(2); learned d_k in R init 0.1 with bounded(2)".replace(
             "d_k in R init 0.1 with bounded(2)", "d_k in R init 0.1 with bounded(1)")))),
    "another tail of one of two": ("d_k tail decay(0.5)", replaced(
        ("learned c_k, d_k in R init 0.1 with bounded(2)",
         "learned c_k in R init 0.1 with bounded(2); learned d_k in R init 0.1 with bounded(2) tail decay(0.5)"))),
    "facts and a tail": ("a = 1; c_k with 0 < c_k < 1 tail 0.5", replaced(
        ("learned a in R init 0.3 with a >= 0", "fixed a in R = 1"), ("learned c_k, d_k in R init 0.1 with bounded(2)",
         "learned c_k in R init 0.1 with 0 < c_k < 1 tail 0.5; learned d_k in R init 0.1 with bounded(2)"))),
    "a network": ("phi = gru(hidden = 4) per coordinate", replaced(("mlp(hidden = 3)", "gru(hidden = 4)"))),
    "a network in its block": ("networks { phi = lstm(hidden = 4) per coordinate }", replaced(("mlp(hidden = 3)", "lstm(hidden = 4)"))),
    "a line": ("x+ = prox_r,P(x - P*grad f(x)) + B*y", replaced((X_LINE, "x+ = prox_r,P(x - P*grad f(x)) + B*y"))),
    "a let": ("g = y", replaced(("g = b*grad f(y) + c_k*y", "g = y"))),
    "a line in its block": ("update { y+ = x+ }", replaced(("y+ = x+ + A*(x+ - x)", "y+ = x+"))),
    "two lines by one": ("g, y+ = phi(x, y); P = 1/L; A = 0; B = 0", replaced(
        (PREDICTED, "fixed P in diag(n) = 1/L"), ("g = b*grad f(y) + c_k*y", "g, y+ = phi(x, y)"), (" + B*x", ""),
        ("  y+ = x+ + A*(x+ - x)\n", ""))),
    "zeros and identities": ("B = 0; A = I", replaced((PREDICTED, PREDICTED.replace("P, A, B", "P").replace(", 0 < A < 2", "")),
                                                     (" + B*x", ""), ("A*(x+ - x)", "x+ - x"))),
    "all that is predicted": ("P = 1/L; A = 1; B = 0.5", replaced(
        (NETS, ""), (PREDICTED, "fixed P in diag(n) = 1/L; fixed A in diag(n) = 1; fixed B in diag(n) = 0.5"))),
    "an implicit line": ("x+ = y - P*(grad f(y) + u) where u in subgrad r(x+)", replaced(
        (X_LINE, "x+ = y - P*(grad f(y) + u) where u in subgrad r(x+)"))),
    "a safeguard": ("safeguard descent", BASE + "safeguard descent\n"),
    "a state": ("state { y in R^n = 2 }", replaced(("x, y in R^n = 1", "x in R^n = 1; y in R^n = 2"))),
    "layers": ("train { layers 2 }", replaced(("layers 4", "layers 2"))),
    "a horizon instead of layers": ("train { horizon 2 }", replaced(("layers 4", "horizon 2"))),
    "nothing": ("", BASE),
}  # fmt: skip


def check(text: str, variant: str | None = None) -> pipeline.Checked:
    return pipeline.check(Source("spec.l2o", text), variant=variant)


def with_variant(body: str, name: str = "V") -> str:
    return f"{BASE}\nvariant {name} of T {{ {body} }}\n"


def run(spec: l2ogen.Spec) -> torch.Tensor:
    """All states after six steps; weights depend on their shapes and order alone."""
    code: Any = spec.module()
    made = build(spec.compile(), 9).double()
    module = build(getattr(code, type(made).__name__), 9).double()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, weight in sorted(module.named_parameters()):
            if weight.dim() > 1 or "bias" in name:
                weight.copy_(0.5 * torch.randn(weight.shape, generator=generator, dtype=torch.float64))
    problem = code.Lasso.sample(3, m=6, n=9, sparsity=2, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    state, found = module.init_state(problem), []
    for _ in range(6):
        state = module.step(problem, state)
        found.append(torch.cat(list(state[1:3]), -1))
    return torch.stack(found)


@pytest.mark.parametrize("case", CASES)
def test_a_variant_computes_what_is_written_out(case: str) -> None:
    body, text = CASES[case]
    variant, written = (l2ogen.Spec(c).check() for c in (check(with_variant(body), "V"), check(text)))
    actual, expected = run(variant), run(written)
    assert expected.isfinite().all() and expected.abs().max() > 0
    torch.testing.assert_close(actual, expected, rtol=1e-13, atol=1e-13)
    changed = run(l2ogen.Spec(check(BASE)))
    # the training settings and a declaration alone leave these weights where they are
    assert case in ("nothing", "other facts", "a safeguard") or case.startswith(("layers", "a horizon")) or not torch.equal(actual, changed)
    assert variant.checked.program.title == "T:V"  # type: ignore[union-attr]


def canonical(text: str) -> str:
    source = Source("spec.l2o", text)
    return fmt(parse(source).tree, source)


def body_of(text: str) -> str:
    """Generated code without the hash of its source."""
    return re.sub(r"\([0-9a-f]{12}\)|^# l2ogen [0-9a-f]+", "", text)


@pytest.mark.parametrize("lines", [
    ("A = I", "B = 0", "P with 0 < P < 1/L"), ("c_k = 0", "d_k tail decay(0.5)", "a = 0.7"),
    ("phi = gru(hidden = 4) per coordinate", "x+ = prox_r,P(x - P*grad f(x)) + B*y", "train { layers 2 }"),
])  # fmt: skip
def test_the_order_of_a_variants_lines_does_not_matter(lines: tuple[str, ...]) -> None:
    texts = [l2ogen.Spec(check(with_variant("; ".join(order)), "V")).check().files() for order in itertools.permutations(lines)]
    assert all({name: body_of(text) for name, text in found.items()} == {name: body_of(text) for name, text in texts[0].items()}
               for found in texts)


@pytest.mark.parametrize(("body", "code", "at"), [
    ("A = zz", "L2O201", "zz"), ("zz = 0", "L2O201", "zz"), ("zz with zz > 0", "L2O201", "zz"), ("zz+ = x", "L2O201", "zz+"),
    ("zz = mlp() per coordinate", "L2O201", "zz"), ("x+ = prox_r,P(y - P*grad f(zz))", "L2O201", "zz"),
    ("a = 1; a = 2", "L2O202", "a"), ("x+ = y; x+ = x", "L2O202", "x+"), ("c_k with bounded(1); c_k = 2", "L2O202", "c_k"),
    ("P with 0 < P < 1/L, margin(0)", "L2O404", "margin(0)"), ("B with bounded(1)", "L2O404", "bounded(1)"),
    ("P = y", "L2O407", "y"), ("P with 2 < P < 1", "L2O402", "2 < P < 1"), ("phi = rnn() per coordinate", "L2O216", "rnn"),
    ("phi = mlp(hiden = 3) per coordinate", "L2O211", "hiden"), ("train { layer 7 }", "L2O601", "layer"),
    ("expect { fixed_point prooved }", "L2O604", "prooved"), ("phi = 3", "L2O602", "3"), ("safeguard decent", "L2O602", "decent"),
    ("a tail decay(0.5)", "L2O410", "tail decay(0.5)"), ("state { z in R^n = 0 }", "L2O206", "z"),
    ("learned a in R init 3 with 0 < a < 1", "L2O403", "init 3"),
])  # fmt: skip
def test_mistakes_point_at_the_variants_own_text(body: str, code: str, at: str) -> None:
    text = with_variant(body)
    found = check(text, "V").diagnostics
    assert [d.code for d in found] == [code]
    (d,) = found
    assert d.span.start > text.index("variant V")
    assert text[d.span.start : d.span.end] == at
    everything = pipeline.check_all(Source("spec.l2o", text))
    assert [c.ok for c in everything] == [True, False]


def test_names_of_variants() -> None:
    def codes(text: str) -> list[str]:
        return [d.code for d in check(text).diagnostics]

    twice = BASE + "variant V of T { A = 0 }\nvariant V of T { B = 0 }\n"
    assert codes(twice) == ["L2O202"]
    assert codes(twice.replace("variant V of T { B", "variant v of T { B")) == ["L2O202"]  # one generated file for both
    assert codes(BASE + "variant V of T { A = 0 }\nvariant W of V { B = 0 }\n") == ["L2O225"]  # no variant of a variant

    assert [d.code for d in check(BASE, "V").diagnostics] == ["L2O226"]


def test_generated_names_do_not_collide() -> None:
    text = BASE + "".join(f"variant {name} of T {{ A = 0 }}\n" for name in ("T", "train", "Lasso", "phi", "State"))
    made = [l2ogen.Spec(check(text, name)).check() for name in (None, "T", "train", "Lasso", "phi", "State")]
    names = [name for spec in made for name in spec.files()]
    assert len(names) == len(set(names)) == 2 * len(made)
    for spec in made:
        assert run(spec).isfinite().all()


def test_fmt_keeps_what_a_variant_says() -> None:
    for body, _ in CASES.values():
        text = with_variant(body)
        printed = canonical(text)
        assert canonical(printed) == printed
        before, after = (l2ogen.Spec(check(t, "V")).check().files() for t in (text, printed))
        assert {n: body_of(t) for n, t in before.items()} == {n: body_of(t) for n, t in after.items()}


# ---- where a variant is named ------------------------------------------------------------------------------
def cli(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, list(arguments))
    return result.exit_code, result.output


def test_a_variant_is_named_behind_a_colon(tmp_path: Path) -> None:
    path = tmp_path / "mine.l2o"
    path.write_text(with_variant("A = I"))
    for name in (f"{path}:V", "pba12:PA", "pba12.l2o:PA"):
        code, out = cli("check", name, "--json")
        report = json.loads(out)
        assert code == 0 and report["ok"] and report["variant"] == name.rpartition(":")[2]
    report = json.loads(cli("check", str(path), "--json")[1])
    assert [one["variant"] for one in report] == [None, "V"]
    assert cli("check", f"{path}:W")[0] == 1 and "L2O226" in cli("check", f"{path}:W")[1]
    code, out = cli("compile", f"{path}:V", "-o", str(tmp_path / "out"))
    assert code == 0 and sorted(p.name for p in (tmp_path / "out").iterdir()) == ["mine_v.py", "mine_v_train.py"]
    (tmp_path / "mine_v.l2o").write_text(BASE)  # it would be written to the same file
    code, out = cli("compile", str(tmp_path), "-o", str(tmp_path / "both"))
    assert code == 2 and "two specs would be written to" in out and not (tmp_path / "both").exists()


def test_variants_from_python() -> None:
    spec = l2ogen.load("pba12")
    assert spec.variants == ("envelopes", "PBA1", "PBA2", "PBA", "PA", "P", "A")
    assert l2ogen.load("pba12:PA").files() == spec.variant("PA").files()
    with pytest.raises(l2ogen.SpecError, match="L2O226"):
        spec.variant("PB").check()
