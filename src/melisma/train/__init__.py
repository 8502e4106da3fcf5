"""One short training loop per task."""
