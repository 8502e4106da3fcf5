"""Motifs: sequences of units that come again and again, found by byte-pair encoding, counted, and drawn on a page."""
