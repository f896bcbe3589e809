"""The plan: a spec as rows of layers with shapes, parameters, multiply-adds and bytes. No
TensorFlow.
"""

from reszoo.plan.connections import register_connection
from reszoo.plan.cost import Cost, cost
from reszoo.plan.devices import for_device
from reszoo.plan.network import plan
from reszoo.plan.parts import BIAS, LOGITS, factors, named_parts, part_names, part_of, rows_in
from reszoo.plan.rewrites import fold_norms, for_inference
from reszoo.plan.rows import Plan, Ref, Row, Tags
from reszoo.plan.table import Part, stage_table
from reszoo.plan.transforms import register_transform

__all__ = [
    "BIAS",
    "Cost",
    "LOGITS",
    "Part",
    "Plan",
    "Ref",
    "Row",
    "Tags",
    "cost",
    "factors",
    "fold_norms",
    "for_device",
    "for_inference",
    "named_parts",
    "part_names",
    "part_of",
    "plan",
    "register_connection",
    "register_transform",
    "rows_in",
    "stage_table",
]
