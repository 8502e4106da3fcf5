"""Lyrics providers: where the words of a song can be had, behind one protocol."""
