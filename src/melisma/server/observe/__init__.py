"""What whoever runs the service sees of it: request ids, log lines, metrics, readiness."""
