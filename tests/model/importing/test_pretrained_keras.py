"""Files of keras.applications, written by Keras itself, give Keras's logits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras.src.applications import resnet
from keras.src.legacy.saving import legacy_h5_format
from safetensors.numpy import save_file

from reszoo.errors import UserError
from reszoo.model.build import build
from reszoo.model.copy_weights import copy_weights
from reszoo.model.importing.pretrained import load_pretrained
from reszoo.spec import load
from tests.model.importing.weight_samples import difference, images, logits, randomise

SIDE, CLASSES = 64, 7
WIDTHS = (8, 12, 20, 24)
"""Of the stages; of keras.applications' networks only the blocks are fewer and thinner."""
SHAPE = f"input.shape=[{SIDE},{SIDE},3]"
THIN = ["stages[*].depth=2", *(f"stages[{stage}].width={WIDTHS[stage]}" for stage in range(4))]
ASKED = [SHAPE, *THIN, f"classes={CLASSES}"]
FILES = ("official.h5", "whole.h5", "new.weights.h5", "whole.keras", "named.safetensors")


@dataclass(frozen=True)
class Reference:
    """A network of keras.applications, its files, and its logits for some pixels."""

    folder: Path
    model: keras.Model
    pixels: np.ndarray
    logits: np.ndarray


def reference(folder: Path, version: int) -> Reference:
    home = keras.applications.resnet if version == 1 else keras.applications.resnet_v2
    model = network(version)
    randomise(model)
    pixels = images(2, SIDE, SIDE, 3)
    write(folder, model)
    return Reference(folder, model, pixels, logits(model, home.preprocess_input(pixels.copy())))


def network(version: int) -> keras.Model:
    """What ResNet50 or ResNet50V2 is, with two thin blocks in each stage."""
    stack = resnet.stack_residual_blocks_v1 if version == 1 else resnet.stack_residual_blocks_v2
    strides = (1, 2, 2, 2) if version == 1 else (2, 2, 2, 1)

    def stages(x):
        for number, (width, stride) in enumerate(zip(WIDTHS, strides, strict=True)):
            x = stack(x, width, 2, stride1=stride, name=f"conv{2 + number}")
        return x

    return resnet.ResNet(
        stages,
        preact=version == 2,
        use_bias=True,
        weights=None,
        input_shape=(SIDE, SIDE, 3),
        classes=CLASSES,
        classifier_activation=None,
    )


