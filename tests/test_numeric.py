"""The interpreter against the generated modules; known solutions; admissible parameters; residuals and refutations."""
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_operators import CASES
from test_operators import HEAD as OPERATORS_HEAD

import l2ogen
from l2ogen import pipeline
from l2ogen.analysis.numeric import fitting, instances, interpreter, operators
from l2ogen.analysis.numeric.networks import Net, SmoothMap
from l2ogen.analysis.numeric.parameters import Parameters
from l2ogen.core import ir
from l2ogen.core import operators as core_operators
from l2ogen.passes.simplify import simplify
from l2ogen.source import Source

ROOT = Path(__file__).resolve().parent.parent
STEPS = 10


@cache
def specs() -> dict[str, pipeline.Checked]:
    """Every shipped algorithm and variant, by title."""
    found = [c for path in sorted(ROOT.glob("specs/*.l2o")) for c in pipeline.check_all(Source.read(path))]
    return {c.program.title: c for c in found if isinstance(c.program, ir.Algorithm)}


def checked(text: str) -> pipeline.Checked:
    made = pipeline.check(Source("spec.l2o", text))
    assert isinstance(made.program, ir.Algorithm), made.diagnostics
    return made


def program_of(text: str) -> ir.Algorithm:
    program = checked(text).program
    assert isinstance(program, ir.Algorithm)
    return program


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


# ---- the generated module as a source of values ------------------------------------------------------------
class TorchProblem:
    """A NumPy instance as the problem of a generated module."""

    def __init__(self, instance: instances.Instance) -> None:
        self.instance = instance
        self.like: dict[str, Any] = {"dtype": torch.float64, "device": torch.device("cpu")}
        self.L = self.tensor(instance.L)
        for name, value in instance.data.items():
            setattr(self, name, self.tensor(value))

    def tensor(self, value: Any) -> torch.Tensor:
        made = torch.as_tensor(np.asarray(value, dtype=float))
        return made if made.dim() else made.reshape(1)

    def number(self, P: Any) -> Any:
        P = P.detach().numpy() if isinstance(P, torch.Tensor) else P
        return P[0] if np.size(P) == 1 and np.ndim(P) else P

    def zeros(self, size: int | None = None) -> torch.Tensor:
        return torch.zeros(self.instance.n if size is None else size, **self.like)

    def draw(self) -> None:
        return None

    def grad_f(self, x: torch.Tensor) -> torch.Tensor:
        return self.tensor(self.instance.grad(x.numpy()))

    def stochgrad_f(self, x: torch.Tensor, draw: None) -> torch.Tensor:
        return self.grad_f(x)

    def subgrad_F(self, x: torch.Tensor) -> torch.Tensor:
        return self.tensor(self.instance.subgrad(x.numpy()))

    def prox_r(self, v: torch.Tensor, P: Any) -> torch.Tensor:
        return self.tensor(self.instance.prox(v.numpy(), self.number(P)))

    def F(self, x: torch.Tensor) -> torch.Tensor:
        return self.tensor(self.instance.value("F", x.numpy()))

    def f(self, x: torch.Tensor) -> torch.Tensor:
        return self.tensor(self.instance.value("f", x.numpy()))

    def r(self, x: torch.Tensor) -> torch.Tensor:
        return self.tensor(self.instance.value("r", x.numpy()))


class Module:
    """The weights of a generated module, as the interpreter asks for them."""

    def __init__(self, module: Any) -> None:
        self.module, self.layers = module, getattr(module, "layers", 1)
        self.weights = {name: w.detach().numpy() for name, w in module.state_dict().items()}

    def learned(self, p: ir.Parameter, layer: int, space: Any) -> Any:
        raw = self.weights[f"{p.attribute}.{layer}" if p.per_iteration else p.attribute]
        return space.from_raw(raw[0] if not space.shape else raw)

    def predicted(self, p: ir.Parameter, k: int, space: Any) -> None:
        return None

    def net(self, network: ir.Network, inputs: int, outputs: int) -> Net:
        own = f"{network.name}."
        return Net(network, {name.removeprefix(own): w for name, w in self.weights.items() if name.startswith(own)})

    def any(self, network: ir.Network, inputs: int, outputs: int, bound: float) -> SmoothMap:
        raise AssertionError("no module has arbitrary maps")


