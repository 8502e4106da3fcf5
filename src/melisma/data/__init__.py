"""Corpora: recordings and texts to manifests that a training can trust."""
