"""Network definitions, features and checkpoints."""
