"""What is declared of parameters holds for every weight, behind the last layer, too; what is claimed of formulas is true.

A parameter is looked at through `u+ = w*v`: with one instance for each unit vector v, u is the matrix of w.
"""
import random
from decimal import Decimal, localcontext
from typing import Any

import pytest
import torch
from test_meaning import HEAD, TRAIN, A, algorithm, spec
from torch import Tensor

import l2ogen
from l2ogen import pipeline
from l2ogen.source import Source

N, LAYERS = 9, 4
DTYPES = [torch.float32, torch.float64]
SCALES = [0.0, 1.0, 1e2, 1e8]
DATA = HEAD.replace("problem {", "problem { data { lam in R with lam > 0 };")
STEP = "x+ = prox_r,a(x - a*grad f(x))"


def watched(declaration: str, product: str = "w*v", nets: str = "") -> l2ogen.Spec:
    return algorithm(f"{A}; {declaration}", "x, u, v in R^n = 0", f"{STEP}; u+ = {product}; v+ = v", nets, DATA)


def mistakes(declaration: str, name: str = "w") -> list[str]:
    """Codes of what `check` says about one declaration; empty where it is accepted."""
    text = f"{DATA}parameters {{ {A}; {declaration} }}\nstate {{ x in R^n = 0 }}\nupdate {{ {STEP} + {name}*x }}\n{TRAIN}"
    return [d.code for d in pipeline.check(Source("spec.l2o", text)).diagnostics]


class Watched:
    """The module of a declaration on an instance for each unit vector."""

    def __init__(self, made: l2ogen.Spec, dtype: torch.dtype) -> None:
        code = made.module()
        generator = torch.Generator().manual_seed(3)
        matrix = torch.randn(6, N, generator=generator, dtype=dtype)
        b = torch.randn(N, 6, generator=generator, dtype=dtype)
        self.problem = code.Lasso(matrix, b, 0.1 + torch.rand(N, 1, generator=generator, dtype=dtype))
        init = code.T.__init__.__code__.co_varnames[:code.T.__init__.__code__.co_argcount]
        torch.manual_seed(0)
        self.module = code.T(**{"n": N} if "n" in init else {}).to(dtype)
        self.dtype = dtype

    def values(self, steps: int) -> list[Tensor]:
        """w at k = 0, 1, ...: (n, n) each"""
        state, found = self.module.init_state(self.problem), []
        state = state._replace(v=torch.eye(N, dtype=self.dtype), x=torch.ones(N, N, dtype=self.dtype))
        for _ in range(steps):
            state = self.module.step(self.problem, state)
            found.append(state.u)
        return found

    def scaled(self, scale: float, rank: int = N) -> None:
        """Random weights; matrices of this rank."""
        generator = torch.Generator().manual_seed(5)
        with torch.no_grad():
            for weight in self.module.parameters():
                weight.copy_(scale * torch.randn(weight.shape, generator=generator, dtype=self.dtype))
                if rank < N and weight.dim() == 2:
                    weight[:, rank:] = weight[:, :rank] @ torch.ones(rank, N - rank, dtype=self.dtype)

    def end(self, text: str | float | None) -> Any:
        """A bound as a number or (n,)."""
        if isinstance(text, str):
            return eval(text, {"L": self.problem.L[..., 0], "lam": self.problem.lam[..., 0]})
        return text


def spectrum(value: Tensor, kind: str) -> Tensor:
    """Entries, eigenvalues, or the largest singular value."""
    if kind == "sym":
        assert (value - value.mT).abs().max() <= 1e-5 * value.abs().max().clamp(min=1e-30)
        return torch.linalg.eigvalsh(value.double())
    if kind == "matrix":
        return torch.linalg.matrix_norm(value.double(), 2)
    return value.diagonal()


