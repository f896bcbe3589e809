"""The plan: a spec as rows of layers with shapes, parameters and multiply-adds. No TensorFlow."""

from reszoo.planning.cost import Cost
from reszoo.planning.rows import Plan, Ref, Row, Tags
from reszoo.planning.stage_table import Part

__all__ = ["Cost", "Part", "Plan", "Ref", "Row", "Tags"]
