"""The dialects that servers speak: for each, a pure `encode` from a request and a decoder from bytes to chunks."""
