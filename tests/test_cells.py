"""Generated networks are torch's LSTM, GRU and Sequential with the same weights; how rules call them."""
from collections.abc import Callable
from itertools import product
from types import ModuleType
from typing import Any

import pytest
import torch
from test_meaning import HEAD, TRAIN, A, algorithm
from torch import Tensor, nn

from l2ogen import pipeline
from l2ogen.source import Source

STEP = "prox_r,a(x - a*grad f(x))"
DATA = HEAD.replace("problem {", "problem { data { A in R^(m, n); b in R^m; lam in R with lam > 0 };")
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu, "elu": nn.functional.elu, "tanh": torch.tanh, "sigmoid": torch.sigmoid,
    "softplus": nn.functional.softplus,
}  # fmt: skip


def compiled(nets: str, update: str, parameters: str = "", state: str = "x in R^n = 0", head: str = HEAD) -> ModuleType:
    return algorithm(f"{A}; {parameters}" if parameters else A, state, update, nets, head).module()


def mistakes(nets: str, update: str, parameters: str = "", state: str = "x in R^n = 0") -> list[str]:
    text = f"{DATA}networks {{ {nets} }}\nparameters {{ {A}; {parameters} }}\nstate {{ {state} }}\nupdate {{ {update} }}\n{TRAIN}"
    return [d.code for d in pipeline.check(Source("spec.l2o", text)).diagnostics if d.severity == "error"]


def problem_of(code: ModuleType, batch: tuple[int, ...] = (3,), n: int = 9, lam: float | None = None) -> Any:
    generator = torch.Generator().manual_seed(1)
    matrix, b = (torch.randn(*batch, *size, generator=generator, dtype=torch.float64) for size in ((6, n), (6,)))
    return code.Lasso(matrix / 3, b, 0.1 + torch.rand(*batch, 1, generator=generator, dtype=torch.float64) if lam is None else lam)


def random_weights(module: nn.Module, scale: float = 0.5) -> Any:
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for weight in module.double().parameters():
            weight.copy_(scale * torch.randn(weight.shape, generator=generator, dtype=torch.float64))
    return module


class Reference(nn.Module):
    """Torch's own modules with the weights of a generated network, over a sequence (T, instances, inputs)."""

    def __init__(self, net: Any, cell: str, activation: str) -> None:
        super().__init__()
        self.net, self.act = net, ACTIVATIONS[activation]
        if cell == "mlp":
            layers = [layer for linear in net.hidden for layer in (linear, Act(self.act))]
            self.body: nn.Module = nn.Sequential(*layers, net.out)
            return
        inputs, bias = net.cells[0].weight_ih.shape[1], net.cells[0].bias
        made = {"lstm": nn.LSTM, "gru": nn.GRU}[cell]
        self.body = made(inputs, net.hidden, len(net.cells), bias=bias).double()
        with torch.no_grad():
            for i, one in enumerate(net.cells):
                for name, weight in one.named_parameters():
                    getattr(self.body, f"{name}_l{i}").copy_(weight)

    def forward(self, u: Tensor, start: Tensor | None = None) -> Tensor:
        """`start`: (layers, [2,] hidden, instances), as the generated network has it"""
        if hasattr(self.net, "embed"):
            u = self.act(self.net.embed(u))
        if isinstance(self.body, nn.Sequential):
            return self.body(u)
        assert start is not None
        start = start.transpose(-1, -2).contiguous()
        hidden = (start[:, 0].contiguous(), start[:, 1].contiguous()) if isinstance(self.body, nn.LSTM) else start
        u, _ = self.body(u, hidden)
        return self.net.out(self.act(self.net.head(u)) if hasattr(self.net, "head") else u)


class Act(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, u: Tensor) -> Tensor:
        return self.function(u)


CELLS = [
    *(f"{cell}(hidden = 5, layers = {layers}, activation = {act}{more})" for cell, layers, act, more in product(
        ("lstm", "gru"), (1, 3), ("relu", "softplus"),
        ("", ", embed = 4", ", head = 6, bias = false", ", embed = 3, head = 4, start = learned"))),
    *(f"mlp(hidden = 9, layers = {layers}, activation = {act}, bias = {bias})"
      for layers, act, bias in product((1, 3), ACTIVATIONS, ("true", "false"))),
]  # fmt: skip


def word(options: str, name: str, default: str) -> str:
    return options.split(f"{name} = ")[1].split(",")[0].rstrip(")") if f"{name} = " in options else default


