"""Networks that speak units: generators, the discriminators that they are trained against, and their files."""
