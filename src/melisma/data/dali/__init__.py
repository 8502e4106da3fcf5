"""DALI: songs with their lyrics and melody in time, as published; read without trust, put right, cut for training."""
