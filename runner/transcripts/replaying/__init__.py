"""A recording plays the model, and the engine is judged by what it makes of it."""
