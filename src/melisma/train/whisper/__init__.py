"""Fine-tuning of Whisper: processor, packed clips, the loop of transformers' Seq2SeqTrainer, and packages."""
