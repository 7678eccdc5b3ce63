"""What a call cost, by the price table that genai-prices carries as data; nothing is looked up over the network."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from threading import Timer

from runner.core.messages import Usage

_LATER = 0.2  # seconds, so that the import does not hold up the request

PRICED: Mapping[str, str] = {
    "anthropic": "anthropic",
    "azure": "azure",
    "cerebras": "cerebras",
    "deepseek": "deepseek",
    "fireworks": "fireworks",
    "gemini": "google",
    "groq": "groq",
    "mistral": "mistral",
    "moonshot": "moonshotai",
    "openai": "openai",
    "openrouter": "openrouter",
    "responses": "openai",
    "together": "together",
    "xai": "x-ai",
}
"""Our gateways' names, and the price table's."""


def price(gateway: str, model: str, usage: Usage, *, where: str = "") -> float | None:
    """US dollars for `usage` of a gateway's model; None where no price is known, 0 never stands for "unknown".

    `where`: the gateway's address; what runs on this machine has no price. Tokens written to a cache count as input.
    """
    seller = _seller(gateway, where)
    if seller is None:
        return None
    import genai_prices  # lazy: half a second, for paid gateways alone

    try:
        tokens = genai_prices.Usage(
            input_tokens=usage.input_tokens,
            cache_read_tokens=min(usage.cached_tokens, usage.input_tokens),
            output_tokens=usage.output_tokens,
        )
        return float(genai_prices.calc_price(tokens, model.removeprefix("models/"), provider_id=seller).total_price)
    except (LookupError, ValueError):
        return None


def expect(gateway: str, *, where: str) -> None:
    """Make the price table ready in the background while a reply that has a price is awaited."""
    if _seller(gateway, where) is not None and "genai_prices" not in sys.modules:
        timer = Timer(_LATER, import_module, ("genai_prices",))
        timer.daemon = True
        timer.start()


def _seller(gateway: str, where: str) -> str | None:
    """Who is paid, in the price table's words."""
    seller = PRICED.get(gateway)
    if seller is None:
        return None
    from runner.core.addresses import host_of, is_loopback  # lazy: for what may be paid alone

    return None if is_loopback(host_of(where)) else seller