@pytest.mark.parametrize("net", CELLS)
@pytest.mark.parametrize("per", ["", " per coordinate"])
def test_a_network_is_torchs_with_the_same_weights(net: str, per: str) -> None:
    """Two outputs of a vector, a scalar and another vector, over four steps, gradients included."""
    cell = net.partition("(")[0]
    code = compiled(f"phi = {net}{per}", f"d, e = phi(x, ||x||_1, grad f(x)); x+ = {STEP} + d*x + e*grad f(x)" if not per
                    else f"d, e = phi(x, ||x||_1, grad f(x)); x+ = {STEP} + d + e")  # fmt: skip
    made, problem = random_weights(code.T()), problem_of(code)
    phi, reference = made.phi, Reference(made.phi, cell, word(net, "activation", "relu"))
    x, sequence, found = torch.randn(3, 9, generator=torch.Generator().manual_seed(7), dtype=torch.float64), [], []
    hidden = start = None
    if cell != "mlp":
        hidden = start = phi.init_state(x if per else torch.zeros(3, 1, dtype=torch.float64))
    for _ in range(4):
        g, size = problem.grad_f(x), x.abs().sum(-1, keepdim=True)
        if per:
            inputs: tuple[Tensor, ...] = (x, size, g)
            sequence.append(torch.stack((x, size.expand_as(x), g), -1).reshape(-1, 3))
        else:
            inputs = tuple(code.pooled(v) if v.shape[-1] > 1 else v for v in (x, size, g))
            rms = [v.square().mean(-1, keepdim=True).sqrt() for v in (x, g)]
            sequence.append(torch.cat((x.mean(-1, keepdim=True), rms[0], size, g.mean(-1, keepdim=True), rms[1]), -1))
        if hidden is None:
            outputs = phi(inputs)
        else:
            outputs, hidden = phi(inputs, hidden)
        assert [v.shape for v in outputs] == [(3, 9) if per else (3, 1)] * 2
        found.append(torch.stack([v.reshape(-1) for v in outputs], -1))
        x = x - problem.grad_f(x) / problem.L
    expected = reference(torch.stack(sequence), start)
    torch.testing.assert_close(torch.stack(found), expected, rtol=1e-10, atol=1e-12)
    assert expected.std(0).max() > 1e-6  # the steps differ
    gradients = torch.autograd.grad(torch.stack(found).square().sum(), list(phi.parameters()), allow_unused=True)
    others = torch.autograd.grad(expected.square().sum(), [*phi.parameters(), *reference.body.parameters()], allow_unused=True)
    of_reference = dict(zip([*phi.parameters(), *reference.body.parameters()], others, strict=True))
    for (name, weight), one in zip(phi.named_parameters(), gradients, strict=True):
        _, at, part = name.split(".") if name.startswith("cells") else ("", "", "")
        other = of_reference[getattr(reference.body, f"{part}_l{at}") if part else weight]
        assert one is not None and other is not None, name
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-10 * max(1, other.abs().max().item()))


@pytest.mark.parametrize("net", [c for c in CELLS if "bias = false" in c and not {"sigmoid", "softplus"} & {word(c, "activation", "")}])
def test_without_biases_0_goes_to_0(net: str) -> None:
    code = compiled(f"phi = {net} per coordinate", f"x+ = {STEP} + phi(x, grad f(x))")
    phi, zero = random_weights(code.T()).phi, torch.zeros(2, 9, dtype=torch.float64)
    outputs = phi((zero, zero)) if "mlp" in net else phi((zero, zero), phi.init_state(zero))[0]
    assert all((v == 0).all() for v in outputs)
    other = phi((zero + 1, zero)) if "mlp" in net else phi((zero + 1, zero), phi.init_state(zero))[0]
    assert all((v != 0).any() for v in other)


@pytest.mark.parametrize("per", ["", " per coordinate"])
def test_standardized_inputs_are_frozen_after_the_first_batch(per: str) -> None:
    outputs = "d" if per else "d*x"
    code = compiled(f"phi = gru(hidden = 4, inputs = standardized){per}", f"d = phi(grad f(x), ||x||_1); x+ = {STEP} + {outputs}")
    made, problem = random_weights(code.T()), problem_of(code)
    state = made.init_state(problem)._replace(x=torch.randn(3, 9, dtype=torch.float64))
    g, size = problem.grad_f(state.x), state.x.abs().sum(-1, keepdim=True)
    with torch.no_grad():
        once = made.step(problem, state)
    features = [g, size.expand_as(g)] if per else [*code.pooled(g).unbind(-1), size]
    for i, v in enumerate(features):
        assert made.phi.mean[i, 0].item() == pytest.approx(v.mean().item(), rel=1e-12)
        assert made.phi.deviation[i, 0].item() == pytest.approx(v.std(correction=0).item(), rel=1e-12)
    kept = made.phi.mean.clone()
    made.step(problem, state._replace(x=5 * state.x))
    assert torch.equal(made.phi.mean, kept)
    other = random_weights(code.T())
    other.load_state_dict(made.state_dict())
    assert torch.equal(other.step(problem, state).x, once.x)
    fresh = random_weights(code.T())  # its first batch is another one
    fresh.step(problem, state._replace(x=5 * state.x))
    assert not torch.equal(fresh.phi.mean, kept)


