"""What a training shows and hears: progress, TensorBoard and signals."""
