"""A tool that must never be imported by a check."""

raise SystemExit("a check has imported this file")


def search(): ...
