"""The YAML layer: text with positions, errors that name them, and overrides."""
