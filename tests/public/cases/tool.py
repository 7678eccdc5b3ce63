def f() -> str:
    """Do nothing."""
    return ""
