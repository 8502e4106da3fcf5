"""Motifs on one page: a click on one plays its occurrences and shows them where they are in their recordings."""
