"""Conversations driven by a script, replayed or live: the agent, its tools, the user's texts and answers."""
