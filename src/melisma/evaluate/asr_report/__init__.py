"""A training of Whisper and what it is worth, as one page that needs no host."""
