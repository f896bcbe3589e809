"""Figures of results: typed tables in, matplotlib figures out; TensorFlow is never imported."""
