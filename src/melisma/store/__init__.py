"""Alignments kept for later: a SQLite file by default, PostgreSQL by URL, Redis in front of either."""
