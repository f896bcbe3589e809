"""Checkpoints: the files from which a training resumes."""
