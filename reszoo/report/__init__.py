"""Text, tables and diagrams for a person to read, made without TensorFlow."""
