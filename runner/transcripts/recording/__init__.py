"""Live conversations with a model: held, recorded, judged and written into transcript files."""
