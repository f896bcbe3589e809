"""Plans: specs as rows of layers with shapes, parameters and multiply-adds, without TensorFlow."""

from reszoo.planning.cost import Cost
from reszoo.planning.rows import Plan, Ref, Row, Tags
from reszoo.planning.stage_table import StageSummary

__all__ = ["Cost", "StageSummary", "Plan", "Ref", "Row", "Tags"]