SPACES = {"scalar": "R", "vector": "R^n", "diag": "diag(n)", "sym": "sym(n)", "matrix": "R^(n, n)"}
RANGES: dict[str, tuple[Any, Any]] = {
    "0 < w < 2": (0, 2), "-1 <= w < 3": (-1, 3), "-1 < w <= 3": (-1, 3), "-2 <= w <= -1": (-2, -1), "w > 0": (0, None),
    "w >= 0.5": (0.5, None), "w > -1": (-1, None), "w <= 2": (None, 2), "w < 0": (None, 0), "0 < w < 2/L": (0, "2/L"),
    "w < 1/L": (None, "1/L"), "bounded(0.7)": (-0.7, 0.7), "bounded(1/L)": ("-1/L", "1/L"),
    "w >= 0, bounded(2)": (0, 2), "w < 0, bounded(2)": (-2, 0), "0 < w < 1, margin(0)": (0, 1), "w >= 0, w <= 2": (0, 2),
    "0 < w < 1, margin(0.05)": (0, 1), "w > 1e3, margin(0.01)": (1e3, None),
}  # fmt: skip
MARGINS = {"0 < w < 2": 1e-3, "0 < w < 2/L": 1e-3, "0 < w < 1, margin(0.05)": 0.05}
OF_INSTANCES = {"lam < w < lam + 1": ("lam", "lam + 1"), "w >= lam": ("lam", None), "bounded(lam)": ("-lam", "lam")}
CASES = [(kind, fact) for kind in SPACES for fact in RANGES if kind != "matrix" or fact.startswith("bounded")]
CASES += [(kind, fact) for kind in ("scalar", "vector", "diag") for fact in OF_INSTANCES]


def assert_inside(value: Tensor, low: Any, high: Any, fact: str, slack: float) -> None:
    """Strict facts hold strictly, with their margin. `slack`: the rounding of eigenvalues."""
    margin = MARGINS.get(fact, 0.0) * (high - low) * (1 - 1e-4) if fact in MARGINS else 0.0
    assert value.isfinite().all()
    if low is not None:
        assert (value >= low + margin - slack).all()
    if high is not None:
        assert (value <= high - margin + slack).all()
    if "margin(0)" not in fact and not slack and low is not None and "<= w" not in fact and ">=" not in fact and "b" not in fact:
        assert (value > low).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("kind", "fact"), CASES)
@pytest.mark.parametrize("name", ["w", "w_k"])
def test_ranges_hold_for_all_weights(kind: str, fact: str, name: str, dtype: torch.dtype) -> None:
    product = f"{name} .* v" if kind == "vector" else f"{name}*v"
    at = Watched(watched(f"learned {name} in {SPACES[kind]} with {fact.replace('w', name)}", product), dtype)
    low, high = (at.end(e) for e in (RANGES | OF_INSTANCES)[fact])
    for scale, rank in [(scale, rank) for scale in SCALES for rank in ((N, 2) if kind in ("sym", "matrix") else (N,))]:
        at.scaled(scale, rank)
        values = at.values(LAYERS + 2 if name == "w_k" else 1)
        for value in values:
            slack = 0.0
            if kind in ("sym", "matrix"):  # of eigenvalues that are added to numbers as large as the weights
                slack = 64 * torch.finfo(dtype).eps * max(1.0, value.abs().max().item())
            assert_inside(spectrum(value, kind), low, high, fact, slack)
        torch.stack(values).sum().backward()
        assert all(w.grad is not None and w.grad.isfinite().all() for w in at.module.parameters())
        at.module.zero_grad()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("fact", [*RANGES, *OF_INSTANCES])
@pytest.mark.parametrize("kind", ["scalar", "vector", "diag"])
def test_ranges_hold_for_all_weights_of_a_network(kind: str, fact: str, dtype: torch.dtype) -> None:
    net = "phi = lstm(hidden = 4)" + " per coordinate" * (kind != "scalar")
    product = "w .* v" if kind == "vector" else "w*v"
    at = Watched(watched(f"predicted w in {SPACES[kind]} = phi(x, v) with {fact}", product, net), dtype)
    low, high = (at.end(e) for e in (RANGES | OF_INSTANCES)[fact])
    for scale in SCALES:
        at.scaled(scale)
        values = at.values(3)
        for value in values:
            assert_inside(value.diagonal(), low, high, fact, 0.0)
        torch.stack(values).sum().backward()
        assert all(w.grad is not None and w.grad.isfinite().all() for w in at.module.parameters())
        at.module.zero_grad()


