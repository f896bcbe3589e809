"""Previews of data sets: contact sheets, augmentation sheets, descriptions."""
