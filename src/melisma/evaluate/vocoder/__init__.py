"""How well a vocoder speaks units: measured against recordings and baselines, and laid out to be listened to."""
