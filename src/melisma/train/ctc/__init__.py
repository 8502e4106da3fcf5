"""Fine-tuning with CTC: a manifest and a network to a checkpoint that the aligner takes as an engine."""
