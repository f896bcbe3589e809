"""The workers of a cluster and the devices of each."""
