"""Every row with weights has timm's names and shapes of its tensors."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from reszoo.errors import UserError
from reszoo.model.build import build
from reszoo.model.importing.timm_names import from_torch, timm_module, timm_tensor_names
from reszoo.planning import Plan
from reszoo.planning.network import plan
from reszoo.planning.rows import Row
from reszoo.spec import Architecture, load

# how many tensors timm's state dict has, and the digest of their names and shapes, both counted by
# timm 1.0.31: `benchmarks/timm_parity.py --signatures NAME..` prints them
SIGNATURES = {
    "resnet18": (102, "2bb53b15765c4651"),
    "resnet34": (182, "b945021fb00b779b"),
    "resnet50": (267, "cf11dad974eadeaa"),
    "resnet101": (522, "d916ed2068e1af5d"),
    "resnet152": (777, "2fe195791c8ffb5f"),
    "resnet200": (1017, "9c352802ca5a77e8"),
    "resnet10t": (72, "020da0037a5deb10"),
    "resnet14t": (97, "b85d786a2647c7f1"),
    "resnet18d": (112, "954075a62860084b"),
    "resnet34d": (192, "468c88169f7a00cb"),
    "resnet26d": (157, "3b4afa9d2c9e5406"),
    "resnet50c": (277, "e335dc721b31b2ad"),
    "resnet50s": (277, "f53a092792e88819"),
    "resnet50t": (277, "217a3c29119f31a0"),
    "resnet50d": (277, "8efed580d5c37737"),
    "resnet101d": (532, "561c5e7f5310dbdd"),
    "resnet152d": (787, "5ee846b5cf590047"),
    "resnet200d": (1027, "7aecacb3d90849ab"),
    "seresnet18": (134, "2f2589bafbe16357"),
    "seresnet34": (246, "649a2728f4eed841"),
    "seresnet50": (331, "c443b87a0500ffa3"),
    "seresnet101": (654, "9ea98146a3595426"),
    "seresnet152": (977, "89c6a980ba5add80"),
    "ecaresnet50d": (293, "174c02d971be1996"),
    "ecaresnet101d": (565, "6ae561ac33895b77"),
    "resnext50_32x4d": (267, "f6c1ee50d9878439"),
    "resnext101_32x4d": (522, "ea984b06157c67ed"),
    "resnext101_32x8d": (522, "682c26d7ce488af8"),
    "resnext101_64x4d": (522, "ed1563233073e615"),
    "seresnext50_32x4d": (331, "1322cfc6e0962346"),
    "wide_resnet50_2": (267, "5b22ca8fa50e0423"),
    "wide_resnet101_2": (522, "c1f0689a35d4d3f6"),
    "resnetaa50": (267, "cf11dad974eadeaa"),
    "resnetblur50": (267, "cf11dad974eadeaa"),
    "resnetrs50": (346, "92156220bcb6bb5e"),
    "resnetrs101": (669, "1378e81605e62484"),
    "resnetrs152": (992, "5ff4edc875e46dd5"),
    "resnetrs200": (1296, "337a498e7be79c25"),
    "resnetrs270": (1752, "e05c83e4c37c22bc"),
    "resnetrs350": (2246, "c361623ec7482dcf"),
    "resnetrs420": (2683, "79ce1213c6d869e3"),
}

PREACTIVATED = ("block.order=full_pre", "stem.norm=none", "stem.activation=none")

# the same of timm's resnetv2_50, resnetv2_101 and resnetv2_152
PREACTIVATED_SIGNATURES = {
    "resnet50": (251, "006195ff3e60c01e"),
    "resnet101": (506, "f5213786ed3d1616"),
    "resnet152": (761, "b788b49f5c477d0b"),
}


def tensor_shapes(row: Row, rows: Plan) -> dict[str, tuple[int, ...]]:
    """The shapes that torch gives the tensors of a row, by the names of the Keras weights."""
    values, width = row.attributes, rows.row(row.inputs[0].row).shape[-1]
    if row.op == "norm":
        return dict.fromkeys(("gamma", "beta", "moving_mean", "moving_variance"), (width,))
    kernels = {
        "conv": lambda: (
            values["filters"],
            width // values["groups"],
            values["kernel"],
            values["kernel"],
        ),
        "conv1d": lambda: (values["filters"], width, values["kernel"]),
        "dense": lambda: (values["units"], width),
    }
    kernel = kernels[row.op]()
    return {"kernel": kernel, "bias": kernel[:1]}


def tensors(spec: Architecture) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the state dict that a spec expects."""
    rows = plan(spec)
    found: dict[str, tuple[int, ...]] = {}
    for row in rows.rows:
        for weight, tensor in timm_tensor_names(row, spec).items():
            assert tensor not in found
            found[tensor] = tensor_shapes(row, rows)[weight]
    return found


