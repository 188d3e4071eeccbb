"""Random rules as the texts of specs: correct by construction, or damaged by one or two mutations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from l2ogen import pipeline
from l2ogen.core import ir
from l2ogen.source import Source

from .mutants import mutants


@dataclass(frozen=True)
class Rule:
    text: str
    family: str
    damage: str
    """What was done to a correct rule; empty: nothing."""
    program: ir.Algorithm = field(repr=False, compare=False)


def program_of(text: str) -> ir.Algorithm | None:
    """None where the text has mistakes."""
    made = pipeline.check(Source("rule.l2o", text)).program
    return made if isinstance(made, ir.Algorithm) else None


def rule(rng: np.random.Generator, family: Callable[[Draft], None] | None = None) -> Rule:
    """A random one: three in ten as they were constructed, the others with one mutation or two."""
    while True:
        draft = Draft(rng)
        made = family or FAMILIES[str(rng.choice(list(FAMILIES)))]
        made(draft)
        text, damage = draft.text(), ""
        for _ in range(int(rng.choice([0, 1, 2], p=[0.3, 0.5, 0.2]))):
            found = list(mutants(text))
            if found:
                what, text = found[int(rng.integers(len(found)))]
                damage = f"{damage}; {what}" if damage else what
        program = program_of(text)
        if program is not None:
            return Rule(text, draft.family, damage, program)


class Draft:
    """A spec under construction."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.family = ""
        self.problem = ""
        self.smooth, self.proximable = True, True
        self.networks: dict[str, str] = {}
        self.declared: list[str] = []
        self.predicted: list[tuple[str, str, str]] = []
        """(name, space, fact) of one call per coordinate"""
        self.states: list[str] = []
        self.lines: list[str] = []
        self.inputs = "x"

    # -- choices
    def one(self, *choices: str) -> str:
        return str(self.rng.choice(choices))

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    # -- pieces
    def operator(self, name: str, low: str, high: str, fixed: str, scalar: bool = False) -> str:
        """A scalar or a diagonal in (low, high), in one of the ways that the language has."""
        kind = self.one("fixed", "fixed", "R", "R_k", "diag", "diag_k", "predicted", "pooled", "product", "schedule")
        if scalar and kind in ("diag", "diag_k", "predicted", "product"):
            kind = "R"
        fact = f"{low} {self.one('<', '<', '<=')} {{}} {self.one('<', '<', '<=')} {high}"
        match kind:
            case "fixed":
                self.declared.append(f"fixed {name} in R = {fixed}")
                return name
            case "schedule":
                factor = self.one("(k + 1)/(k + 2)", "(1 + 0.5^k)/2", "k/(k + 3)" if low != "0" else "(k + 1)/(k + 3)")
                self.declared.append(f"fixed {name}_k in R = {factor}*{fixed}")
                return f"{name}_k"
            case "R" | "diag":
                space = "R" if kind == "R" else "diag(n)"
                self.declared.append(f"learned {name} in {space} with {fact.format(name)}")
                return name
            case "R_k" | "diag_k":
                space = "R" if kind == "R_k" else "diag(n)"
                tail = self.one("", "", "", " tail decay(0.9999)", f" tail {fixed}")
                self.declared.append(f"learned {name}_k in {space} with {fact.format(f'{name}_k')}{tail}")
                return f"{name}_k"
            case "predicted":
                self.predicted.append((name, "diag(n)", fact.format(name)))
                return name
            case "pooled":
                self.networks["psi"] = "mlp(hidden = 3, layers = 1)"
                fact = fact.format(name) + self.one("", "", ", margin(0)")
                self.declared.append(f"predicted {name} in R = psi(x) with {fact}")
                return name
        self.declared += [f"learned {name} in R with {fact.format(name)}", f"learned D{name} in diag(n) with 0.5 < D{name} < 1"]
        return f"({name}*D{name})"

    def step(self) -> str:
        high = self.one("1/L", "2/L") if self.smooth else "2"
        return self.operator("P", "0", high, "1/L" if self.smooth else "0.7")

    def momentum(self, name: str = "A") -> str:
        return self.operator(name, self.one("0", "-0.9"), self.one("0.9", "1", "2"), "0.5")

    def bias(self, name: str) -> str:
        """` - b`, or nothing"""
        kind = self.one("", "", "", "predicted", "envelope", "root", "learned", "decay", "tail", "vanishing factor", "growing", "unbounded")
        match kind:
            case "":
                return ""
            case "predicted" | "envelope" | "root":
                like = {"predicted": "", "envelope": self.one("1/(k + 1)^2", "0.9^k"), "root": "1/sqrt(k + 1)"}[kind]
                self.predicted.append((name, "R^n", f"{name} -> 0 like {like}" if like else ""))
            case "growing":
                self.predicted.append((name, "R^n", f"{name} -> 0 like 1/(k + 1)"))
                return f" - {self.one('(k + 1)', 'sqrt(k + 1)', '1/(k + 1)')}*{name}"
            case "unbounded":
                self.predicted += [(name, "R^n", f"{name} -> 0 like 1/(k + 1)"), (f"Q{name}", "diag(n)", "")]
                return f" - Q{name}*{name}"
            case "learned":
                self.declared.append(f"learned {name} in R^n init 0.3")
            case "tail":
                name = f"{name}_k"
                self.declared.append(f"learned {name} in R^n with {name} -> 0 tail 1/(k + 1)")
            case "vanishing factor":
                self.declared.append(f"learned {name}_k in R^n with {name}_k -> 0")
                return f" - {name}_k .* {self.one('x', 'tanh(x)', 'grad f(x)' if self.smooth else 'x')}"
            case _:
                name = f"{name}_k"
                self.declared.append(f"learned {name} in R^n with {name} -> 0")
        return f" - {name}"

    def zero(self, y: str = "x") -> str:
        """A term that vanishes at solutions, or looks as if it did."""
        if not self.chance(0.35):
            return ""
        self.networks["phi"] = self.net()
        g = "grad f(x)" if self.smooth else "x"
        terms = [
            f"({y} - x)", f"0.5*({y} - x)", f"tanh({y} - x)", f"phi({g}) .* ({y} - x)", f"||{y} - x||_2*phi({g})",
            f"(phi({g}) - phi({g}))", f"0.1*(abs({y}) - abs(x))", f"relu({y} - x)", f"0.1*sin_like({y} - x)",
            f"0.1*({y} - x) .^ 2", f"0.1*(max({y}, 0) - relu({y}))", f"0.1*log(1 + ({y} - x) .^ 2)",
        ]  # fmt: skip
        if self.chance(0.2):
            self.declared += ["learned M, N in R^(n, n)", "learned E in diag(n)"]
            return " + " + self.one("(M*(N*x) - N*(M*x))", "(M*(E*x) - E*(M*x))", "(M*x - M'*x)", "((M*E)'*x - E*(M'*x))",
                                    f"M*({y} - x)", "((M*N)'*x - N'*(M'*x))")  # fmt: skip
        if self.smooth:
            terms += [
                f"0.1*(grad f({y}) - grad f(x))", f"0.1*phi({y}) .* (grad f({y}) - grad f(x))",
                f"(phi(x) - phi({g}))", f"0.1*grad f(x) .* ({y} - x)", f"0.1*({y} - x) ./ exp(grad f(x))",
            ]  # fmt: skip
        term = self.one(*terms).replace("sin_like", "huber").replace(f"huber({y} - x)", f"huber({y} - x, 1)")
        return f" + {term}"

    def net(self) -> str:
        kind = self.one("mlp(hidden = 3, layers = 1", "lstm(hidden = 2, layers = 1", "gru(hidden = 2, layers = 1")
        extra = self.one("", "", ", bias = false", ", bias = false, inputs = standardized")
        return f"{kind}{extra}) per coordinate"

    def state(self, name: str) -> str:
        self.states.append(f"{name} in R^n = 0")
        return name

    # -- text
    def text(self) -> str:
        if not self.problem:
            parts = ["f(x) : convex, smooth(L)"] * self.smooth + ["r(x) : convex, proximable"] * self.proximable
            goal = " + ".join(["f(x)"] * self.smooth + ["r(x)"] * self.proximable)
            self.problem = "; ".join([*parts, f"minimize {goal}"])
        if self.predicted:
            self.networks.setdefault("net", "lstm(hidden = 2, layers = 1) per coordinate")
            groups = ", ".join(f"{name} in {space}" for name, space, _ in self.predicted)
            facts = ", ".join(fact for _, _, fact in self.predicted if fact)
            self.declared.append(f"predicted {groups} = net({self.inputs})" + (f" with {facts}" if facts else ""))
        body = "\n".join(f"  {line}" for line in self.lines)
        used = "\n".join([*self.declared, *self.lines])
        networks = "; ".join(f"{name} = {made}" for name, made in self.networks.items() if f"{name}(" in used)
        blocks = [f"problem {{ {self.problem} }}"]
        blocks += [f"networks {{ {networks} }}"] if networks else []
        blocks += ["parameters {\n" + "\n".join(f"  {d}" for d in self.declared) + "\n}"] if self.declared else []
        blocks += [f"state {{ x in R^n = 0; {'; '.join(self.states)} }}" if self.states else "state { x in R^n = 0 }"]
        return "\n".join([f"algorithm {self.family.title().replace(' ', '')}", *blocks, f"update {{\n{body}\n}}", ""])


