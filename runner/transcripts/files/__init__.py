"""The file itself: from text with positions to a Transcript, and recordings back into text."""
