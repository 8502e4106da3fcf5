"""Songs with exact truth, for the demo, for tests and for augmentation."""
