"""Did you mean …?: slips of the finger, other spellings, and the words of papers and other tools."""

from __future__ import annotations

import pytest

from l2ogen import pipeline
from l2ogen.diagnostics.suggest import edited_once, nearest, sure
from l2ogen.source import Source

LIBRARY = pipeline.Library()
SPEC = """\
algorithm Example
problem { f(x) : convex, smooth(L); r(x) : convex, proximable; minimize f(x) + r(x) }
networks { phi = lstm(hidden = 20) per coordinate }
parameters {
  predicted P in diag(n) = phi(x, grad f(x)) with 0 < P < 2/L
  learned theta_k in R init 0.1 with theta_k >= 0
  fixed beta in R = 0.5
}
state { x in R^n = 0; z in R^n = 0 }
update {
  v = soft(z, theta_k)
  x+ = prox_r,P(v - P*grad f(z))
  z+ = x+ + beta*(x+ - x)
}
expect { fixed_point proved }
train { on lasso; horizon 10; loss F(x); optimizer adam(rate = 1e-3); steps 3; batch 2; clip_norm 1; seed 1 }
"""
LISTA = """\
algorithm Example
problem { data { shared A in R^(m, n); b in R^m }; recover x from b = A*x : sparse(x) }
parameters { learned W_k in R^(n, m) init A'; learned theta_k in R init 0.1 with theta_k >= 0 }
state { x in R^n = 0 }
update { x+ = soft(x + W_k*(b - A*x), theta_k) }
"""


def helps(text: str) -> list[str]:
    return [d.help for d in pipeline.check(Source("spec.l2o", text), LIBRARY).diagnostics]


@pytest.mark.parametrize(("old", "new", "meant"), [
    ("soft(z", "sotf(z", "soft"), ("soft(z", "Soft(z", "soft"), ("soft(z", "soft_threshold(z", "soft"),
    ("soft(z", "softthresh(z", "soft"), ("soft(z", "shrink(z", "soft"), ("grad f(z)", "gradient f(z)", "grad"),
    ("grad f(z)", "nabla f(z)", "grad"), ("theta_k)", "theta)", "theta_k"), ("theta_k)", "Theta_k)", "theta_k"),
    ("theta_k)", "thetas_k)", "theta_k"), ("theta_k)", "thteta_k)", "theta_k"), ("theta_k)", "ϑ_k)", ""),
    ("beta*", "betas*", "beta"), ("beta*", "beta_*", "beta"), ("beta*", "beta_k*", "beta"), ("beta*", "Beta*", "beta"),
    ("convex, smooth", "cvx, smooth", "convex"), ("smooth(L)", "lipschitz(L)", "smooth"),
    ("proximable", "proximal", "proximable"), ("lstm", "ltsm", "lstm"), ("hidden", "hidden_size", "hidden"),
    ("R^n = 0; z", "Real^n = 0; z", "R"), ("diag(n)", "diagonal(n)", "diag"), ("R^n = 0; z", "r^n = 0; z", "R"),
    ("fixed_point", "fixpoint", "fixed_point"), ("fixed_point", "fixed_ponit", "fixed_point"),
    ("proved", "verified", "proved"), ("on lasso", "on Lasso", "lasso"), ("on lasso", "on laso", "lasso"),
    ("steps 3", "epochs 3", "steps"), ("batch 2", "batch_size 2", "batch"), ("optimizer", "optim", "optimizer"),
    ("rate =", "lr =", "rate"), ("rate =", "learning_rate =", "rate"), ("clip_norm", "grad_clip", "clip_norm"),
    ("horizon", "unroll", "horizon"), ("seed", "random_seed", "seed"), ("adam(", "Adam(", "adam"),
    ("update {", "updaet {", "update"), ("update {", "Update {", "update"), ("parameters {", "params {", "parameters"),
    ("state {", "states {", "state"), ("learned", "learnt", "learned"), ("learned", "trainable", "learned"),
    ("minimize", "minimise", "minimize"), ("networks", "network", "networks"), ("train {", "training {", "train"),
])  # fmt: skip
def test_did_you_mean(old: str, new: str, meant: str) -> None:
    assert helps(SPEC) == [] and old in SPEC
    (help,) = helps(SPEC.replace(old, new, 1))
    assert help == (f"did you mean `{meant}`?" if meant else "names are written in Latin or Greek letters")


@pytest.mark.parametrize(("old", "new", "advice"), [
    ("W_k*(b - A*x)", "norm(x)", "||x||_2"), ("A*x), theta", "matmul(A, x)), theta", "A*x"), ("init A'", "init transpose(A)", "A'"),
    ("init A'", "init A.T", "A'"), ("W_k*(b - A*x)", "dot(x, x)", "<u, v>"), ("init A'", "init eye(n)*A'", "`I`"),
    ("R^n = 0", "R^n = zeros(n)", "`0`"), ("soft(x", "argmin(x", "prox_r,P(v)"), ("x + W", "x**2 + W", "x^2"),
    ("W_k*(b", "W_k@(b", "A*x"),
])  # fmt: skip
def test_other_tools_notation(old: str, new: str, advice: str) -> None:
    assert helps(LISTA) == [] and old in LISTA
    found = helps(LISTA.replace(old, new, 1))
    assert len(found) == 1 and advice in found[0], found


def test_a_learning_rate_is_an_option_of_the_optimizer() -> None:
    for word in ("lr", "learning_rate"):
        (help,) = helps(SPEC.replace("seed 1", f"{word} 1e-3"))
        assert help == "write `optimizer adam(rate = 1e-3)`"


@pytest.mark.parametrize("word", ["norm", "transpose", "shrink", "zeros"])
def test_a_bare_rule_gets_the_same_help(word: str) -> None:
    _, mistakes = pipeline.complete(Source("<rule>", f"x+ = x - alpha*grad f(x) + {word}(x)"))
    assert [d.code for d in mistakes] == ["L2O201"] and mistakes[0].help


def test_a_suggestion_shows_the_declaration() -> None:
    text = SPEC.replace("beta*", "beat*")
    (d,) = pipeline.check(Source("spec.l2o", text), LIBRARY).diagnostics
    ((span, label),) = d.notes
    assert text[span.start : span.end] == "beta" and label == "`beta` is declared here"
    assert d.fix is not None and d.fix[1] == "beta"


@pytest.mark.parametrize(("word", "candidates", "meant"), [
    ("P", ["A", "B"], None), ("qqq", ["theta", "x"], None), ("ehta", ["eta", "theta"], "eta"), ("x", ["X"], "X"),
    ("lambda_", ["lambda", "L"], "lambda"), ("lambda", ["lam"], "lam"), ("W1k", ["W1_k", "W2_k"], "W1_k"),
])  # fmt: skip
def test_nearest(word: str, candidates: list[str], meant: str | None) -> None:
    assert nearest(word, candidates) == meant


def test_one_slip_of_a_finger() -> None:
    assert all(edited_once("theta", w) for w in ("thteta", "thea", "theat", "tehta", "thexa", "htheta", "thet"))
    assert not any(edited_once("theta", w) for w in ("theta_k", "tha", "ehtat", "beta"))
    assert sure("alhpa", "alpha") and sure("Alpha", "alpha") and not sure("eta", "beta") and not sure("shrink", "soft")
