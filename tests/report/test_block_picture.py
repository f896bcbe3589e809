"""A picture of a block shows the equation of the block."""

from __future__ import annotations

import itertools

import pytest

from reszoo import register_connection
from reszoo.planning import connections
from reszoo.planning.network import plan
from reszoo.report.block_kinds import block_kinds
from reszoo.report.block_picture import block_nodes, draw_block, equation
from reszoo.report.drawing import Arrow, bounds
from reszoo.spec import from_mapping, registry
from tests.report.diagrams import HARD, nodes, plan_of, words


def blocks_of(network):
    return [kind.places[0] for kind in block_kinds(network)]


@pytest.mark.parametrize(
    ("network", "equations"),
    [
        (("plain20",), ["y = relu(H(x))"]),
        (("resnet20",), ["y = relu(x + H(x))", "y = relu(shortcut(x) + H(x))"]),
        (("wrn16_4",), ["y = shortcut(x) + H(x)", "y = x + H(x)"]),
        (("highway10_w16_mnist",), ["y = C * x + T * H(x),  C = 1 - T"]),
        (("highway_dense10_mnist",), ["y = C * x + T * H(x),  C = 1 - T"]),
        (
            ("resnet20_c", "block.connection=highway", "block.gate.coupled=false"),
            ["y = relu(C * shortcut(x) + T * H(x))"],
        ),
        (
            ("resnet110_shortcut_gate_b6",),
            ["y = relu(C * x + H(x)),  C = 1 - g", "y = relu(C * shortcut(x) + H(x)),  C = 1 - g"],
        ),
        (
            ("resnet110_half_both",),
            ["y = relu(0.5 * x + 0.5 * H(x))", "y = relu(0.5 * shortcut(x) + 0.5 * H(x))"],
        ),
        (
            ("resnet18_stochastic",),
            ["y = relu(x + p * H(x))", "y = relu(shortcut(x) + p * H(x))"],
        ),
        (
            ("resnet18_scaled",),
            ["y = relu(x + T * H(x))", "y = relu(shortcut(x) + T * H(x))"],
        ),
        (
            ("resnet110_bn_after_add",),
            ["y = relu(norm(x + H(x)))", "y = relu(norm(shortcut(x) + H(x)))"],
        ),
    ],
)
def test_a_block_says_its_equation(network, equations):
    assert [equation(block_nodes(block)) for block in blocks_of(plan_of(*network))] == equations


@pytest.mark.parametrize(
    "changes", [(), ("block.survival_probability=0.5",), ("block.gate.granularity=channel",)]
)
def test_a_highway_block_shows_its_letters_and_products(changes):
    network = plan_of("resnet20", "block.connection=highway", *changes)
    for block, carried in zip(blocks_of(network), ("C * x", "C * shortcut(x)"), strict=True):
        shown = words(draw_block(block))
        for letters in ("x", "H(x)", "T", "1 - T", "C", "T * H(x)", carried, "y"):
            assert shown.count(letters) == 1, letters
        assert {node.op for node in block_nodes(block) if node.is_sign} == {"multiply", "add"}


def evaluate(steps, x=0.3, h=-1.7, t=0.25, p=0.5):
    """The output of a merge, whose inputs from outside are x, H and T."""
    values = {}

    def value(name):
        if name in values:
            return values[name]
        return t if "gate" in name else x if name == "x" else h

    for name, op, inputs, scale in steps:
        a, *rest = map(value, inputs)
        values[name] = {
            "add": lambda a=a, rest=rest: a + rest[0],
            "subtract": lambda a=a, rest=rest: a - rest[0],
            "multiply": lambda a=a, rest=rest: a * rest[0],
            "rescale": lambda a=a, scale=scale: 1 - a if scale is None else scale * a,
            "dropout": lambda a=a: a / p,  # of an image whose branch is kept
        }[op]()
    return values[name]


@pytest.mark.parametrize("survival", [1.0, 0.5])
def test_the_equation_of_a_highway_block_is_what_its_rows_compute(survival):
    change = (f"block.survival_probability={survival}", "block.survival_decay=constant")
    network = plan_of("highway10_w16_mnist", *change)
    (block,) = blocks_of(network)
    own = {row.name for row in block.rows}
    rows = [
        (
            row.name,
            row.op,
            [ref.row if ref.row in own else "x" for ref in row.inputs],
            row.attributes.get("scale"),
        )
        for row in block.rows
        if row.tags.role == "merge"
    ]
    merge = [
        (node.name, node.op, node.inputs, survival if node.factor else None)
        for node in block_nodes(block)
        if node.op in ("add", "multiply", "rescale", "dropout")
    ]
    assert [step[1] for step in rows] != [step[1] for step in merge]
    assert evaluate(rows) == pytest.approx(evaluate(merge))


def test_a_connection_of_the_users_is_drawn_as_its_rows():
    @register_connection("mean")
    def mean(block, shortcut, h, x):
        total = block.scope.add("add", shortcut, h, role="merge", part="add")
        return block.scope.add("rescale", total, role="merge", part="half", scale=0.5, offset=0.0)

    try:
        block = blocks_of(plan_of("resnet20", "block.connection=mean"))[0]
    finally:
        del registry.registered_connections["mean"], connections._registered["mean"]
    assert equation(block_nodes(block)) == "y = relu(0.5 * (x + H(x)))"
    assert "times 0.5" in words(draw_block(block))


@pytest.mark.parametrize(
    "network",
    [
        plan_of("resnet50"),
        plan_of("resnet20"),
        plan_of("highway10_w16_mnist"),
        plan_of("resnet20_b", "block.connection=highway", "block.gate.coupled=false"),
        plan(from_mapping(HARD)),
    ],
    ids=lambda network: network.name,
)
def test_no_line_runs_through_a_layer(network):
    for block in blocks_of(network):
        shapes = draw_block(block)
        layers = [bounds([shape]) for shape in nodes(shapes)]
        for arrow in (shape for shape in shapes if isinstance(shape, Arrow) and shape.head):
            for (x0, y0), (x1, y1) in itertools.pairwise(arrow.points):
                for left, top, right, bottom in layers:
                    beside = max(x0, x1) <= left or min(x0, x1) >= right
                    assert beside or max(y0, y1) <= top or min(y0, y1) >= bottom
