"""A conversation: the tutorial's Broker and ChatSession, and the loop that turns replies and tools into a turn."""
