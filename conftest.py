"""`pytest --doctest-modules reszoo` runs the examples of the floors that import no TensorFlow."""

ON_TENSORFLOW = ("data", "exporting", "inference", "model", "training", "tuning")

collect_ignore = [f"reszoo/{package}" for package in ON_TENSORFLOW]
