# `just` lists the recipes; each is one command that works without just.

_:
    @just --list

# the tests that are quick
test *ARGUMENTS:
    uv run pytest {{ARGUMENTS}}

# all tests, with every example of every property
test-all:
    uv run pytest -m "slow or not slow"

# style, types, agents and examples
check:
    uv run ruff format --check .
    uv run ruff check .
    uv run mypy
    uv run agent-run check agents examples
    uv run agent-run replay examples

# put right what ruff can put right
fix:
    uv run ruff check --fix .
    uv run ruff format .

# what CI does, from a bare machine on
ci:
    bash .ci/run

# start-up, streaming and replay as ratios against bare floors
bench:
    uv run python -m bench

# today's versions of all packages, on purpose: then run the tests
pin:
    uv run scripts/pin.py

# the schemas of agent and transcript files, from what the code declares
schemas:
    uv run scripts/write_schemas.py

# the wheel and the source distribution
build:
    uv build
