"""Templates of system prompts: Jinja2 in a sandbox, and the variables that they use."""
