"""Conversations as files: recorded at the gateway interface, replayed without a network, judged, reported."""
