"""Plans with shapes and counts worked out by hand, independent of the planner."""

from __future__ import annotations

from typing import Any

from reszoo.planning import Plan, Ref, Row, Tags
from reszoo.spec.layer_fields import Initializer

HE = Initializer(kind="he_normal")


def row(
    name: str,
    op: str,
    inputs: str,
    shape: tuple[int, ...],
    weights: tuple[int, int] = (0, 0),
    /,
    precision: str | None = None,
    **attributes: Any,
) -> Row:
    """A row; `inputs` are row names separated by spaces, `weights` (trainable, other)."""
    refs = tuple(Ref(source) for source in inputs.split())
    tags = Tags("transform", name)
    return Row(name, op, refs, shape, tags, attributes, *weights, precision=precision)


def conv(name: str, source: str, shape: tuple[int, ...], weights: int, **given: Any) -> Row:
    """A convolution, 3x3 by default."""
    attributes = {
        "filters": shape[-1],
        "kernel": 3,
        "stride": 1,
        "padding": "same",
        "groups": 1,
        "bias": False,
        "bias_initial": 0.0,
        "kernel_initializer": HE,
        **given,
    }
    return row(name, "conv", source, shape, (weights, 0), **attributes)


def norm(name: str, source: str, shape: tuple[int, ...], gamma: float = 1.0) -> Row:
    weights = (2 * shape[-1], 2 * shape[-1])
    given = {"epsilon": 1e-5, "momentum": 0.9, "gamma_initial": gamma}
    return row(name, "norm", source, shape, weights, **given)


def dense(name: str, source: str, units: int, weights: int, **given: Any) -> Row:
    attributes = {"units": units, "bias": True, "bias_initial": 0.0, "kernel_initializer": HE}
    attributes.update(given)
    precision = attributes.pop("precision", None)
    return row(name, "dense", source, (units,), (weights, 0), precision, **attributes)


def plan_of(name: str, *rows: Row) -> Plan:
    stages = {"stage1": Ref(rows[-2].name)}
    return Plan(name, rows, (Ref(rows[-1].name),), stages)


def image(*shape: int) -> Row:
    return row("image", "input", "", shape, shape=shape)


RESIDUAL = plan_of(
    "residual",
    image(8, 8, 3),
    row(
        "normalize",
        "normalize",
        "image",
        (8, 8, 3),
        precision="float32",
        mean=(120.0, 110.0, 100.0),
        std=(60.0, 50.0, 40.0),
    ),
    conv("stem_conv", "normalize", (8, 8, 4), 3 * 3 * 3 * 4),
    norm("stem_norm", "stem_conv", (8, 8, 4)),
    row("stem_activation", "activation", "stem_norm", (8, 8, 4), function="relu"),
    row(
        "conv1_pad",
        "pad",
        "stem_activation",
        (10, 10, 4),
        amounts=((1, 1), (1, 1)),
        value=0.0,
    ),
    conv("conv1", "conv1_pad", (4, 4, 6), 3 * 3 * 4 * 6, stride=2, padding="valid"),
    norm("norm1", "conv1", (4, 4, 6), gamma=0.0),
    row("subsample", "subsample", "stem_activation", (4, 4, 4), stride=2),
    row("pad", "pad_channels", "subsample", (4, 4, 6), before=0, after=2),
    row("add", "add", "pad norm1", (4, 4, 6)),
    row("activation", "activation", "add", (4, 4, 6), function="relu"),
    row("pool", "global_average_pool", "activation", (6,), keep_dimensions=False),
    dense("logits", "pool", 5, 6 * 5 + 5, precision="float32"),
)
"""A stem and one basic half of a block with option A's shortcut."""

HIGHWAY = plan_of(
    "highway",
    image(6),
    dense("h", "image", 6, 6 * 6 + 6),
    row("h_activation", "activation", "h", (6,), function="tanh"),
    dense("gate", "image", 6, 6 * 6 + 6, bias_initial=-1.5),
    row("gate_sigmoid", "activation", "gate", (6,), function="sigmoid"),
    row("subtract", "subtract", "h_activation image", (6,)),
    row("multiply", "multiply", "subtract gate_sigmoid", (6,)),
    row("add", "add", "image multiply", (6,)),
)
"""One fully connected highway layer, x + T (H - x)."""

EVERY_OP = plan_of(
    "every_op",
    image(8, 8, 4),
    row("contrast", "contrast", "image", (8, 8, 4), precision="float32", epsilon=1e-3),
    row("mean_image", "mean_image", "contrast", (8, 8, 4), (0, 2 * 256 + 1), precision="float32"),
    row("input_dropout", "dropout", "mean_image", (8, 8, 4), rate=0.2, each="value"),
    conv("grouped", "input_dropout", (8, 8, 8), 3 * 3 * 2 * 8 + 8, groups=2, bias=True),
    row("leaky", "activation", "grouped", (8, 8, 8), function="leaky_relu"),
    row("pool_pad", "pad", "leaky", (10, 9, 8), amounts=((1, 1), (1, 0)), value=float("-inf")),
    row("max_pool", "max_pool", "pool_pad", (4, 4, 8), size=3, stride=2, padding="valid"),
    row("blur", "blur", "max_pool", (2, 2, 8), stride=2),
    row("average", "average_pool", "blur", (2, 2, 8), size=2, stride=1, padding="same"),
    row("average_crop", "crop", "average", (2, 1, 8), amounts=((0, 0), (0, 1))),
    row("squeeze", "global_max_pool", "average_crop", (1, 1, 8), keep_dimensions=True),
    row("lengths", "reshape", "squeeze", (8, 1), shape=(8, 1)),
    row(
        "eca",
        "conv1d",
        "lengths",
        (8, 1),
        (3, 0),
        filters=1,
        kernel=3,
        bias=False,
        kernel_initializer=Initializer(kind="normal", std=0.1),
    ),
    row("weights", "reshape", "eca", (1, 1, 8), shape=(1, 1, 8)),
    row("attended", "multiply", "average weights", (2, 2, 8)),
    row("survival", "dropout", "attended", (2, 2, 8), rate=0.5, each="batch"),
    row("factor", "rescale", "survival", (2, 2, 8), scale=-0.5, offset=1.0),
    row("rezero", "scale", "factor", (2, 2, 8), (1, 0), granularity="scalar", initial=0.25),
    row("layer_scale", "scale", "rezero", (2, 2, 8), (8, 0), granularity="channel", initial=2.0),
    row(
        "group_norm",
        "group_norm",
        "layer_scale",
        (2, 2, 8),
        (16, 0),
        groups=4,
        epsilon=1e-5,
        gamma_initial=0.0,
    ),
    row("flat", "flatten", "group_norm", (32,)),
    dense("logits", "flat", 3, 32 * 3, bias=False),
)
"""Every op that the other two lack."""

ALL = (RESIDUAL, HIGHWAY, EVERY_OP)