def run(code: ModuleType, made: Any, problem: Any, steps: int) -> list[Any]:
    state, found = made.init_state(problem), []
    for _ in range(steps):
        state = made.step(problem, state)
        found.append(state)
    return found


@pytest.mark.parametrize("update", [
    f"d = phi(x); e = phi(grad f(x)); x+ = {STEP} + d + 2*e", f"x+ = {STEP} + phi(x) + 2*phi(grad f(x))",
    f"u+ = phi(x); x+ = {STEP} + u+ + 2*phi(grad f(x))", f"x+ = {STEP} + P*1 + 2*(Q*1)",
])  # fmt: skip
def test_a_network_advances_once_per_call_in_textual_order(update: str) -> None:
    """Two calls in each step: the hidden state runs through x_0, grad f(x_0), x_1, grad f(x_1), ..."""
    update = update.replace("P*1", "P*one").replace("Q*1", "Q*one")
    predicted = "predicted P in diag(n) = phi(x); predicted Q in diag(n) = phi(grad f(x)); fixed one in R^n = 1" if "P*" in update else ""
    code = compiled("phi = lstm(hidden = 4, layers = 1) per coordinate", update, predicted,
                    "x in R^n = 1; u in R^n = 0" if "u+" in update else "x in R^n = 1")  # fmt: skip
    made, problem = random_weights(code.T()), problem_of(code)
    reference, x, sequence = Reference(made.phi, "lstm", "relu"), torch.ones(3, 9, dtype=torch.float64), []
    start = made.phi.init_state(x)
    for state in run(code, made, problem, 4):
        sequence += [x.reshape(-1, 1), problem.grad_f(x).reshape(-1, 1)]
        out = reference(torch.stack(sequence), start)[-2:, :, 0].reshape(2, 3, 9)
        x = problem.prox_r(x - problem.grad_f(x) / problem.L, 1 / problem.L) + out[0] + 2 * out[1]
        torch.testing.assert_close(state.x, x, rtol=1e-9, atol=1e-11)
        x = state.x


