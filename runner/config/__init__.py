"""The agent file: from text with positions to a frozen Agent, or to every diagnostic at its line."""
