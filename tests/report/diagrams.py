"""Networks that are hard to draw, and what a reader sees in a drawing."""

from __future__ import annotations

from reszoo.planning.network import plan
from reszoo.report.diagram import Subject
from reszoo.report.drawing import Box, Circle, Text
from reszoo.spec import from_mapping, load

HARD = {
    "name": "hard",
    "input": {"shape": [32, 32, 3]},
    "stem": {"filters": 16},
    "block": {
        "transform": "bottleneck",
        "connection": "highway",
        "gate": {"coupled": False},
        "attention": "se",
        "order": "full_pre",
        "survival_probability": 0.8,
    },
    "stages": [{"depth": 3, "width": 16}, {"depth": 2, "width": 32, "stride": 2}],
    "classes": 10,
}

MANY_STAGES = {
    "name": "many",
    "input": {"shape": [32, 32, 3]},
    "stem": {"filters": 16},
    "block": {"transform": "basic", "connection": "residual"},
    "stages": [{"depth": 2, "width": 16 + 8 * stage} for stage in range(20)],
    "classes": 10,
}


def spec_of(name, *changes):
    """A network of the zoo, those of a thousand layers with fewer of them."""
    blocks = ["stages[*].depth=9"] if name.startswith(("resnet1202", "resnet1001")) else []
    return load(name, [*blocks, *changes])


def plan_of(name, *changes):
    return plan(spec_of(name, *changes))


def subject_of(name, *changes):
    return Subject(plan_of(name, *changes), load(name).title or name, changes)


def hard_subjects():
    yield Subject(plan(from_mapping(HARD)), "hard")
    yield Subject(plan(from_mapping(MANY_STAGES)), "many")
    drop = ("block.connection=highway", "block.survival_probability=0.5")
    yield subject_of("resnet20_b", *drop, "block.gate.granularity=channel")
    yield subject_of("resnet20_b", *drop, "block.survival_draw=example")
    yield subject_of("resnet50", "block.connection=highway", "block.order=bn_after_add")
    yield subject_of("resnet110_relu_only_pre", "block.connection=shortcut_gate")


def words(shapes):
    return [shape.text for shape in shapes if isinstance(shape, Text)]


def nodes(shapes):
    return [shape for shape in shapes if isinstance(shape, Box | Circle)]
