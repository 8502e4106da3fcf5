"""Augmentation of waveforms by a recipe: read it with `recipe.Recipe.read`, apply it in any process."""