def module_of(made: pipeline.Checked, instance: instances.Instance, seed: int) -> Any:
    """The generated algorithm with random weights, for one instance."""
    code = l2ogen.Spec(made).module()
    program = made.program
    assert isinstance(program, ir.Algorithm)
    build = getattr(code, next(name for name, value in vars(code).items() if getattr(value, "reported", None)))
    arguments: dict[str, Any] = {}
    wanted = build.__init__.__code__.co_varnames[1 : build.__init__.__code__.co_argcount]
    for name in wanted:
        if name in instance.data:
            arguments[name] = torch.as_tensor(instance.data[name])
        elif name == "layers":
            arguments[name] = 4
        else:
            arguments[name] = interpreter.sizes(program, instance)[name]
    algorithm = build(**arguments).double()
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for _, weight in sorted(algorithm.named_parameters()):
            weight.add_(torch.as_tensor(0.3 * rng.normal(size=weight.shape)))
        for name, buffer in algorithm.named_buffers():  # one instance has no deviation
            if name.endswith(("mean", "deviation", "seen")):
                buffer.copy_(torch.as_tensor(rng.uniform(0.5, 2, size=buffer.shape)))
    return algorithm


def assert_agrees(made: pipeline.Checked, target: str, seed: int, n: int) -> None:
    """Every state of the interpreter and of the module, over STEPS iterations, before and after `simplify`."""
    rng = np.random.default_rng(seed)
    program = made.program
    assert isinstance(program, ir.Algorithm)
    instance = fitting.instance_for(program, target, rng, n)
    algorithm = module_of(made, instance, seed)
    problem = TorchProblem(instance)
    with torch.no_grad():
        theirs = algorithm.init_state(problem)
        values = Module(algorithm)
        programs = [program, simplify(program)]
        states = [interpreter.start(p, instance, values) for p in programs]
        hidden = {n.name: getattr(theirs, n.name).numpy() for n in program.networks if n.start == "random"}
        states = [state | hidden for state in states]
        for k in range(STEPS + 1):
            for name in states[0]:
                field = name if name != interpreter.BEFORE else f"{program.variable}_before"
                expected = getattr(theirs, field) if hasattr(theirs, field) else getattr(algorithm, name)
                for state in states:
                    found = np.reshape(state[name], expected.shape)
                    scale = float(expected.abs().max()) if expected.numel() else 0.0
                    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-9, atol=1e-12 * scale, err_msg=name)
            theirs = algorithm.step(problem, theirs)
            states = [interpreter.step(p, instance, values, s, k) for p, s in zip(programs, states, strict=True)]


@pytest.mark.parametrize("title", specs())
def test_interpreter_equals_the_generated_module(title: str) -> None:
    made = specs()[title]
    assert isinstance(made.program, ir.Algorithm)
    for seed in range(3):
        assert_agrees(made, made.program.target, seed, 8 if made.program.data else 3)


