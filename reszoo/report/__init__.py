"""What a person reads: tables, the stage table, diagrams. No TensorFlow."""
