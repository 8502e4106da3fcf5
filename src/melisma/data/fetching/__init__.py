"""The parts of `melisma.data.fetch`: addresses to recordings, each once, with what is known of them."""
