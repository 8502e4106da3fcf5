"""From arrays to numbers: one module per task."""
