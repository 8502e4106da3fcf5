"""From lyrics to lines, words and phones, with the map back to the user's own spelling."""
