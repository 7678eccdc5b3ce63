"""Checks of the case."""


def is_short(facts):
    assert len(facts.text) < 40, "too long"
    return True


def is_long(facts):
    return len(facts.text) > 40
