"""What is said and what happens: frozen values and pure functions, the standard library alone, no I/O."""
