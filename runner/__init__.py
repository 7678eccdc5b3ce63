"""Agents as YAML files."""

__version__ = "0.1.0"