def signature(shapes: dict[str, tuple[int, ...]]) -> tuple[int, str]:
    lines = sorted(f"{tensor} {shape}" for tensor, shape in shapes.items())
    return len(lines), hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


@pytest.mark.parametrize("name", SIGNATURES)
def test_the_names_and_shapes_are_timms_own(name: str) -> None:
    assert signature(tensors(load(name))) == SIGNATURES[name]


@pytest.mark.parametrize("name", PREACTIVATED_SIGNATURES)
def test_preactivated_nets_have_the_names_of_timms_second_layout(name: str) -> None:
    found = tensors(load(name, PREACTIVATED))
    found["head.fc.weight"] += (1, 1)  # there the classifier is a 1x1 convolution
    assert signature(found) == PREACTIVATED_SIGNATURES[name]


@pytest.mark.parametrize(
    ("spec", "row", "module"),
    [
        ("resnet50", "stem_conv", "conv1"),
        ("resnet50", "stem_norm", "bn1"),
        ("resnet50", "stage1_block1_norm2", "layer1.0.bn2"),
        ("resnet50", "stage3_block6_conv3", "layer3.5.conv3"),
        ("resnet50", "stage4_block1_shortcut_conv", "layer4.0.downsample.0"),
        ("resnet50", "head_logits", "fc"),
        ("resnet50d", "stem_conv3", "conv1.6"),
        ("resnet50d", "stem_norm2", "conv1.4"),
        ("resnet50d", "stem_norm3", "bn1"),
        ("resnet50d", "stage1_block1_shortcut_norm", "layer1.0.downsample.2"),
        ("resnetrs50", "stem_pool_norm", "maxpool.1"),
        ("resnetrs50", "stage2_block1_attention_se_expand", "layer2.0.se.fc2"),
        ("ecaresnet50d", "stage2_block1_attention_eca_conv", "layer2.0.se.conv"),
    ],
)
def test_a_row_has_the_name_a_reader_of_timm_knows(spec: str, row: str, module: str) -> None:
    architecture = load(spec)
    assert timm_module(plan(architecture).row(row), architecture) == module


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("resnet18", ["block.connection=highway"]),
        ("resnet18", ["block.connection=shortcut_gate"]),
        ("resnet18", ["block.connection=scaled"]),
        ("resnet18", ["head.hidden=[32]"]),
        ("resnet18", ["head.conv=32"]),
        ("resnet18", [*PREACTIVATED, "block.attention=se"]),
    ],
)
def test_what_timm_has_not_is_refused_by_name(name: str, overrides: list[str]) -> None:
    spec = load(name, overrides)
    with pytest.raises(UserError, match="timm has no counterpart of the layer") as error:
        for row in plan(spec).rows:
            timm_tensor_names(row, spec)
    assert error.value.hint


def test_rows_without_weights_have_no_tensors() -> None:
    spec = load("resnet18")
    without = [row for row in plan(spec).rows if not row.parameters]
    assert without
    assert all(timm_tensor_names(row, spec) == {} for row in without)


def test_tensors_of_torch_take_the_shapes_of_keras() -> None:
    spec = load(
        "ecaresnet50d",
        [
            "stages=[{depth: 1, width: 8}]",
            "stem.filters=[4,8]",
            "block.groups=2",
            "input.shape=[16,16,3]",
            "classes=5",
        ],
    )
    rows = plan(spec)
    model = build(rows)
    for row in rows.rows:
        shapes = tensor_shapes(row, rows) if row.parameters else {}
        for weight in model.get_layer(row.name).weights if shapes else ():
            tensor = np.zeros(shapes[weight.name], "float32")
            assert from_torch(row, weight.name, tensor).shape == tuple(weight.shape)


def test_kernels_turn_their_axes_and_keep_their_numbers() -> None:
    rows = plan(load("resnet18"))
    conv, logits = rows.row("stem_conv"), rows.row("head_logits")
    tensor = np.arange(2 * 3 * 7 * 7).reshape(2, 3, 7, 7)
    kernel = from_torch(conv, "kernel", tensor)
    assert kernel[4, 5, 2, 1] == tensor[1, 2, 4, 5]
    dense = np.arange(6).reshape(2, 3)
    assert from_torch(logits, "kernel", dense)[2, 1] == dense[1, 2]
    # timm's pre-activation nets classify by a 1x1 convolution
    assert (from_torch(logits, "kernel", dense[:, :, None, None]) == dense.T).all()
