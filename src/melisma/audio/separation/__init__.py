"""From a song to its voice, as far as that can be had."""
