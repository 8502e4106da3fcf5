"""Routes, one module for each thing that is addressed."""