# ---- limits and tails --------------------------------------------------------------------------------------
ENVELOPES = {"1/(k + 1)^2": lambda k: 1 / (k + 1) ** 2, "0.9^k": lambda k: 0.9**k, "2*exp(-k)": lambda k: 2 * 2.718281829**-k}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("envelope", ENVELOPES)
@pytest.mark.parametrize("more", ["", ", w_k >= 0", ", w_k < 0", ", bounded(0.5)"])
@pytest.mark.parametrize("kind", ["scalar", "vector", "diag"])
def test_envelopes_hold_for_all_weights(kind: str, more: str, envelope: str, dtype: torch.dtype) -> None:
    product = "w_k .* v" if kind == "vector" else "w_k*v"
    at = Watched(watched(f"learned w_k in {SPACES[kind]} with w_k -> 0 like {envelope}{more}", product), dtype)
    for scale in SCALES:
        at.scaled(scale)
        for k, value in enumerate(at.values(LAYERS + 6)):
            entries = value.diagonal()
            assert (entries.abs() <= ENVELOPES[envelope](k) * (1 + 1e-6)).all()
            assert "w_k >= 0" not in more or (entries >= 0).all()
            assert "w_k < 0" not in more or (entries < 0).all()
            assert "bounded" not in more or (entries.abs() <= 0.5).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_predicted_parameter_keeps_its_envelope(dtype: torch.dtype) -> None:
    made = watched("predicted w in R^n = phi(x, v) with w -> 0 like 1/(k + 1)", "w .* v", "phi = gru(hidden = 3) per coordinate")
    at = Watched(made, dtype)
    for scale in SCALES:
        at.scaled(scale)
        for k, value in enumerate(at.values(5)):
            assert (value.abs() <= (1 + 1e-6) / (k + 1)).all()


TAILS = {
    "": lambda last, k: last, "tail repeat last": lambda last, k: last,
    "tail decay(0.5)": lambda last, k: last * 0.5 ** (k - LAYERS + 1), "tail 1/(k + 1)": lambda last, k: 1 / (k + 1),
    "tail c/(k + 1)": lambda last, k: 3 / (k + 1), "tail d_k/2": lambda last, k: (k + 1) / 2,
    "with w_k -> 0": lambda last, k: last * 0.9 ** (k - LAYERS + 1),
    "with w_k -> 0 tail decay(0.5)": lambda last, k: last * 0.5 ** (k - LAYERS + 1),
    "with w_k -> 0 tail 0": lambda last, k: 0 * last,
}  # fmt: skip


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("kind", SPACES)
def test_tails(kind: str, tail: str) -> None:
    """The last layer repeated, shrunk, or a formula: of scalars, vectors, diagonals and matrices."""
    if kind in ("sym", "matrix") and "-> 0" in tail:
        assert mistakes(f"learned w_k in {SPACES[kind]} {tail}", "w_k") == ["L2O404"]
        return
    product = "w_k .* v" if kind == "vector" else "w_k*v"
    made = watched(f"fixed c in R = 3; fixed d_k in R = k + 1; learned w_k in {SPACES[kind]} {tail}", f"{product} + 0*c*d_k*v")
    at = Watched(made, torch.float64)
    at.scaled(1.0)
    values = at.values(LAYERS + 4)
    assert not torch.equal(values[LAYERS - 2], values[LAYERS - 1])
    for k in range(LAYERS, LAYERS + 4):
        expected = torch.as_tensor(TAILS[tail](values[LAYERS - 1], k), dtype=torch.float64)
        if expected.dim() == 0:  # a scalar stands for a multiple of I, or a constant vector
            expected = expected * torch.eye(N, dtype=torch.float64)
        torch.testing.assert_close(values[k], expected, rtol=1e-14, atol=0)


def test_nothing_follows_the_last_layer() -> None:
    at = Watched(watched("learned w_k in R init 1 tail none", "w_k*v"), torch.float64)
    assert len(at.values(LAYERS)) == LAYERS
    with pytest.raises(ValueError, match=f"trained for {LAYERS} iterations, and nothing follows them"):
        at.values(LAYERS + 1)


# ---- initial values ----------------------------------------------------------------------------------------
STARTS = [
    ("scalar", "init 0.3 with 0 < w < 2", 0.3), ("scalar", "init 0.001 with 0 <= w <= 100", 0.001),
    ("scalar", "init 99.999 with 0 <= w <= 100", 99.999), ("scalar", "init 0.003 with 0 < w < 2", 0.003),
    ("vector", "init 1.5 with -1 <= w < 3", 1.5), ("diag", "init 0.3*I with 0 < w < 2", 0.3),
    ("scalar", "init 0.3 with w > 0", 0.3), ("vector", "init -0.3 with w < 0", -0.3), ("diag", "init I with w >= 0.5", 1),
    ("scalar", "init 0.5 with w >= 0.5", 0.5), ("scalar", "init -0.2 with bounded(0.7)", -0.2), ("diag", "init 0.2 with w >= 0, bounded(2)", 0.2),
    ("sym", "init 0.3*I with 0 < w < 2", 0.3), ("sym", "init 0.3*I with w > 0", 0.3), ("sym", "init I with bounded(1.5)", 1),
    ("sym", "init -I with w < 0", -1), ("sym", "init 2*I", 2), ("matrix", "init 0.5*I with bounded(0.7)", 0.5),
    ("matrix", "init 0.7*I with bounded(0.7)", 0.7), ("scalar", "init 5", 5), ("scalar", "init 0.5 with 0 < w < 1, margin(0)", 0.5),
    ("sym", "init 1.9999*I with 0 <= w <= 2", 1.9999),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "clauses", "start"), STARTS)
