"""The embedded model: llama.cpp in a process of its own, its weights, and where they are found or downloaded."""
