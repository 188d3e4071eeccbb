"""Rules that must coincide: one generated module against another, over 20 iterations, with the same weights."""
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from references import harness
from references.harness import ByHand, data_for
from torch import Tensor

import l2ogen
from l2ogen import pipeline
from l2ogen.source import Source

SPECS = Path(__file__).resolve().parent.parent / "specs"


def edited(name: str, old: str, new: str, variant: str | None = None) -> Any:
    """An algorithm of a spec with a changed text"""
    text = (SPECS / f"{name}.l2o").read_text(encoding="utf-8")
    assert old in text
    source = Source(f"specs/{name}.l2o", text.replace(old, new))
    return l2ogen.Spec(pipeline.check(source, variant=variant)).check().compile()().double()


def with_variant(name: str, changes: str) -> Any:
    """An algorithm of a spec with one more variant of it"""
    text = (SPECS / f"{name}.l2o").read_text(encoding="utf-8")
    algorithm = text.split()[1]
    source = Source(f"specs/{name}.l2o", f"{text}\nvariant Special of {algorithm} {{ {changes} }}\n")
    return l2ogen.Spec(pipeline.check(source, variant="Special")).check().compile()().double()


def iterates(algorithm: Any, name: str) -> Tensor:
    """x_1, ..., x_K on the instances of a spec's tests"""
    data = data_for(name)
    problem = ByHand(data)
    with torch.no_grad():
        return torch.stack([state.x for state in harness.states("", algorithm, problem, data)])


def assert_same(one: Any, other: Any, name: str = "ista") -> None:
    expected = iterates(other, name)
    assert expected.diff(dim=0).abs().amax((1, 2)).min() > 1e-8
    torch.testing.assert_close(iterates(one, name), expected, rtol=1e-10, atol=1e-12)


def shipped(name: str) -> Any:
    return harness.algorithm_for(name, data_for("ista"))


def test_the_bare_rule_is_l2o_pa() -> None:
    one = l2ogen.rule("x+ = prox_r,P(y - P*grad f(y)); y+ = x+ + A*(x+ - x)").compile()().double()
    other = shipped("l2o_pa")
    one.load_state_dict(other.state_dict())
    assert_same(one, other)


def test_pa_of_pba12_is_l2o_pa() -> None:
    one, other = shipped("pba12:PA"), shipped("l2o_pa")
    with torch.no_grad():
        for weight in other.parameters():
            weight.mul_(0.7)
    one.load_state_dict(other.state_dict())
    assert_same(one, other)


def test_p_is_proximal_gradient_in_that_metric() -> None:
    """A network whose last layer is only a bias predicts the same P for ever."""
    one, other = shipped("pba12:P"), shipped("pgd_metric")
    with torch.no_grad():
        one.phi.out.weight.zero_()
        other.P.fill_(one.phi.out.bias.item())
    assert_same(one, other)


@pytest.mark.parametrize("changes", ["P = 1/L; B = I; A = 0; b1 = 0; b2 = 0", "P = 1/L; A = 0; b1 = 0; b2 = 0"])
def test_pba12_without_acceleration_is_ista(changes: str) -> None:
    """Whatever B is: y is x."""
    assert_same(with_variant("pba12", changes), shipped("ista"))


def test_the_composite_form_with_step_1_over_L_is_ista() -> None:
    assert_same(with_variant("composite_form", "P = 1/L; b = 0"), shipped("ista"))


def test_l2o_pa_with_the_weights_of_fista_is_fista() -> None:
    """A_k = (t_k - 1)/t_(k+1), t_0 = 1, t_(k+1) = (1 + sqrt(1 + 4*t_k^2))/2, as a state"""
    text = (SPECS / "l2o_pa.l2o").read_text(encoding="utf-8")
    start, end = text.index("networks"), text.index("expect")
    rule = """parameters { fixed P in R = 1/L }
    state { x, y in R^n = 0; t in R = 1 }
    update { x+ = prox_r,P(y - P*grad f(y)); t+ = (1 + sqrt(1 + 4*t^2))/2; y+ = x+ + ((t - 1)/t+)*(x+ - x) }
    """
    body = text[start:text.index("variant")]
    assert_same(edited("l2o_pa", text[start:], rule + body[end - start:].replace("convergence refuted", "convergence unknown")),
                shipped("fista"))


def test_the_implicit_proximal_point_rule_is_the_prox() -> None:
    """and its step is minus a subgradient at the new point: lam*sign(x+ - center) off the kinks"""
    assert_same(shipped("ppa"), edited("ppa", "x - alpha*g where g in subgrad r(x+)", "prox_r,alpha(x)"), name="ppa")
    problem = ByHand(data_for("ppa"))
    xs = iterates(shipped("ppa"), "ppa")
    for x, x_next in pairwise(xs):
        g, slope = x - x_next, problem.lam * (x_next - problem.center).sign()
        off = x_next != problem.center
        torch.testing.assert_close(g[off], slope[off], rtol=1e-10, atol=1e-12)
        assert (g.abs() <= problem.lam + 1e-12).all()
    assert (xs[-1] == problem.center).any() and (xs[-1] != problem.center).any()


def test_horizon_one_is_pba12_by_the_matching_of_the_theorem() -> None:
    """P1 = P, P2 = B*P, and minus the model's B and A where the theorem has B and A"""
    text = (SPECS / "horizon_one.l2o").read_text(encoding="utf-8")
    start = text.index("predicted")
    old = text[start:text.index("}", start)]
    new = """predicted P1, balance, acceleration in diag(n), b1, b2 in R^n = phi(detach(y), detach(grad f(y)))
        with 0 < P1 < 2/L, 0 < balance < 2, 0 < acceleration < 2
      fixed P2 in diag(n) = balance*P1
      fixed B in diag(n) = -balance
      fixed A in diag(n) = -acceleration
    """
    one = edited("horizon_one", old, new)
    other = shipped("pba12")
    one.load_state_dict(other.state_dict())
    assert_same(one, other)


def test_what_ista_converges_to_is_a_fixed_point_of_the_others() -> None:
    """From x = y = the solution nothing moves a rule without biases, whatever its weights are."""
    data = data_for("ista", batch=2, m=20, n=10)
    problem = ByHand(data)
    with torch.no_grad():
        x = shipped("ista")(problem, 6000)
        for name in ("l2o_pa", "pba12:PBA", "pba12:PA", "pba12:P", "pba12:A", "fista", "fista_restart"):
            algorithm = shipped(name)
            state = algorithm.init_state(problem)
            state = state._replace(**{field: x for field in ("x", "y", "z") if field in state._fields})
            for _ in range(5):
                state = algorithm.step(problem, state)
            np.testing.assert_allclose(state.x, x, atol=1e-9)
