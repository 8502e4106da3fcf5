"""From an emission and tokens to words and lines."""
