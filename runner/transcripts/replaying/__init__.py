"""Replaying recordings offline: the recorded model and tools, and what differs from what was recorded."""
