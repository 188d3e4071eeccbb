"""The typed program: sizes, types, operators, symbols, the intermediate representation."""
