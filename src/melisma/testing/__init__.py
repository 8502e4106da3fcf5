"""For plug-in authors: what every plug-in of a kind promises, as functions that a test calls, and small models."""
