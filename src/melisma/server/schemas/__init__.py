"""What comes in and goes out, as JSON: what comes in is held to it strictly."""
