"""Contract tests for the authors of plug-ins."""
