"""Training jobs: runs that child processes train, on this machine or on a cluster.

Nothing here knows of searches or studies, and nothing but the child itself imports TensorFlow.
"""
