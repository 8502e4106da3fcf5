"""Many recordings at once: what `melisma align` and `melisma transcribe` do with one, over the lines of a manifest."""
