"""Proved must mean proved: random rules, the checker's verdicts about them, and numerics that try to contradict."""