def test_a_parameter_starts_at_its_initial_value(kind: str, clauses: str, start: float) -> None:
    product = "w .* v" if kind == "vector" else "w*v"
    expected = start * torch.eye(N, dtype=torch.float64)
    torch.set_default_dtype(torch.float64)  # of the constructor
    try:
        at = Watched(watched(f"learned w in {SPACES[kind]} {clauses}", product), torch.float64)
    finally:
        torch.set_default_dtype(torch.float32)
    torch.testing.assert_close(at.values(1)[0].detach(), expected, rtol=1e-9, atol=1e-9)


ENDS = [
    ("init 0 with 0 <= w <= 2", 0), ("init 2 with 0 <= w <= 2", 2), ("init 0.7 with bounded(0.7)", 0.7),
    ("init -0.7 with bounded(0.7)", -0.7), ("init 0.002 with 0 < w < 2", 0.002), ("init 0 with w >= 0, bounded(2)", 0),
]  # fmt: skip


@pytest.mark.parametrize(("clauses", "end"), ENDS)
def test_an_end_that_no_weight_reaches_is_approached(clauses: str, end: float) -> None:
    """The start is a little inside, and the gradient moves it."""
    at = Watched(watched(f"learned w in R {clauses}"), torch.float32)
    value = at.values(1)[0][0, 0]
    assert 0 < abs(value.item() - end) < 1e-3
    value.backward()
    (grad,) = (w.grad for w in at.module.parameters())
    assert grad is not None and grad.abs() > 1e-6


@pytest.mark.parametrize(("sign", "side"), [(">=", 1), ("<=", -1)])
def test_a_start_at_0_under_an_envelope(sign: str, side: int) -> None:
    at = Watched(watched(f"learned w_k in R init 0 with w_k {sign} 0, w_k -> 0 like 1/(k + 1)", "w_k*v"), torch.float64)
    for value in at.values(LAYERS):
        assert 0 < side * value[0, 0] < 1e-3


@pytest.mark.parametrize("clauses", [
    "init 3 with 0 < w < 2", "init 0.001 with 0 < w < 2", "init 0 with w > 0", "init -1 with w >= 0", "init 1 with w < 0",
    "init 2 with bounded(1)", "init -2 with bounded(1)", "init 0.05 with 0 < w < 1, margin(0.1)",
])  # fmt: skip
def test_an_initial_value_outside_the_facts_is_refused(clauses: str) -> None:
    assert mistakes(f"learned w in R {clauses}") == ["L2O403"]


@pytest.mark.parametrize("clauses", ["init 0.1 with bounded(lam)", "init 0.1 with w > lam", "init 0.1 with 0 < w < 2/L"])
def test_no_initial_value_suits_a_range_of_the_instance(clauses: str) -> None:
    assert mistakes(f"learned w in R {clauses}") == ["L2O408"]


SHARED = """algorithm T
problem { data { shared A in R^(m, n); b in R^m }; recover x from b = A*x : sparse(x) }
parameters { learned w in R init VALUE with FACT }
state { x in R^n = 0 }
update { x+ = soft(x - A'*(A*x - b), 0.1) + w*x }
"""


@pytest.mark.parametrize(("fact", "value", "inside", "outside"), [
    ("w >= 0", "1 - ||A||_2^2", 0.9, 3), ("w <= 0", "1 - ||A||_2^2", 3, 0.9), ("0 < w < 2", "||A||_2^2", 0.9, 3),
    ("bounded(1)", "||A||_2^2", 0.9, 3),
])  # fmt: skip
def test_an_initial_value_from_data_outside_the_facts_is_refused(fact: str, value: str, inside: float, outside: float) -> None:
    made = spec(SHARED.replace("FACT", fact).replace("VALUE", value)).compile()
    made(inside * torch.eye(4))
    with pytest.raises(ValueError, match="initial value"):
        made(outside * torch.eye(4))


