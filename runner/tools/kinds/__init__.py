"""The kinds of tool that an agent file declares: one file a kind."""
