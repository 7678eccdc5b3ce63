"""Which models can be asked: whether a server answers, how many models it lists, and where weights are."""

from __future__ import annotations

from collections.abc import Iterator

from runner.commands.doctor.health_check import HealthCheck
from runner.config.agent import Agent, UserConfig
from runner.config.trust.capabilities import gateway_capabilities
from runner.config.trust.trust import TrustStatus, consented_hosts
from runner.core.errors import AgentRunError, GatewayError, ModelMissing, UsageError
from runner.core.policy import Timeouts
from runner.core.spelling import counted
from runner.gateways import connect, dialect_of

_TIMEOUTS = Timeouts(connect=2, first_token=3, gap=3)


def check_default_server(user: UserConfig) -> HealthCheck:
    """Whether Ollama is there, and how many models it lists."""
    name = "ollama"
    try:
        gateway = connect(name, user.gateways, hosts=user.hosts)
        return HealthCheck("gateways", name, "ok", f"{gateway.where}, {_listed_models(gateway)}")
    except AgentRunError as error:
        return HealthCheck("gateways", name, "missing", error.what, error.fix)


def check_embedded_model() -> HealthCheck:
    """Whether the weights of the embedded model are there."""
    from runner.gateways.local.models import KNOWN_MODELS, find_model  # lazy: agents with a server need no weights

    model = next(iter(KNOWN_MODELS))
    try:
        return HealthCheck("gateways", f"local/{model}", "ok", str(find_model(model)))
    except ModelMissing as error:
        return HealthCheck("gateways", f"local/{model}", "missing", error.what, error.fix)


def check_routes(agent: Agent, status: TrustStatus | None) -> Iterator[HealthCheck]:
    """The agent's gateways with its models; one that answers is enough. The file's own wait for trust."""
    if status and not status.trusted and gateway_capabilities(agent):
        yield HealthCheck("routes", agent.gateway, "missing", "not contacted before the file is trusted")
        return
    hosts = (*agent.user.hosts, *consented_hosts(agent))
    routes = [(agent.gateway, agent.model), *((other.gateway, other.model) for other in agent.fallback)]
    checks = [_route(agent, name, model, hosts) for name, model in routes]
    none_answers = all(check.state != "ok" for check in checks)
    for check in checks:
        yield HealthCheck("routes", check.name, check.state, check.says, check.fix, 4 if none_answers else 0)


def _route(agent: Agent, name: str, model: str, hosts: tuple[str, ...]) -> HealthCheck:
    route = f"{name}/{model}"
    if dialect_of(name, agent.gateways).answers_from_script:
        return HealthCheck("routes", route, "ok", "answers from the file")
    try:
        gateway = connect(name, agent.gateways, hosts=hosts)
        models = _listed_models(gateway)
        window = gateway.capabilities(model).window
        return HealthCheck("routes", route, "ok", f"{gateway.where}, {models}, window {window or 'not known'}")
    except (GatewayError, UsageError) as error:
        return HealthCheck("routes", route, "missing", f"{error.what} {error.why}".strip(), error.fix)


def _listed_models(gateway: object) -> str:
    """How many models a server lists: that it answers tells that it is there and takes the key. Raises GatewayError."""
    from runner.gateways.http.gateway import HttpGateway  # lazy: a scripted agent has no server

    count = gateway.count_models(_TIMEOUTS) if isinstance(gateway, HttpGateway) else None
    return "not contacted" if count is None else counted(count, "model")
