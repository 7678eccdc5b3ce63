"""Validation of agent files: their JSON Schema, and the checks that a schema cannot express."""
