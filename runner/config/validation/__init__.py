"""What an agent file must keep: its JSON Schema, and the checks that a schema cannot express."""
