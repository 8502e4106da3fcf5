"""Corpora of units: features, units and motifs of the utterances of a manifest."""
