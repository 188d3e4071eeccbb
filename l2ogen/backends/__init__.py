"""Backends: typed programs -> code. They know the IR and the operator table, never the syntax."""