# ---- families --------------------------------------------------------------------------------------


def proximal(d: Draft) -> None:
    """prox_{r, P}(e - P*grad f(e) - b), e = x or an extrapolated point."""
    d.family = "proximal"
    P, point = d.step(), d.one("x", "y", "inline")
    if point == "y":
        A = d.momentum()
        d.state("y")
        d.lines = [f"x+ = prox_{{r, {P}}}(y - {P}*grad f(y){d.bias('b1')}{d.zero('y')})", f"y+ = x+ + {A}*(x+ - x){d.bias('b2')}"]
        d.inputs = d.one("y", "y, grad f(y)")
        return
    if point == "inline":
        A = d.momentum()
        d.state("z")
        d.lines = [f"e = x + {A}*(x - z)", f"x+ = prox_{{r, {P}}}(e - {P}*grad f(e){d.bias('b1')}{d.zero('z')})", "z+ = x"]
        return
    d.lines = [f"x+ = prox_{{r, {P}}}(x - {P}*grad f(x){d.bias('b1')}{d.zero()})"]


def mixture(d: Draft) -> None:
    """The form of PBA12."""
    d.family = "mixture"
    P, B, A = d.step(), d.operator("B", "0", "1", "0.5"), d.momentum()
    d.state("y")
    d.lines = [
        f"u = x - {P}*grad f(x)", f"v = y - {P}*grad f(y)",
        f"x+ = prox_{{r, {P}}}(u + {B}*(v - u){d.bias('b1')})", f"y+ = x+ + {A}*(x+ - x){d.bias('b2')}",
    ]  # fmt: skip


