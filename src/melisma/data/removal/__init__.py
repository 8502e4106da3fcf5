"""Taking a source out of a corpus, with all that was made of it."""
