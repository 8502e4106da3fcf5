"""Songs with exact truth: espeak-ng's voice made to sing, over an accompaniment, for the demo, tests and training."""
