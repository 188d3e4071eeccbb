"""What is true of an update rule: fixed points, normal form, convergence; symbolic, and replayed in numbers."""
