"""Random whole programs: what is accepted runs, keeps its shapes, treats instances alone, and survives simplification.

Expressions are drawn by their space, from all operators that keep numbers tame.
"""
import inspect
import random
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from l2ogen import pipeline
from l2ogen.backends.torch import generate
from l2ogen.core import ir
from l2ogen.source import Source

M, N = 4, 6
PARAMETERS = {
    "s": ["a", "c_k", "b_k", "Z", "t", "k", "lam", "0.5", "2", "q"],
    "n": ["x", "y", "v", "w", "g", "grad f(x)", "grad f(y)"], "m": ["u", "b", "h"],
    "dn": ["D", "P", "J", "O", "I"], "mn": ["A", "V"], "nn": ["W_k", "S", "I", "E"],
}  # fmt: skip
"""Names by space: scalars, R^n, R^m, diag(n), R^(m, n), square matrices; Z, O are zeros, J, E identities."""
DECLARED = {
    "a": "learned a in R init 0.3 with 0 < a < 2", "c_k": "learned c_k in R init 0.2 tail decay(0.5)", "b_k": "fixed b_k in R = 1/(k + 1)",
    "Z": "fixed Z in R = 0", "D": "learned D in diag(n) init 0.5*I with D > 0", "J": "fixed J in diag(n) = I", "O": "fixed O in diag(n) = 0",
    "w": "learned w in R^n with bounded(1)", "V": "learned V in R^(m, n) with bounded(1)", "W_k": "learned W_k in R^(n, n) init 0.3*I",
    "S": "learned S in sym(n) with 0 < S < 1", "E": "fixed E in sym(n) = I", "P": "predicted P in diag(n), v in R^n = phi(x, g) with 0 < P < 1/L",
    "q": "predicted q in R = psi(u, t, k) with bounded(1)",
}  # fmt: skip


class Draw:
    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.lets: tuple[str, ...] = ()
        """Lets that were computed."""

    def leaf(self, space: str) -> str:
        return self.rng.choice([name for name in PARAMETERS[space] if name not in ("g", "h") or name in self.lets])

    def expression(self, space: str, depth: int) -> str:
        if depth == 0 or self.rng.random() < 0.15:
            return self.leaf(space)
        sub = lambda space: self.expression(space, depth - 1)  # noqa: E731
        e: dict[str, list[str]] = {
            "s": ["{s} + {s}", "{s} - {s}", "{s}*{s}", "-{s}", "tanh({s})", "<{n}, {n}>/10", "||{n}||_1/10", "||{m}||_2", "min({s}, {s})",
                  "sum({n})/10", "where({s} > {s}, {s}, {s})", "{s}/3", "sqrt(abs({s}) + 1)", "||tanh({n})||_2^2"],
            "n": ["{n} + {n}", "{n} - {n}", "{n} - {s}", "{s}*{n}", "{dn}*{n}", "({nn})*{n}", "(A'*A)*{n}/5", "({s}*{nn}*{nn})*{n}", "A'*{m}",
                  "tanh({n})", "{n} .* {n}", "soft({n}, abs({s}))", "clip({n}, -1, 1)", "where({n} > {s}, {n}, {n})", "max({n}, {s})",
                  "-{n}", "({nn})'*{n}", "({nn} - {nn})*{n}", "{n}/2", "detach({n})", "V'*{m}", "soft_ss({n}, abs({s}), 0.3)", "({dn} + {dn})*{n}"],
            "m": ["{m} + {m}", "{mn}*{n}", "{s}*{m}", "tanh({m})", "{m} - {m}", "({mn} - {mn})*{n}", "clip({m}, -2, 2)", "({mn}*{nn})*{n}"],
            "dn": ["{dn} + {dn}", "{dn}*{dn}", "{s}*{dn}", "I - {dn}", "sigmoid({dn} + D)", "inv({dn} + 3)", "abs({dn} - D)"],
            "mn": ["{mn} + {mn}", "{s}*{mn}", "{mn}/2"], "nn": ["{nn} + {nn}", "{s}*{nn}", "{nn}*{nn}", "-{nn}", "A'*A/5", "V'*{mn}"],
        }  # fmt: skip
        form = self.rng.choice(e[space])
        for name in ("s", "nn", "dn", "mn", "n", "m"):
            while f"{{{name}}}" in form:
                form = form.replace(f"{{{name}}}", f"({sub(name)})", 1)
        return form

    def program(self) -> str:
        self.lets = ()
        lines = ["g = tanh(grad f(x) + w)" if self.rng.random() < 0.5 else "g = x + A'*u", f"h = tanh({self.expression('m', 2)})"]
        self.lets = ("g", "h")
        lines += [f"x+ = prox_{{r, {self.rng.choice(['P', 'a/L', '1/L', 'D'])}}}(y - tanh({self.expression('n', 3)})/L) + 0*grad f(x)"]
        lines += [f"y+ = x+ + tanh({self.expression('n', 3)})", f"u+ = tanh({self.expression('m', 3)})"]
        if self.rng.random() < 0.3:
            lines[3] = f"y+ = tanh(chi(x+, {self.expression('s', 1)}))"
        lines[3] += " + 0.01*(P*v)"  # without it an output of phi, and a row of its weights, would disappear
        lines += [f"t+ = tanh({self.expression('s', 3)})"]
        text = "\n".join(lines)
        declared = "\n  ".join(DECLARED.values())
        return f"""algorithm T
problem {{ data {{ A in R^(m, n); b in R^m; lam in R with lam > 0 }}; f(x) : convex, smooth(L); r(x) : convex, proximable
  minimize f(x) + r(x) }}
networks {{ phi = lstm(hidden = 3) per coordinate; psi = gru(hidden = 3); chi = mlp(hidden = 3) per coordinate }}
parameters {{
  {declared}
}}
state {{ x, y in R^n = 0.5; u in R^m = 1; t in R = 1 }}
update {{
{text}
}}
train {{ on lasso(m = {M}, n = {N}, sparsity = 2); layers 3; loss F(x); steps 1; batch 4 }}
"""


