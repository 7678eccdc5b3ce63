"""YAML 1.2 (core schema) with the line and column of every value."""
