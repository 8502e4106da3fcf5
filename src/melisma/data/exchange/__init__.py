"""Corpora as other programs keep them: read into manifests, and written from them."""
