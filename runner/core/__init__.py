"""Values and rules that every room shares: frozen values and pure functions, by the standard library alone."""
