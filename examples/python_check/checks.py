"""Checks that a transcript calls by `python: checks.py:FUNCTION`; run only with --trust."""


def names_no_weekend(facts):
    """Passes with None or True; a text says what is wrong; a failed assertion says it, too."""
    assert facts.text, "the answer is empty"
    named = [day for day in ("Saturday", "Sunday") if day in facts.text]
    return f"the answer names {named}" if named else None
