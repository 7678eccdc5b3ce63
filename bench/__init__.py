"""What it costs, always as a ratio against a bare floor measured in the same run: `python -m bench [NAME]…`."""
