"""From a waveform to an emission: one module per engine."""
