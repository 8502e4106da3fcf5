"""What jobs do, one module for each kind."""
