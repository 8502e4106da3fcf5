"""Jobs: their ledger in the database is the truth, a queue only carries their numbers."""