HEAD = "problem { f(x) : convex, smooth(L); r(x) : convex, proximable; minimize f(x) + r(x) }"
STATE = "state { x, y in R^n = 0 }"
STEP = "x+ = prox_r,s(y - s*grad f(y))"
RULES = {
    # what the shipped specs leave out: name -> text
    "sym, between": f"{HEAD}\nparameters {{ learned S in sym(n) init 0.5*I with 0 < S < 1; fixed s in R = 1/L }}\n{STATE}\nupdate {{ {STEP}; y+ = x+ + S*(x+ - x) }}",
    "sym, at least": f"{HEAD}\nparameters {{ learned S in sym(n) init I with S > 0.1; fixed s in R = 1/L }}\n{STATE}\nupdate {{ {STEP}; y+ = x+ + S*(x+ - x)/L }}",
    "sym, at most": f"{HEAD}\nparameters {{ learned S in sym(n) with S <= 0.5; fixed s in R = 1/L }}\n{STATE}\nupdate {{ {STEP}; y+ = x+ + S*(x+ - x)/L }}",
    "sym, free": f"{HEAD}\nparameters {{ learned S in sym(n); fixed s in R = 1/L }}\n{STATE}\nupdate {{ {STEP}; y+ = x+ + S*(x+ - x)/L }}",
    "bounded matrix": f"{HEAD}\nparameters {{ learned M_k in R^(n, n) with bounded(0.5); fixed s in R = 1/L }}\n{STATE}\nupdate {{ {STEP}; y+ = x+ + M_k*(x+ - x) }}",
    "bounds and signs": f"{HEAD}\nparameters {{ learned a, b, c in diag(n) with bounded(0.5), b >= 0, c <= 0; fixed s in R = 1/L }}\n{STATE}\nupdate {{ {STEP}; y+ = x+ + a*(x+ - x) + b*(x+ - x) + c*(x+ - x) }}",
    "one-sided": f"{HEAD}\nparameters {{ learned a in diag(n) with a > 0.1; learned b in R init -2 with b < -0.2, margin(0.05); fixed s in R = 1/L }}\n{STATE}\nupdate {{ {STEP}; y+ = x+ + 0.1*a*(x+ - x) + 0.1*b*(x+ - x) }}",
    "margins": f"{HEAD}\nparameters {{ learned a in R with 0 <= a < 1, margin(0.1); fixed s in R = 1/L }}\n{STATE}\nupdate {{ {STEP}; y+ = x+ + a*(x+ - x) }}",
    "tails": f"{HEAD}\nparameters {{ fixed s in R = 1/L; learned a_k in R init 0.5 with a_k -> 0; learned b_k in diag(n) init 0.1 tail 1/(k + 1)*s; learned c_k in R^n init 0 with c_k -> 0 like 0.9^k; learned d_k in R init 0.3 tail decay(0.5) }}\n{STATE}\nupdate {{ {STEP} - c_k; y+ = x+ + (a_k + d_k)*(x+ - x) + b_k*(x+ - x) }}",
    "gru": f"{HEAD}\nnetworks {{ phi = gru(hidden = 5, layers = 2, embed = 4, activation = tanh, start = learned) per coordinate }}\nparameters {{ predicted P in diag(n), c in R^n = phi(y, ||grad f(y)||_2, k) with 0 < P < 1/L, c -> 0 like 1/(k + 1) }}\n{STATE}\nupdate {{ x+ = prox_r,P(y - P*grad f(y) - c); y+ = x+ + 0.5*(x+ - x) }}",
    "mlp": f"{HEAD}\nnetworks {{ phi = mlp(hidden = 5, layers = 2, bias = false, activation = elu); d = mlp(hidden = 4, layers = 1, activation = softplus) per coordinate }}\nparameters {{ predicted s, t in R = phi(y, grad f(y), k) with 0 < s < 1/L, 0 <= t < 1 }}\n{STATE}\nupdate {{ {STEP} + 0.1*d(x, y); y+ = x+ + t*(x+ - x) + 0.1*d(x+, y) }}",
    "gru, pooled": f"{HEAD}\nnetworks {{ phi = gru(hidden = 3, layers = 1) }}\nparameters {{ predicted s, t in R = phi(y, grad f(y)) with 0 < s < 1/L, 0 <= t < 1 }}\n{STATE}\nupdate {{ {STEP}; y+ = x+ + t*(x+ - x) }}",
    "values": f"{HEAD}\nparameters {{ fixed s in R = 1/L }}\n{STATE}\nupdate {{ {STEP}; u = f(x) + r(x+); y+ = x+ + where(u > f(x+), 0.5, 0.2)*(x+ - x) }}",
    "descent": f"{HEAD}\nnetworks {{ phi = lstm(hidden = 5, layers = 1) per coordinate }}\n{STATE}\nupdate {{ {{0}}; y+ = x+ + 0.9*(x+ - x) }}\nsafeguard descent".replace("{0}", "g = grad f(y) + 0*prox_r,L(y); x+ = y - 0.5*phi(y, g) - g/L"),
    "deviation": f"{HEAD}\nnetworks {{ phi = lstm(hidden = 5, layers = 1) per coordinate }}\n{STATE}\nupdate {{ {{0}}; y+ = x+ + 0.9*(x+ - x) }}\nsafeguard deviation(delta = 0.1)".replace("{0}", "g = grad f(y) + 0*prox_r,L(y); x+ = y - 0.5*phi(y, g) - g/L"),
}  # fmt: skip


@pytest.mark.parametrize("name", RULES)
def test_facts_tails_networks_and_safeguards_equal_the_module(name: str) -> None:
    made = checked("algorithm T\n" + RULES[name])
    for seed in range(4):
        assert_agrees(made, "minimize", seed, 3)


@pytest.mark.parametrize("name", CASES)
def test_every_operator_equals_numpy(name: str) -> None:
    """The formulas and values of test_operators.py."""
    formula, kind, expected = CASES[name]
    use = {"vector": "x+ = v", "scalar": "x+ = v + 0*x", "measured": "x+ = A'*v"}[kind]
    program = program_of(
        f"algorithm T\n{OPERATORS_HEAD}parameters {{ fixed a in R = 1/L; fixed D in diag(n) = 0.5/L }}\n"
        f"state {{ x, y in R^n = 0 }}\nupdate {{ v = {formula}; w = prox_r,a(0*grad f(x)) + 0*||A'*b||_2; {use} + w; y+ = y }}\n"
    )
    rng = np.random.default_rng(3)
    instance = instances.recovery(rng, 4, 6)
    x, y, A, b = rng.normal(size=6), rng.normal(size=6), instance.data["A"], instance.data["b"]
    found = interpreter.step(program, instance, Parameters(), {"x": x, "y": y}, 0)["x"]
    value = np.broadcast_to(expected(x[None], y[None], A[None], b[None]), (1, 4 if kind == "measured" else 6))[0]
    np.testing.assert_allclose(found, A.T @ value if kind == "measured" else value, rtol=1e-10, atol=1e-13)


def test_the_interpreter_knows_every_operator() -> None:
    assert set(operators.OPERATORS) | {"compare"} == set(core_operators.OPERATORS)
