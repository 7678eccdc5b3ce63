"""What a person sees and types: rendering of events, and the prompt."""
