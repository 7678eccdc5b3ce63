"""What each command does, without a terminal: data in, data out."""
