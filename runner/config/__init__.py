"""The agent file: from text with positions to a frozen Agent, or to every problem at its line."""