def implicit(d: Draft) -> None:
    d.family = "implicit"
    P = d.step()
    d.lines = [f"x+ = x - {P}*(grad f(x) + g){d.bias('b')} where g in subgrad r(x+)"]


def smooth(d: Draft) -> None:
    d.family, d.proximable = "smooth", False
    P = d.step()
    if d.chance(0.5):
        d.lines = [f"x+ = x - {P}*grad f(x){d.bias('b')}{d.zero()}"]
        return
    d.state("y")
    d.lines = [f"x+ = y - {P}*grad f(y){d.bias('b1')}{d.zero('y')}", f"y+ = x+ + {d.momentum()}*(x+ - x){d.bias('b2')}"]


def heavy(d: Draft) -> None:
    d.family, d.proximable = "heavy ball", d.chance(0.5)
    P, beta = d.step(), d.momentum("beta")
    d.state("z")
    inner = f"x - {P}*grad f(x) + {beta}*(x - z){d.bias('b')}{d.zero('z')}"
    d.lines = [f"x+ = prox_{{r, {P}}}({inner})" if d.proximable else f"x+ = {inner}", "z+ = x"]


def average(d: Draft) -> None:
    """Momentum as an average of gradients."""
    d.family, d.proximable = "average", d.chance(0.6)
    alpha = d.operator("alpha", "0", "1/L", "1/L", scalar=True)
    beta = d.operator("beta", d.one("0", "-0.5"), d.one("0.9", "1"), "0.6", scalar=True)
    d.state("v")
    gain = d.one(f"(1 - {beta})", f"(1 - {beta})", "0.5")
    total = "1" if gain != "0.5" else f"0.5/(1 - {beta})"
    d.lines = [f"v+ = {beta}*v + {gain}*grad f(x)"]
    d.lines += [f"x+ = prox_{{r, {alpha}*{total}}}(x - {alpha}*v+)" if d.proximable else f"x+ = x - {alpha}*v+{d.zero()}"]


def adam(d: Draft) -> None:
    d.family, d.proximable = "adam", False
    d.state("m")
    d.state("v")
    d.declared += ["fixed eps in R = 1e-3"]
    eps = d.one("eps", "eps", "0")
    beta = d.one("0.5", "0.9")
    d.lines = [
        f"g = grad f(x){d.zero()}", f"m+ = {beta}*m + (1 - {beta})*g", "v+ = 0.9*v + 0.1*g.^2",
        f"x+ = x - {d.one('0.01', '0.1')}*(m+/(1 - {beta}^(k + 1))) ./ (sqrt(v+/(1 - 0.9^(k + 1))) + {eps})",
    ]  # fmt: skip
    if eps == "0":
        d.declared.remove("fixed eps in R = 1e-3")


