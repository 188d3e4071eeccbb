"""Syntax tree -> typed program: names, types, problems derived from formulas, bare rules completed."""
