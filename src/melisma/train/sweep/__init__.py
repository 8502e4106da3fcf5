"""Searches over the settings of a training."""
