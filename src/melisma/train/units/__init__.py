"""Units learnt from features: k-means, and how good it is."""
