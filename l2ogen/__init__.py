"""l2ogen: update rules of optimization algorithms, checked and compiled into torch modules.

spec = l2ogen.rule("x+ = prox_r,P(y - P*grad f(y)); y+ = x+ + A*(x+ - x)")
print(spec.text)                    # the whole file that the rule stands for
Module = spec.compile()             # a torch.nn.Module
spec.train("runs/mine")             # trained on the problem of the spec
run = l2ogen.load_run("runs/mine")
x = run.solve(A, b, lam)            # on your own NumPy arrays
"""

from .api import Spec, SpecError, load, load_run, rule

__all__ = ["Spec", "SpecError", "load", "load_run", "rule"]
__version__ = "0.1.0"