def resolvent(d: Draft) -> None:
    """r alone."""
    d.family, d.smooth = "resolvent", False
    P = d.step()
    if d.chance(0.5):
        d.lines = [f"x+ = prox_{{r, {P}}}(x{d.bias('b')}{d.zero()})"]
        return
    d.state("y")
    d.lines = [f"x+ = prox_{{r, {P}}}(y{d.bias('b1')}{d.zero('y')})", f"y+ = x+ + {d.momentum()}*(x+ - x){d.bias('b2')}"]


def relaxed(d: Draft) -> None:
    d.family = "relaxed"
    P, rho = d.step(), d.operator("rho", "0", d.one("1", "2"), "1.2")
    d.lines = [f"z = prox_{{r, {P}}}(x - {P}*grad f(x){d.bias('b')})", f"x+ = x + {rho}*(z - x){d.zero('z')}"]


def scalars(d: Draft) -> None:
    """Obligations on scalars: they hold for some values of parameters."""
    d.family = "scalars"
    alpha = d.operator("alpha", "0", "2/L", "1/L", scalar=True)
    c = d.operator("c", d.one("0", "-1", "0.5", "2"), d.one("3", "4"), d.one("1", "2"), scalar=True)
    inner = d.one(f"{c}*{alpha}*grad f(x)", f"({c}^2)*{alpha}*grad f(x)", f"{alpha}*{c}*grad f(x) + (1 - {c})*x",
                  f"{alpha}/{c}*grad f(x)", f"{alpha}*grad f(x) + ({c} - 1)*({c} - 2)*x", f"{alpha}*grad f({c}*x)")  # fmt: skip
    d.lines = [f"x+ = prox_{{r, {alpha}}}(x - {inner})"]


def accumulated(d: Draft) -> None:
    """A state that sums up, or an average whose weight changes, behind a factor that fades."""
    d.family, d.proximable = "accumulated", d.chance(0.5)
    P = d.step()
    d.state("z")
    what = d.one("grad f(x)", "x", "0.1*(x - z)", "0*x", "tanh(x)")
    fade = d.one("1/(k + 1)", "1/(k + 1)^2", "0.9^k", "1/sqrt(k + 1)")
    d.lines = [d.one(f"z+ = z + {what}", f"z+ = z + {fade}*{what}", f"z+ = (1 - {fade})*z + {fade}*{what}", f"z+ = 0.9*z + {what}")]
    inner = f"x - {P}*grad f(x) + {d.one(fade, '0.1', '1')}*{d.one('z', 'z', 'tanh(z)', 'z .^ 2', '(z - x)')}"
    d.lines += [f"x+ = prox_{{r, {P}}}({inner})" if d.proximable else f"x+ = {inner}"]


def coupled(d: Draft) -> None:
    """Several states that depend on each other."""
    d.family = "coupled"
    P, a = d.step(), d.one("0.3", "0.6", "1", "2")
    d.state("y")
    d.state("z")
    d.lines = [
        f"x+ = prox_{{r, {P}}}(y - {P}*grad f(y))", f"y+ = {d.one('x+', 'x')} + {a}*(z - x)",
        d.one(f"z+ = x+ + {a}*(y - x)", "z+ = x", "z+ = 0.5*z + 0.5*x+", "z+ = z", f"z+ = 0.6*y + {a}*z + (0.4 - {a})*x"),
    ]  # fmt: skip


def black_box(d: Draft) -> None:
    d.family, d.proximable = "black box", False
    d.networks["phi"] = d.net()
    d.lines = [d.one(
        "x+ = x - 0.1*phi(grad f(x))", "x+ = x - 0.1*phi(x, grad f(x))", "x+ = x - 0.1*tanh(phi(grad f(x)))",
        "x+ = x - 0.1*phi(x) .* grad f(x)", "x+ = x - 1/(k + 1)*phi(grad f(x))", "x+ = x - 0.1*(phi(x) - phi(grad f(x)))",
        "x+ = x - 1/(k + 1)*tanh(phi(grad f(x))) - 0.1*grad f(x)", "x+ = x - 0.1*abs(phi(x)) .* grad f(x)",
    )]  # fmt: skip


