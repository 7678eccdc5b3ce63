"""What `doctor` does: what is here and what is missing for agents to run, on this machine and for one agent file."""

from __future__ import annotations

from runner.commands.doctor.agent import check_agent
from runner.commands.doctor.health_check import HealthCheck, exit_code
from runner.commands.doctor.machine import check_machine

__all__ = ["HealthCheck", "check_agent", "check_machine", "exit_code"]
