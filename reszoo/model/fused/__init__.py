"""Fused CPU variants of stock Keras layers: same weights, same names, same numbers."""
