"""Discrete units of speech: recordings to unit ids, unit ids to motifs, and unit ids back to sound.

Nothing here needs torch unless an encoder of the Hugging Face hub is asked for.
"""
