"""The training loop: steps, losses, loss scaling, replicas and precise batch-norm statistics."""
