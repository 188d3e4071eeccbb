"""Random rules that a theorem covers by construction: random rules of other kinds meet some theorems too seldom."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .rules import Rule, program_of

PREDICTED = "net = lstm(hidden = 2, layers = 1) per coordinate"
STEP = "x+ = prox_{{r, P}}({y} - P*grad f({y}){b})"


def certified(rng: np.random.Generator) -> Rule:
    """One of them, of a theorem at random."""
    theorem = str(rng.choice(list(THEOREMS)))
    text = THEOREMS[theorem](rng)
    program = program_of(text)
    assert program is not None, text
    return Rule(text, f"certified {theorem}", "", program)


def one(rng: np.random.Generator, *choices: str) -> str:
    return str(rng.choice(choices))


def spec(
    parameters: list[str], lines: list[str], states: str = "x in R^n = 0", coercive: bool = False, after: str = "",
    r: bool = True,
) -> str:  # fmt: skip
    networks = f"networks {{ {PREDICTED} }}\n" if any("net(" in p for p in parameters) else ""
    declared = f"parameters {{ {'; '.join(parameters)} }}\n" if parameters else ""
    objective = "r(x) : convex, proximable; minimize f(x) + r(x)" if r else "minimize f(x)"
    return (
        f"algorithm Certified\nproblem {{ f(x) : convex, smooth(L){', coercive' * coercive}; {objective} }}\n{networks}{declared}"
        f"state {{ {states} }}\nupdate {{ {'; '.join(lines)} }}\n{after}"
    )


def step_of(rng: np.random.Generator, high: str, low: str = "0") -> str:
    """P as a learned or predicted parameter, or fixed."""
    fact = f"with {low}/L < P < {high}/L"
    return one(rng, f"fixed P in R = {high}/L*0.9", f"learned P in R {fact}", f"learned P in diag(n) {fact}")


def memoryless(rng: np.random.Generator, bias: str, coercive: bool) -> str:
    fact = "with 0.05/L <= P <= 1.9/L" + (f", b -> 0 like {bias}" if bias else "")
    names = "P in diag(n), b in R^n" if bias else "P in diag(n)"
    return spec([f"predicted {names} = net(x, grad f(x)) {fact}"], [STEP.format(y="x", b=" - b" * bool(bias))], coercive=coercive)


def fixed_metric(rng: np.random.Generator) -> str:
    parameters, bias = [step_of(rng, "2")], one(rng, "", "", " - b")
    if bias:
        parameters.append(f"predicted b in R^n = net(x) with b -> 0 like {one(rng, '1/(k + 1)^2', '0.9^k')}")
    r = bool(rng.random() < 0.7)
    line = STEP.format(y="x", b=bias) if r else f"x+ = x - P*grad f(x){bias}"
    return spec(parameters, [line], r=r)


def inertial(rng: np.random.Generator, mixing: bool, biases: bool) -> str:
    if rng.random() < 0.5:
        parameters = [step_of(rng, "1"), "learned A_k in R with -0.95 < A_k < 0.95"]
    else:
        parameters = ["predicted P in diag(n), A in diag(n) = net(x) with 0.5/L <= P <= 1/L, -0.7 < A < 0.7"]
    limits, b1, b2 = one(rng, "1/(k + 1)", "1/(k + 1)^2"), "", ""
    A = "A" if any("predicted" in p for p in parameters) else "A_k"
    if biases:
        parameters.append(f"predicted c1, c2 in R^n = net(x) with c1 -> 0 like {limits}, c2 -> 0 like {limits}")
        b1, b2 = " - c1", one(rng, " - c2", " + 2*c2", "")
    if mixing:
        parameters.append("learned B in R with 0 <= B <= 1")
        lines = ["u = x - P*grad f(x)", "v = y - P*grad f(y)", f"x+ = prox_{{r, P}}(u + B*(v - u){b1})"]
    else:
        lines = [STEP.format(y="y", b=b1)]
    return spec(parameters, [*lines, f"y+ = x+ + {A}*(x+ - x){b2}"], "x, y in R^n = 0", bool(rng.random() < 0.5))


def balanced(rng: np.random.Generator) -> str:
    """Steps beyond 1/L, or that vary; the ends are next to what is allowed."""
    if rng.random() < 0.5:
        momentum, most = rng.choice([(0.2, 1.66), (0.5, 1.33), (0.9, 1.05)])
        parameters = [step_of(rng, str(most)), f"learned A_k in R with -{momentum} < A_k < {momentum}"]
    else:
        low, high, momentum = rng.choice([(0.5, 1.0, 0.81), (0.1, 1.0, 0.42), (0.5, 1.5, 0.15), (0.8, 1.2, 0.57)])
        parameters = [f"predicted P in diag(n), A in diag(n) = net(x) with {low}/L <= P <= {high}/L, -{momentum} < A < {momentum}"]
    A = "A" if any("predicted" in p for p in parameters) else "A_k"
    lines = [STEP.format(y="y", b=""), f"y+ = x+ + {A}*(x+ - x)"]
    return spec(parameters, lines, "x, y in R^n = 0", bool(rng.random() < 0.5))


def fista(rng: np.random.Generator) -> str:
    lines = [STEP.format(y="y", b=""), "t+ = (1 + sqrt(1 + 4*t^2))/2", "y+ = x+ + (t - 1)/t+*(x+ - x)"]
    return spec([step_of(rng, "1")], lines, "x in R^n = 0; y in R^n = x; t in R = 1")


def heavy(rng: np.random.Generator) -> str:
    beta, high = ("0.3", "1.3") if rng.random() < 0.5 else ("0.8", "0.38")
    parameters = [f"learned alpha in R with 0 < alpha < {high}/L", f"learned beta in R with 0 <= beta <= {beta}"]
    if rng.random() < 0.3:
        lines = ["v+ = beta*v + (1 - beta)*grad f(x)", "x+ = x - alpha*v+"]
        return spec(parameters, lines, "x, v in R^n = 0", r=False)
    r = bool(rng.random() < 0.6)
    inner = "x - alpha*grad f(x) + beta*(x - z)"
    return spec(parameters, [f"x+ = prox_{{r, alpha}}({inner})" if r else f"x+ = {inner}", "z+ = x"], "x, z in R^n = 0", r=r)


def safeguarded(rng: np.random.Generator, method: str) -> str:
    """Anything, also what diverges by itself."""
    inner = one(rng, "x - 3*grad f(x)/L", "x - net(x, grad f(x))", "x + 1/L*grad f(x)", "2*x - 1/L*grad f(x)")
    line = f"x+ = prox_{{r, 3/L}}({inner})"
    networks = f"networks {{ {PREDICTED} }}\n" if "net(" in line else ""
    made = spec([], [line], coercive=bool(rng.random() < 0.5), after=f"safeguard {method}\n")
    return made.replace("state {", f"{networks}state {{")


THEOREMS: dict[str, Callable[[np.random.Generator], str]] = {
    "C1": lambda rng: memoryless(rng, "1/sqrt(k + 1)", True),
    "C1v": lambda rng: memoryless(rng, one(rng, "", "1/(k + 1)"), False),
    "C1s": fixed_metric,
    "C2": lambda rng: inertial(rng, False, False),
    "C2b": lambda rng: inertial(rng, bool(rng.random() < 0.5), True),
    "C2c": lambda rng: inertial(rng, True, False),
    "C2d": balanced,
    "C3": fista,
    "C4": heavy,
    "SG-B": lambda rng: safeguarded(rng, "descent"),
    "SG-D": lambda rng: safeguarded(rng, "deviation(delta = 0.05)"),
}