# ---- what can't be enforced is refused ---------------------------------------------------------------------
@pytest.mark.parametrize(("declaration", "code"), [
    ("learned w_k in R with w_k -> 0 like 2*(1 + 1/(k + 1))", "L2O411"),
    ("learned w_k in R with w_k -> 0 like 0.5^(-k)", "L2O411"),
    ("learned w_k in R with w_k -> 0 like exp(-(-k))", "L2O411"),
    ("learned w_k in R with w_k -> 0 like 0.5^(1 - k)", "L2O411"),
    ("learned w_k in R with w_k -> 0 like (1/(k + 1))/((1 + 1/(k + 1)) - 1)", "L2O411"),
    ("learned w_k in R with w_k -> 0 like k^(-1)", "L2O404"),
    ("learned w_k in R with w_k -> 0 like 1/(k + 1) - 2/(k + 1)", "L2O404"),
    ("learned w_k in R with w_k -> 0 like 0.9^k, w_k -> 0 like 1/(k + 1)", "L2O409"),
    ("learned w_k in R with bounded(1), bounded(2)", "L2O409"),
    ("learned w_k in R with 0 < w_k < 1, margin(0.1), margin(0.01)", "L2O409"),
    ("learned w_k in R with 0 < w_k, 1 < w_k", "L2O409"),
    ("learned w_k in R with margin(0.01)", "L2O404"),
    ("learned w_k in R with 0 <= w_k <= 1, margin(0.01)", "L2O404"),
    ("learned w_k in R with 0 < w_k < 1, margin(1e-9)", "L2O404"),
    ("learned w_k in R with 0 < w_k < 1, margin(0.2)", "L2O404"),
    ("learned w_k in R with w_k < -0.5, w_k -> 0", "L2O404"),
    ("learned w_k in R with w_k > lam, w_k -> 0", "L2O404"),
    ("learned w_k in R with 0.5 < w_k < 2 tail decay(0.9)", "L2O414"),
    ("learned w_k in R with 0 < w_k < 2 tail 5", "L2O414"),
    ("learned w_k in R with 0 < w_k < 2 tail -1/(k + 1)", "L2O414"),
    ("learned w_k in R with bounded(1) tail k", "L2O414"),
    ("learned w_k in R with w_k -> 0 tail repeat last", "L2O414"),
    ("learned w_k in R with w_k -> 0 tail 1 + 1/(k + 1)", "L2O414"),
    ("learned w_k in R with w_k -> 0 like 1/(k + 1) tail 2/(k + 1)", "L2O414"),
    ("learned w_k in R tail w_k/2", "L2O407"),
    ("learned w_k in R tail v_k; learned v_k in R", "L2O407"),
    ("learned w_k in R tail none(1)", "L2O201"),
    ("learned w_k in R tail decay(1)", "L2O602"),
    ("learned w_k in R with w_k -> 1", "L2O404"),
    ("learned w_k in R with bounded(0)", "L2O404"),
    ("learned w_k in R with 0 < lam < 1", "L2O401"),
])  # fmt: skip
def test_a_fact_that_nothing_keeps_is_refused(declaration: str, code: str) -> None:
    assert code in mistakes(declaration, "w_k")


@pytest.mark.parametrize("declaration", [
    "learned w_k in R with 0 < w_k < 2 tail 1/(k + 1)", "learned w_k in R with bounded(1) tail decay(0.9)",
    "learned w_k in R with 0 < w_k < 2/L tail 1/L", "learned w_k in R with w_k > 0 tail decay(0.5)",
    "learned w_k in R with w_k -> 0 like 1/(k + 1) tail 0.5/(k + 1)", "learned w_k in R with w_k > -1, w_k -> 0",
    "learned w_k in R with w_k -> 0 like min(1, 3/(k + 1))", "learned w_k in R with w_k -> 0 tail lam*0.5^k",
    "fixed c in R = 0.5/L; fixed w_k in R = c/(k + 1) with 0 < w_k < 1/L, w_k -> 0",
    "learned c in R with c >= 0; fixed w_k in R = c/(k + 1) with w_k -> 0, w_k >= 0", "fixed w_k in R = 1/log(k + 2) with w_k -> 0",
    "fixed w_k in R = k/(k + 3) with 0 <= w_k < 1", "fixed w_k in R = 2/((k + 1)*(k + 2)) with w_k <= 1, w_k -> 0",
    "fixed w_k in R^n = 0.5 with 0 < w_k < 1", "fixed w_k in diag(n) = I/L with 0 < w_k < 2/L", "fixed w_k in sym(n) = 2*I with w_k > 0",
])  # fmt: skip
def test_a_fact_that_follows_is_accepted(declaration: str) -> None:
    found = mistakes(declaration, "sum(w_k)" if "R^n" in declaration else "w_k")
    assert not [code for code in found if code not in ("L2O203",)]


