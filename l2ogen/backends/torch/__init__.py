"""Readable PyTorch: expressions, the step, the module and its training loop."""