def module(program: ir.Algorithm) -> ModuleType:
    made = ModuleType("made")
    exec(compile(generate.files(program, "made")["made.py"], "made.py", "exec"), made.__dict__)
    return made


def build(code: Any) -> Any:
    """Float64, with weights that depend on their names."""
    sizes = {"n": N, "m": M}
    wanted = inspect.signature(code.T).parameters
    made = code.T(**{name: size for name, size in sizes.items() if name in wanted}).double()
    with torch.no_grad():
        for name, weight in made.named_parameters():
            generator = torch.Generator().manual_seed(sum(map(ord, name)))
            weight.copy_(0.4 * torch.randn(weight.shape, generator=generator, dtype=torch.float64))
    return made


def run(code: Any, made: nn.Module, problem: Any) -> list[Any]:
    state, found = made.init_state(problem), []  # type: ignore[operator]
    for _ in range(5):
        state = made.step(problem, state)  # type: ignore[operator]
        found.append(state)
    return found


PLAIN = 150


@pytest.mark.parametrize("seed", range(PLAIN))
def test_a_random_program(seed: int) -> None:
    text = Draw(seed).program()
    checked = pipeline.check(Source("spec.l2o", text))
    errors = [d for d in checked.diagnostics if d.severity == "error"]
    ready = pipeline.compilable(checked)
    if errors or ready.program is None:  # a draw that the language refuses, such as a scalar beside a matrix
        assert {d.code for d in errors} <= {"L2O303", "L2O304"}, errors
        return
    assert isinstance(checked.program, ir.Algorithm) and isinstance(ready.program, ir.Algorithm)
    simple, literal = module(ready.program), module(checked.program)
    generator = torch.Generator().manual_seed(seed)
    A, b = (torch.randn(3, *size, generator=generator, dtype=torch.float64) for size in ((M, N), (M,)))
    problem = simple.Lasso(A, b, 0.1 + torch.rand(3, 1, generator=generator, dtype=torch.float64))
    states = run(simple, made := build(simple), problem)
    for state in states:
        assert [v.shape for v in (state.x, state.y, state.u, state.t)] == [(3, N), (3, N), (3, M), (3, 1)]
        assert all(v.dtype == torch.float64 and v.isfinite().all() for v in state[1:5])
    written = run(literal, build(literal), literal.Lasso(problem.A, problem.b, problem.lam))
    for i in range(3):
        alone = run(simple, made, simple.Lasso(problem.A[i], problem.b[i], problem.lam[i]))
        for one, whole in zip(alone, states, strict=True):
            for v, w in zip(one[1:5], whole[1:5], strict=True):
                torch.testing.assert_close(v, w[i], rtol=1e-6, atol=1e-8)
    for one, other in zip(states, written, strict=True):
        for v, w in zip(one[1:5], other[1:5], strict=True):
            torch.testing.assert_close(v, w, rtol=1e-6, atol=1e-8)
    loss = torch.stack([state.x.square().sum() + state.t.sum() for state in states]).sum()
    if loss.requires_grad:
        gradients = torch.autograd.grad(loss, list(made.parameters()), allow_unused=True)
        assert all(g is None or g.isfinite().all() for g in gradients)


def test_most_random_programs_are_accepted() -> None:
    found = [pipeline.check(Source("spec.l2o", Draw(seed).program())).ok for seed in range(PLAIN)]
    assert sum(found) > 0.8 * PLAIN
