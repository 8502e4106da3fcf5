"""From a file to a waveform."""
