"""What a training run needs: settings, the run folder, evaluation, plots, data. Imports no more than torch.

    run = train(Run.create("runs/pa", "generated/l2o_pa", steps=500))   # or Run.resume("runs/pa")
    model, shared, settings, training = load_run("runs/pa")             # the best validated weights
    comparison = evaluate({"L2O-PA": model, "FISTA": FISTA()}, problem, iterations=100)
"""
from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from l2ogen.runtime.loading import load_module
from l2ogen.runtime.run import Diverged, Interrupted, Run, RunError
from l2ogen.runtime.settings import Settings
from l2ogen.runtime.trained import Trained, load_run
from l2ogen.runtime.training import main, train

if TYPE_CHECKING:
    from l2ogen.runtime.curves import Comparison, Curve
    from l2ogen.runtime.data import Patches, bsds_patches, digits_mlp
    from l2ogen.runtime.evaluation import evaluate, evaluate_recovery
    from l2ogen.runtime.plots import plot_comparisons, plot_layers
    from l2ogen.runtime.solver import Solution, solve

# Imported at first use: training needs none of it.
_LATER = {
    "Comparison": "curves", "Curve": "curves", "Solution": "solver", "evaluate": "evaluation",
    "evaluate_recovery": "evaluation", "solve": "solver",
    "Patches": "data", "bsds_patches": "data", "digits_mlp": "data", "plot_comparisons": "plots",
    "plot_layers": "plots",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)


__all__ = [
    "Comparison", "Curve", "Diverged", "Interrupted", "Patches", "Run", "RunError", "Settings", "Solution",
    "Trained", "bsds_patches", "digits_mlp", "evaluate", "evaluate_recovery", "load_module", "load_run", "main",
    "plot_comparisons", "plot_layers", "solve", "train",
]