def write(folder: Path, model: keras.Model) -> None:
    """Writes weights in all of Keras's formats, and in one that converters use."""
    with h5py.File(folder / "official.h5", "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
    model.save(folder / "whole.h5")
    model.save_weights(folder / "new.weights.h5")
    model.save(folder / "whole.keras")
    named = {
        f"{layer.name}.{weight.name}": np.asarray(weight)
        for layer in model.layers
        for weight in layer.weights
    }
    save_file(named, folder / "named.safetensors")


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> Reference:
    return reference(tmp_path_factory.mktemp("first"), 1)


@pytest.fixture(scope="module")
def second(tmp_path_factory) -> Reference:
    return reference(tmp_path_factory.mktemp("second"), 2)


@pytest.mark.quick_rows(3)
@pytest.mark.parametrize("file", FILES)
def test_version_1_in_an_rgb_net_without_biases(first, file):
    loaded = load_pretrained(load("resnet50", ASKED), str(first.folder / file))
    assert difference(logits(loaded.model, first.pixels), first.logits) < 1e-5
    assert loaded.model.get_layer("stem_conv").bias is None


@pytest.mark.quick_rows(3)
@pytest.mark.parametrize("file", FILES)
def test_version_2_in_keras_own_layout(second, file):
    loaded = load_pretrained(load("resnet50_v2_keras", ASKED), str(second.folder / file))
    assert difference(logits(loaded.model, second.pixels), second.logits) < 1e-5


def test_version_1_with_its_biases_where_the_spec_has_them(first):
    loaded = load_pretrained(load("resnet50_v1_keras", ASKED), str(first.folder / "official.h5"))
    assert difference(logits(loaded.model, first.pixels), first.logits) < 1e-5
    bias = loaded.model.get_layer("stem_conv").bias
    assert np.array_equal(np.asarray(bias), first.model.get_layer("conv1_conv").bias)


def test_version_2_moves_the_strides_of_the_papers_layout(second):
    loaded = load_pretrained(load("resnet50_v2", ASKED), str(second.folder / "official.h5"))
    assert difference(logits(loaded.model, second.pixels), second.logits) < 1e-5
    assert [stage.stride for stage in loaded.spec.stages] == [2, 2, 2, 1]


def test_the_spec_says_what_the_weights_need(first, second):
    requested = load("resnet50", ASKED).model_copy(update={"title": "ResNet-50 (v1.5)"})
    spec = load_pretrained(requested, str(first.folder / "official.h5")).spec
    assert spec.block.stride_at == "first"
    assert spec.norm.epsilon == 1.001e-5
    assert (spec.input.mean, spec.input.std) == ((123.68, 116.779, 103.939), 1.0)
    assert spec.weights.file == "official.h5"
    assert (spec.title, spec.published) == (None, None)  # of the v1.5 that it no longer is
    spec = load_pretrained(
        load("resnet50_v2_keras", ASKED), str(second.folder / "official.h5")
    ).spec
    assert (spec.input.mean, spec.input.std) == (127.5, 127.5)


def test_the_comparison_would_see_a_wrong_stride_or_order_of_colours(first):
    loaded = load_pretrained(load("resnet50", ASKED), str(first.folder / "official.h5"))
    flipped = logits(loaded.model, first.pixels[..., ::-1])
    assert difference(flipped, first.logits) > 1e-3
    block = loaded.spec.block.model_copy(update={"stride_at": "spatial"})
    strided = build(loaded.spec.model_copy(update={"block": block}))
    copy_weights(loaded.model, strided)
    assert difference(logits(strided, first.pixels), first.logits) > 1e-3


def test_another_input_size_works_as_it_is(first):
    loaded = load_pretrained(
        load("resnet50", ["input.shape=[96,48,3]", *THIN, f"classes={CLASSES}"]),
        str(first.folder / "official.h5"),
    )
    assert loaded.model.input_shape == (None, 96, 48, 3)
    assert logits(loaded.model, images(1, 96, 48, 3)).shape == (1, CLASSES)


@pytest.mark.parametrize(
    ("name", "version"), [("resnet50", "second"), ("resnet50_v2_keras", "first")]
)
def test_the_other_version_is_named(name, version, request):
    path = request.getfixturevalue(version).folder / "official.h5"
    with pytest.raises(UserError, match=r"keras\.applications' V[12] nets do not fit"):
        load_pretrained(load(name, ASKED), str(path))


def test_another_depth_is_told_by_what_is_missing(first):
    with pytest.raises(UserError, match="missing: conv4_block3_1_conv/kernel") as error:
        load_pretrained(
            load("resnet50", [*ASKED, "stages[2].depth=6"]), str(first.folder / "official.h5")
        )
    assert "more" in error.value.found


def test_other_classes_are_told_with_a_hint_to_fine_tune(first):
    spec = load("resnet50", [SHAPE, *THIN, "classes=12"])
    with pytest.raises(UserError, match="has 7 classes, not 12") as error:
        load_pretrained(spec, str(first.folder / "official.h5"))
    assert "fine-tune" in error.value.hint


@pytest.mark.parametrize(
    ("name", "override"),
    [
        ("resnet50", "block.connection=highway"),
        ("resnet50", "block.connection=stochastic"),
        ("resnet50", "block.survival_probability=0.8"),
        ("resnet50", "block.order=relu_before_add"),
    ],
)
def test_weights_are_refused_for_another_equation(first, name, override):
    with pytest.raises(UserError, match="its blocks compute something else"):
        load_pretrained(load(name, [*ASKED, override]), str(first.folder / "official.h5"))
