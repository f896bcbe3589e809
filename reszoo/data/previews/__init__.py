"""Pictures and tables of a data set: contact sheets, augmentation sheets, descriptions."""
