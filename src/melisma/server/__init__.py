"""The HTTP service: routes, jobs, and the Studio's files."""
