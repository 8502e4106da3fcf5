"""What a Whisper training will take: GPU-hours, time, memory, storage and money, with every assumption stated."""