def test_calls_everywhere_keep_their_names_apart() -> None:
    """Outputs without a name of their own meet lets, states and next iterates of the same name."""
    code = compiled(
        "phi = mlp(hidden = 3, layers = 1) per coordinate; psi = mlp(hidden = 3, layers = 1) per coordinate",
        f"phi_out = 5*x; y_next = 7*x; x+ = {STEP} + phi(phi_out) + phi(2*phi(y_next)) + phi_out_2; y+, z+ = psi(x, y_next); "
        "phi_out_2+ = phi_out + y_next + y + z", state="x in R^n = 1; y, z, phi_out_2 in R^n = 0")  # fmt: skip
    made, problem = random_weights(code.T()), problem_of(code)
    phi = lambda v: made.phi((v,))[0]  # noqa: E731
    start = made.init_state(problem)
    state = made.step(problem, start._replace(phi_out_2=start.x * 0.3, y=start.x * 0.2))
    x = start.x
    expected = problem.prox_r(x - problem.grad_f(x) / problem.L, 1 / problem.L) + phi(5 * x) + phi(2 * phi(7 * x)) + 0.3
    torch.testing.assert_close(state.x, expected, rtol=1e-12, atol=1e-12)
    y, z = made.psi((x, 7 * x))
    torch.testing.assert_close(state.y, y, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(state.z, z, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(state.phi_out_2, 12 * x + 0.2, rtol=1e-12, atol=1e-12)


def test_outputs_in_spaces_of_their_own() -> None:
    """diag(n) and R^n from one call; an output that nothing uses has no weights; what is declared below its network's
    inputs is predicted from them."""
    text = "predicted P in diag(n), b1, b2 in R^n = phi(x, grad f(x)) with 0 < P < 2/L; predicted Q in diag(n) = psi(P, x) with Q > 0"
    code = compiled("phi = mlp(hidden = 3) per coordinate; psi = mlp(hidden = 3) per coordinate",
                    "x+ = prox_r,P(x - Q*grad f(x)) - b2", text, "x in R^n = 1")  # fmt: skip
    made, problem = random_weights(code.T()), problem_of(code)
    assert made.phi.out.out_features == 2
    start = made.init_state(problem)
    x = start.x
    P, b2 = made.phi((x, problem.grad_f(x)))
    P = 2 / problem.L * (1e-3 + 0.998 * torch.sigmoid(P))
    Q = made.psi((P, x))[0].abs() + 1e-3
    expected = problem.prox_r(x - Q * problem.grad_f(x), P) - b2
    torch.testing.assert_close(made.step(problem, start).x, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("zero", ["", " + Z*Q*x"])
def test_an_idle_output_of_a_network_called_twice_stays(zero: str) -> None:
    text = "predicted P, Q in diag(n) = phi(x); predicted S, U in diag(n) = phi(grad f(x))"
    code = compiled("phi = mlp(hidden = 3) per coordinate", f"x+ = {STEP} + P*x + S*x + U*x{zero}",
                    ("fixed Z in R = 0; " if zero else "") + text, "x in R^n = 1")  # fmt: skip
    made, problem = random_weights(code.T()), problem_of(code)
    start = made.init_state(problem)
    P, (S, U) = made.phi((start.x,))[0], made.phi((problem.grad_f(start.x),))
    expected = problem.prox_r(start.x - problem.grad_f(start.x) / problem.L, 1 / problem.L) + P + S + U
    torch.testing.assert_close(made.step(problem, start).x, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("inputs", ["x, w", "w, x", "w", "D, w", "lam, x", "2*w, k", "c, x"])
def test_inputs_that_all_instances_share_are_repeated(inputs: str) -> None:
    """Learned vectors, numbers and lets of them beside the iterates of a batch; lam as a number, too."""
    text = "learned w in R^n init 2; learned D in diag(n) init 3*I; learned s in R init 4"
    code = compiled("phi = gru(hidden = 3) per coordinate", f"c = s*w; x+ = {STEP} + phi({inputs}) + 0*s*(D*w) + 0*c",
                    text, "x in R^n = 1", DATA)  # fmt: skip
    made = code.T(9).double()
    whole = problem_of(code, lam=0.1)
    values = {"x": torch.ones(3, 9), "w": 2 * torch.ones(9), "D": 3 * torch.ones(9), "lam": torch.full((1,), 0.1, dtype=torch.float64), "2*w": 4 * torch.ones(9),
              "k": torch.zeros(1), "c": 8 * torch.ones(9)}  # fmt: skip
    each = [values[name].double().expand(3, 9) for name in inputs.split(", ")]
    start = made.init_state(whole)
    out = made.phi(tuple(each), made.phi.init_state(each[0]))[0][0]
    expected = whole.prox_r(start.x - whole.grad_f(start.x) / whole.L, 1 / whole.L) + out
    torch.testing.assert_close(made.step(whole, start).x, expected, rtol=1e-12, atol=1e-12)


def test_a_number_of_the_problem_is_an_input_of_a_pooled_network() -> None:
    code = compiled("phi = mlp(hidden = 3)", f"x+ = {STEP} + phi(lam, x)*x", state="x in R^n = 1", head=DATA)
    made = random_weights(code.T())
    single, whole = (made.step(p, made.init_state(p)).x for p in (problem_of(code, lam=0.2), problem_of(code, lam=0.2)))
    assert torch.equal(single, whole) and single.shape == (3, 9)


@pytest.mark.parametrize("batch", [(), (1,), (4,), (2, 3)])
@pytest.mark.parametrize("per", ["", " per coordinate"])
def test_a_batch_equals_single_instances(per: str, batch: tuple[int, ...]) -> None:
    code = compiled(f"phi = lstm(hidden = 4, embed = 3){per}", f"d = phi(x, grad f(x), t); x+ = {STEP} + 0.1*d*x; t+ = t + <x, x>"
                    if not per else f"d = phi(x, t, grad f(x)); x+ = {STEP} + 0.1*d; t+ = t + <x, x>",
                    state="x in R^n = 1; t in R = 1")  # fmt: skip
    made, problem = random_weights(code.T()), problem_of(code, batch)
    states = run(code, made, problem, 5)
    assert states[-1].x.shape == (*batch, 9) and states[-1].t.shape == (*batch, 1)
    flat = [v.reshape(-1, *v.shape[len(batch):]) for v in (problem.A, problem.b, problem.lam)]
    for i in range(flat[0].shape[0]):
        alone = run(code, made, code.Lasso(*(v[i] for v in flat)), 5)
        torch.testing.assert_close(alone[-1].x, states[-1].x.reshape(-1, 9)[i], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("n", [1, 9, 40])
def test_a_pooled_network_works_for_any_size(n: int) -> None:
    code = compiled("phi = lstm(hidden = 4)", f"d = phi(x, ||grad f(x)||_2); x+ = {STEP} + d*x", state="x in R^n = 1")
    made = random_weights(code.T())
    assert run(code, made, problem_of(code, n=n), 3)[-1].x.shape == (3, n)


# ---- where recurrent networks start ------------------------------------------------------------------------
@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("per", ["", " per coordinate"])
def test_starts(cell: str, per: str) -> None:
    count = 27 if per else 3
    shape = (2, 2, 4, count) if cell == "lstm" else (2, 4, count)
    for start in ("zero", "random", "learned"):
        out = "phi(x)" if per else "phi(x)*x"
        code = compiled(f"phi = {cell}(hidden = 4, start = {start}){per}", f"x+ = {STEP} + {out}", state="x in R^n = 1")
        made, problem = code.T().double(), problem_of(code)
        torch.manual_seed(4)
        first, second = made.init_state(problem).phi, made.init_state(problem).phi
        torch.manual_seed(4)
        assert first.shape == shape and first.dtype == torch.float64
        assert torch.equal(made.init_state(problem).phi, first)
        assert torch.equal(first, second) == (start != "random")
        assert (first == 0).all() == (start == "zero")
        if start == "random":
            assert len(first.unique()) == first.numel() and 0.5 < first.std() < 1.5
        if start == "learned":
            assert torch.equal(first[..., 0], first[..., -1])
            made(problem, 3).square().sum().backward()
            assert made.phi.start.grad is not None and (made.phi.start.grad != 0).any()


# ---- what is refused ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(("nets", "update", "parameters", "code"), [
    ("phi = lstm() per coordinate", f"x+ = {STEP} + phi(x); u+ = u + phi(u)", "", "L2O223"),
    ("phi = mlp()", f"x+ = {STEP} + phi(x)*x; u+ = phi(||u||_1)*u", "", "L2O223"),
    ("phi = mlp()", f"x+ = {STEP} + phi(x)*x; u+ = phi(u, u)*u", "", "L2O223"),
    ("phi = mlp() per coordinate", "x+, u+ = phi(x, u)", "", "L2O303"),
    ("phi = mlp() per coordinate; psi = mlp() per coordinate", f"x+ = {STEP} + P*x; u+ = u",
     "predicted P in diag(n) = phi(x, Q); predicted Q in diag(n) = psi(P)", "L2O407"),
    ("phi = mlp() per coordinate", f"x+ = {STEP} + P*x; u+ = u", "predicted P in diag(n) = phi(x, P)", "L2O407"),
    ("phi = mlp()", f"x+ = {STEP} + P*x; u+ = u", "predicted P in R = phi(x, c); fixed c in R = P/2", "L2O407"),
    ("phi = mlp(embed = 3)", f"x+ = {STEP} + phi(x)*x; u+ = u", "", "L2O211"),
    ("phi = mlp(start = random)", f"x+ = {STEP} + phi(x)*x; u+ = u", "", "L2O211"),
    ("phi = lstm(hidden = 0)", f"x+ = {STEP} + phi(x)*x; u+ = u", "", "L2O602"),
    ("phi = lstm(hidden = 2, hidden = 3)", f"x+ = {STEP} + phi(x)*x; u+ = u", "", "L2O607"),
    ("phi = lstm(bias = maybe)", f"x+ = {STEP} + phi(x)*x; u+ = u", "", "L2O602"),
    ("phi = lstm()", f"x+ = {STEP} + phi(A)*x; u+ = u", "", "L2O303"),
    ("phi = lstm()", f"x+ = {STEP} + phi()*x; u+ = u", "", "L2O306"),
    ("phi = lstm() per coordinate", f"x+ = {STEP} + phi(||x||_1); u+ = u", "", "L2O303"),
])  # fmt: skip
def test_calls_that_do_not_fit_are_refused(nets: str, update: str, parameters: str, code: str) -> None:
    assert code in mistakes(nets, update, parameters, "x in R^n = 0; u in R^m = 0")


def test_a_stateless_network_takes_vectors_of_any_size() -> None:
    """Shared weights over coordinates: x in R^n and the dual variable u in R^m."""
    code = compiled("phi = mlp(hidden = 3) per coordinate", f"x+ = {STEP} + phi(x, A'*u); u+ = u + phi(u, A*x)",
                    state="x in R^n = 1; u in R^m = 1", head=DATA)  # fmt: skip
    made, problem = random_weights(code.T()), problem_of(code)
    state = run(code, made, problem, 3)[-1]
    assert state.x.shape == (3, 9) and state.u.shape == (3, 6)
