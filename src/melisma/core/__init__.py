"""Records, the clock, errors, settings and the plug-in loader: standard library, NumPy and pydantic only."""
