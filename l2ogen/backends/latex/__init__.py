"""LaTeX: formulas from the syntax tree, so that they keep the form in which they were written."""