def singular(d: Draft) -> None:
    """What is not defined or not continuous at solutions."""
    d.family, d.proximable = "singular", False
    g = "grad f(x)"
    d.lines = [d.one(
        f"x+ = x - {g}/||{g}||_2", f"x+ = x - 0.1*sign({g})", f"x+ = x - 0.1*{g} .* ({g} .^ (-1))",
        f"x+ = x - 0.1*{g} .* log(abs({g}))", f"x+ = x - 0.1*{g}*log(||{g}||_2)", f"x+ = x - 0.1*{g}/(||{g}||_2 + 1)",
        f"x+ = x - 0.1*sqrt(abs({g}))", f"x+ = x - 0.1*where({g} > 0, {g}, 2*{g})", f"x+ = x - 0.1*where({g} > 0, 1, 0)",
        f"x+ = x - 0.1*{g}/||x||_0", f"x+ = x - 0.1*{g}*||x||_0", f"x+ = x - 0.1*floor(abs({g}))",
        f"x+ = x - 0.1*{g} ./ sqrt({g}.^2)", f"x+ = x - 0.1*({g}.^2) .^ 0.5", f"x+ = x - 0.1*max({g}, -{g})",
        f"x+ = x - 0.1*clip({g}, -1, 1)", f"x+ = x - 0.1*clip({g}, 0, 1)", f"x+ = x - 0.1*clip({g}, 0.1, 1)",
    )]  # fmt: skip


def lista(d: Draft) -> None:
    """Rules that see data: sparse recovery, or least squares with an l1 norm."""
    d.family = "data"
    d.problem = "data { shared A in R^(m, n); b in R^m; lam in R with lam > 0 }; recover x from b = A*x : sparse(x)"
    d.declared = [d.one("learned W_k in R^(n, m)", "learned W in R^(n, m)", "fixed W in R^(n, m) = A'", "fixed W in R^(n, m) = 0.1*A'")]
    W = d.declared[0].split()[1]
    theta = d.one("theta_k", "theta", "t_k", "lam", "gamma*lam", "0.1*lam", "s")
    known = {
        "theta_k": "learned theta_k in R with theta_k >= 0", "theta": "learned theta in R with theta > 0",
        "t_k": "learned t_k in R with t_k -> 0, t_k >= 0", "gamma*lam": "", "s": "learned s in R",
    }  # fmt: skip
    d.declared += [known[theta]] if known.get(theta) else []
    gamma = d.one("", "gamma*", "gamma*") if theta != "gamma*lam" else "gamma*"
    if gamma:
        d.declared.append(d.one("learned gamma in R with 0 < gamma < 1", "learned gamma in R", "fixed gamma in R = 0.1",
                                "fixed gamma in R = 1/||A||_2^2"))  # fmt: skip
    body = d.one(f"x - {gamma}{W}*(A*x - b)", f"x + {gamma}{W}*(b - A*x)", f"{gamma}{W}*b + V*x")
    if "V" in body:
        d.declared.append(d.one("learned V in R^(n, n)", f"fixed V in R^(n, n) = I - {gamma}{W}*A"))
    if "lam" not in theta:
        d.problem = d.problem.replace("; lam in R with lam > 0", "")
    d.lines = [f"x+ = {d.one('soft', 'soft', 'soft', 'soft_ss')}({body}, {theta})"]
    if d.lines[0].startswith("x+ = soft_ss"):
        d.lines[0] = d.lines[0][:-1] + ", 0.3)"
    elif d.chance(0.3):
        d.state("z")
        d.lines = [d.lines[0].replace("(x ", f"(x + {d.one('0.5', 'gamma' if gamma else '0.2')}*(x - z) ", 1), "z+ = x"]


def thresholds(d: Draft) -> None:
    """Proximal gradient for least squares and an l1 norm, all of it by hand."""
    d.family = "thresholds"
    d.problem = "data { shared A in R^(m, n); b in R^m; lam in R with lam > 0 }; recover x from b = A*x : sparse(x)"
    fact = d.one("", " with gamma > 0", " with 0 < gamma < 1", " with gamma >= 0")
    d.declared = [f"learned gamma in R{fact}"]
    d.lines = [f"x+ = soft(x - gamma*A'*(A*x - b), {d.one('gamma*lam', 'gamma*lam', 'lam*gamma^2/gamma', 'lam')})"]


FAMILIES = {f.__name__: f for f in (
    proximal, mixture, implicit, smooth, heavy, average, adam, resolvent, relaxed, scalars, coupled,
    black_box, singular, lista, thresholds,
)}  # fmt: skip
