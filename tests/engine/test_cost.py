"""Prices come from the table, by seller and model; an unknown price is None, never nothing."""

import subprocess
import sys

import pytest

from runner.core.messages import Usage
from runner.engine.cost import PRICED, price

MILLION = 1_000_000


def test_a_price_grows_with_the_tokens_and_cached_ones_are_cheaper():
    plain = price("openai", "gpt-4o", Usage(MILLION, 0))
    cached = price("openai", "gpt-4o", Usage(MILLION, 0, cached_tokens=MILLION))
    answered = price("openai", "gpt-4o", Usage(MILLION, MILLION))
    assert 0 < cached < plain < answered


def test_both_openai_dialects_cost_the_same():
    assert price("responses", "gpt-4o", Usage(1000, 10)) == price("openai", "gpt-4o", Usage(1000, 10))


@pytest.mark.parametrize(
    ("gateway", "model"),
    [("anthropic", "claude-sonnet-4-5"), ("gemini", "gemini-2.5-flash"), ("gemini", "models/gemini-2.5-flash")],
)
def test_the_well_known_models_have_a_price(gateway, model):
    assert price(gateway, model, Usage(1000, 100)) > 0


def test_every_seller_is_one_of_the_tables():
    from genai_prices.data import providers

    assert set(PRICED.values()) <= {provider.id for provider in providers}


@pytest.mark.parametrize("model", ["gpt-that-nobody-sells", ""])
def test_an_unknown_model_has_no_price(model):
    assert price("openai", model, Usage(1000, 100)) is None


def test_more_cached_tokens_than_input_is_no_reason_to_fail():
    assert price("openai", "gpt-4o", Usage(10, 1, cached_tokens=50)) == price(
        "openai", "gpt-4o", Usage(10, 1, cached_tokens=10)
    )


def test_counts_that_make_no_sense_have_no_price():
    assert price("openai", "gpt-4o", Usage(-5, 1)) is None


def test_what_runs_here_has_no_price_and_reads_no_table():
    said = (
        "import sys\n"
        "from runner.core.messages import Usage\n"
        "from runner.engine.cost import price\n"
        "here = [price(name, 'm', Usage(9, 9)) for name in ('ollama', 'local', 'scripted', 'mine')]\n"
        "here += [price('openai', 'gpt-4o', Usage(9, 9), where=f'http://{host}/v1')"
        " for host in ('localhost:1', '127.0.0.1:1', '[::1]:1')]\n"
        "assert here == [None] * 7, here\n"
        "assert 'genai_prices' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", said], check=True)


@pytest.mark.parametrize(
    ("gateway", "where", "expected"),
    [("openai", "https://api.openai.com/v1", True), ("openai", "http://127.0.0.1:1/v1", False), ("ollama", "", False)],
)
def test_the_table_is_made_ready_only_where_something_will_cost(gateway, where, expected):
    program = (
        "import sys, time\nfrom runner.engine.cost import expect\n"
        f"expect({gateway!r}, where={where!r})\n"
        "until = time.monotonic() + 10\n"
        f"while {expected} and 'genai_prices' not in sys.modules and time.monotonic() < until: time.sleep(0.01)\n"
        "import threading\nprint('genai_prices' in sys.modules, threading.active_count())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert done.stdout.split()[0] == str(expected)
    assert expected or done.stdout.split()[1] == "1"
