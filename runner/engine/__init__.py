"""Conversations: Broker asks models, ChatSession keeps the history, TurnLoop alternates replies and tool calls."""
