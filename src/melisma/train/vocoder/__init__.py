"""Trainings of vocoders that speak units: from a corpus of units and its recordings to a generator."""