# ---- facts on formulas are proved --------------------------------------------------------------------------
def random_formula(rng: random.Random, depth: int) -> str:
    if depth == 0 or rng.random() < 0.15:
        return rng.choice(["k", "(k + 1)", "L", "lam", "1", "2", "0.5", "3"])
    a, b = random_formula(rng, depth - 1), random_formula(rng, depth - 1)
    forms = ["{a} + {b}", "{a} - {b}", "({a})*({b})", "({a})/({b})", "-({a})", "min({a}, {b})", "max({a}, {b})", "sqrt({a})",
             "({a})^2", "({a})^(-1)", "0.5^({a})", "exp(-({a}))", "exp({a})", "1/({a} + 1)", "log({a} + 2)", "clip({a}, {b}, 2)"]  # fmt: skip
    return rng.choice(forms).format(a=a, b=b)


class Undefined(Exception):
    pass


def evaluated(formula: str, k: int, L: str, lam: str) -> Decimal:
    """At high precision; raises where a float has no value."""
    import re

    D = Decimal
    names = {"k": D(k), "L": D(L), "lam": D(lam), "D": D, "exp": D.exp, "log": D.ln, "sqrt": D.sqrt, "min": min, "max": max,
             "clip": lambda v, lo, hi: min(max(v, lo), hi)}
    text = re.sub(r"(?<![\w.])(\d+(?:\.\d+)?)", r"D('\1')", formula.replace("^", "**"))
    with localcontext() as context:
        context.prec = 80
        context.Emax, context.Emin = 10**17, -(10**17)
        try:
            return D(eval(text, names))
        except ArithmeticError as e:
            raise Undefined from e


def fixed(formula: str, fact: str) -> bool:
    """Whether a fact is accepted of a formula; nothing but the proof may be missing."""
    found = mistakes(f"fixed w_k in R = {formula} with {fact}", "w_k")
    assert set(found) <= {"L2O412", "L2O303", "L2O203"}, (formula, found)  # division by the number 0; without lam
    return not set(found) - {"L2O203"}


def test_what_is_proved_of_a_formula_is_true() -> None:
    rng, proved = random.Random(1), 0
    for _ in range(400):
        formula = random_formula(rng, rng.randint(1, 3))
        fact, holds = rng.choice([
            ("w_k > 0", lambda v: v > 0), ("w_k >= 0", lambda v: v >= 0), ("w_k < 3", lambda v: v < 3),
            ("0 <= w_k <= 1", lambda v: 0 <= v <= 1), ("bounded(2)", lambda v: abs(v) <= 2)])  # fmt: skip
        if not fixed(formula, fact):
            continue
        proved += 1
        for k in (0, 1, 2, 7, 1000):
            for L in ("0.01", "1", "50"):
                for lam in ("0.001", "1", "20"):
                    try:
                        value = evaluated(formula, k, L, lam)
                    except Undefined:
                        pytest.fail(f"{formula} has no value at k = {k}, L = {L}, lam = {lam}")
                    assert holds(value), (formula, fact, k, L, lam, value)
    assert proved > 60


def test_what_is_proved_to_vanish_vanishes() -> None:
    rng, proved = random.Random(2), 0
    for _ in range(500):
        formula = random_formula(rng, rng.randint(1, 3))
        if rng.random() < 0.5:
            formula = rng.choice(["({f})/(k + 1)", "({f})*0.9^k", "1/({f})"]).format(f=formula)
        if not fixed(formula, "w_k -> 0"):
            continue
        proved += 1
        for L, lam in (("0.5", "3"), ("20", "0.1")):
            early, late = (abs(evaluated(formula, k, L, lam)) for k in (10**3, 10**12))
            assert late <= early / 2, (formula, L, lam, early, late)
    assert proved > 40
