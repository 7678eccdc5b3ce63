"""A run over many transcripts: which files and cells, in which processes, in which order."""
