"""The YAML layer: values with positions, errors that name them, `extends` and overrides."""
