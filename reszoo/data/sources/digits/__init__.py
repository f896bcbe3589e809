"""Handwritten digits, 8x8, that come with scikit-learn: the data set that is always there."""
