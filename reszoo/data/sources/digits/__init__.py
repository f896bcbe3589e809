"""scikit-learn's handwritten digits, 8x8: a data set that needs no download."""
