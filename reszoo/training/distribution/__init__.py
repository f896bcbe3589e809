"""Where a training runs: devices, strategies and workers."""
