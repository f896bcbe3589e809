"""Weights with timm's names are converted, and the network computes the same as before."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from reszoo.errors import UserError
from reszoo.model.build import build
from reszoo.model.importing.pretrained import load_pretrained
from reszoo.model.importing.timm_names import timm_tensor_names
from reszoo.model.saving import load_model, save_model
from reszoo.planning.network import plan
from reszoo.spec import fingerprint, to_yaml
from reszoo.spec import load as load_spec
from tests.model.importing.weight_samples import (
    PIXELS,
    difference,
    images,
    logits,
    randomise,
    small,
    torch_state,
    write_timm,
)

NETWORKS = [
    ("resnet18",),
    ("resnet50",),
    ("resnet50d",),
    ("resnet50t", "stem.filters=[3,6,8]"),
    ("seresnet50", "block.attention.divisor=2"),
    ("ecaresnet50d",),
    ("resnet50", "block.groups=2"),
    ("resnetaa50",),
    ("resnetrs50",),
    ("resnet50", "block.order=full_pre", "stem.norm=none", "stem.activation=none"),
]


@pytest.mark.quick_rows(3)
@pytest.mark.parametrize("network", NETWORKS, ids=" ".join)
def test_a_state_dict_says_what_the_network_said(network, tmp_path):
    spec = small(*network)
    model = build(spec)
    randomise(model)
    path = write_timm(tmp_path, torch_state(spec, model))
    loaded = load_pretrained(spec, str(path))
    pixels = images(2, 32, 32, 3)
    assert difference(logits(loaded.model, pixels), logits(model, pixels)) < 1e-6
    assert fingerprint(loaded.spec) == fingerprint(spec)


def test_the_names_of_a_bottleneck_block_are_timms():
    spec = load_spec("resnet50")
    rows = [row for row in plan(spec).rows if row.tags.stage == 1 and row.tags.block == 1]
    assert {name for row in rows for name in timm_tensor_names(row, spec).values()} == {
        "layer1.0.conv1.weight",
        "layer1.0.bn1.weight",
        "layer1.0.bn1.bias",
        "layer1.0.bn1.running_mean",
        "layer1.0.bn1.running_var",
        "layer1.0.conv2.weight",
        "layer1.0.bn2.weight",
        "layer1.0.bn2.bias",
        "layer1.0.bn2.running_mean",
        "layer1.0.bn2.running_var",
        "layer1.0.conv3.weight",
        "layer1.0.bn3.weight",
        "layer1.0.bn3.bias",
        "layer1.0.bn3.running_mean",
        "layer1.0.bn3.running_var",
        "layer1.0.downsample.0.weight",
        "layer1.0.downsample.1.weight",
        "layer1.0.downsample.1.bias",
        "layer1.0.downsample.1.running_mean",
        "layer1.0.downsample.1.running_var",
    }


def test_the_modules_outside_blocks_are_timms():
    def modules(name):
        spec = load_spec(name)
        rows = [row for row in plan(spec).rows if row.tags.block is None and row.parameters]
        return [
            next(iter(timm_tensor_names(row, spec).values())).rpartition(".")[0] for row in rows
        ]

    assert modules("resnet50") == ["conv1", "bn1", "fc"]
    deep = ["conv1.0", "conv1.1", "conv1.3", "conv1.4", "conv1.6", "bn1"]
    assert modules("resnet50d") == [*deep, "fc"]
    assert modules("resnetrs50") == [*deep, "maxpool.0", "maxpool.1", "fc"]


def test_axes_are_torchs_output_input_height_width(tmp_path):
    spec = small("resnet18")
    model = build(spec)
    state = torch_state(spec, model)
    state["conv1.weight"][:] = 0
    state["conv1.weight"][5, 2, 6, 1] = 3.0  # output 5, blue, bottom row, second column
    kernel = np.asarray(
        load_pretrained(spec, str(write_timm(tmp_path, state))).model.get_layer("stem_conv").kernel
    )
    assert kernel[6, 1, 2, 5] == 3.0
    assert np.count_nonzero(kernel) == 1


def test_a_classifier_may_be_a_convolution_as_in_timms_resnetv2(tmp_path):
    spec = small("resnet50", "block.order=full_pre", "stem.norm=none", "stem.activation=none")
    model = build(spec)
    state = torch_state(spec, model)
    state["head.fc.weight"] = state["head.fc.weight"][:, :, None, None]
    loaded = load_pretrained(spec, str(write_timm(tmp_path, state)))
    assert np.array_equal(
        np.asarray(loaded.model.get_layer("head_logits").kernel),
        np.asarray(model.get_layer("head_logits").kernel),
    )


def test_half_precision_weights_load(tmp_path):
    spec = small("resnet18")
    model = build(spec)
    randomise(model)
    state = {
        name: value.astype("float16") if value.dtype == "float32" else value
        for name, value in torch_state(spec, model).items()
    }
    loaded = load_pretrained(spec, str(write_timm(tmp_path, state)))
    pixels = images(1, 32, 32, 3)
    assert difference(logits(loaded.model, pixels), logits(model, pixels)) < 1e-2


def test_the_config_beside_the_weights_goes_into_the_spec(tmp_path):
    spec = small("resnet18")
    names = {"label_names": list("abcde"), "label_descriptions": {"b": "bee"}}
    state = torch_state(spec, build(spec))
    loaded = load_pretrained(spec, str(write_timm(tmp_path, state, **PIXELS, **names)))
    pixels = loaded.spec.input
    assert pixels.mean == (123.675, 116.28, 103.53)
    assert pixels.std == (58.395, 57.12, 57.375)
    assert (pixels.crop, pixels.interpolation) == (0.95, "bicubic")
    assert pixels.shape == (32, 32, 3)
    assert loaded.spec.weights.input_size == (160, 160)
    assert loaded.classes == ("a", "bee", "c", "d", "e")


def test_constants_and_strides_become_timms(tmp_path):
    timms = small("resnet50")
    state = torch_state(timms, build(timms))
    path = str(write_timm(tmp_path, state))
    asked = small("resnet50", "block.stride_at=first", "norm.epsilon=0.001", "padding=same")
    loaded = load_pretrained(asked, path)
    assert fingerprint(loaded.spec) == fingerprint(timms)


@pytest.mark.parametrize(
    "config",
    [
        {**PIXELS, "interpolation": "lanczos"},
        {**PIXELS, "std": [0, 1, 1]},
        {**PIXELS, "crop_mode": "squash"},
        {"input_size": [3, 9, 9]},
    ],
)
def test_a_config_that_says_something_else_is_refused(config, tmp_path):
    spec = small("resnet18")
    path = write_timm(tmp_path, torch_state(spec, build(spec)), **config)
    with pytest.raises(UserError, match=r"config\.json is not what timm writes"):
        load_pretrained(spec, str(path))


def test_a_config_that_is_none_of_timms_is_left_alone_and_the_pixels_are_noted(tmp_path):
    spec = small("resnet18")
    path = write_timm(tmp_path, torch_state(spec, build(spec)))
    (tmp_path / "config.json").write_text('{"mean": "whatever"}')
    said = r"mean 123\.675, 116\.28, 103\.53 and std 58\.395, .*config\.json"
    with pytest.warns(UserWarning, match=said) as notes:
        assert load_pretrained(spec, str(path)).spec.input == spec.input
    assert len(notes) == 1


def test_nothing_is_noted_where_the_pixels_are_known(tmp_path, recwarn):
    spec = small("resnet18")
    path = write_timm(tmp_path, torch_state(spec, build(spec)), **PIXELS)
    load_pretrained(spec, str(path))
    assert not [note for note in recwarn if note.category is UserWarning]


# By timm 1.0.31's default_cfg, all its other networks in the zoo have ImageNet's mean and std.
@pytest.mark.parametrize("name", ["resnet50_v2", "resnet101_v2", "resnet152_v2"])
def test_pixels_are_timms_where_the_spec_is_as_in_timm(name):
    spec = load_spec(name)
    assert "as in timm" in spec.source
    assert (spec.input.mean, spec.input.std) == (127.5, 127.5)


def test_a_spec_saved_with_weights_says_where_they_are_from(tmp_path):
    spec = small("resnet18")
    path = write_timm(tmp_path, torch_state(spec, build(spec)), **PIXELS)
    loaded = load_pretrained(spec, str(path))
    save_model(loaded.model, tmp_path / "x.keras", spec=loaded.spec, classes=loaded.classes)
    again = load_model(tmp_path / "x.keras")
    assert again.spec == loaded.spec
    assert again.spec.weights.source == str(path)
    assert len(again.spec.weights.sha256) == 64
    assert f"source: {path}" in to_yaml(again.spec) or str(path) in to_yaml(again.spec)


def test_what_reszoo_saved_is_a_source_too(tmp_path):
    spec = small("resnet18", "norm.epsilon=0.001", "input.mean=3.0", "input.std=7.0")
    model = build(spec)
    randomise(model)
    save_model(model, tmp_path / "own.keras", spec=spec, classes=list("abcde"))
    loaded = load_pretrained(small("resnet18"), str(tmp_path / "own.keras"))
    pixels = images(2, 32, 32, 3)
    assert np.array_equal(logits(loaded.model, pixels), logits(model, pixels))
    assert loaded.classes == tuple("abcde")
    with pytest.raises(UserError, match="of another network"):
        load_pretrained(small("resnet50"), str(tmp_path / "own.keras"))
    with pytest.raises(UserError, match="of another network"):
        load_pretrained(small("resnet18", "block.antialias=blur"), str(tmp_path / "own.keras"))


def test_a_new_head_leaves_the_old_classes_aside(tmp_path):
    spec = small("resnet18")
    model = build(spec)
    randomise(model)
    path = str(write_timm(tmp_path, torch_state(spec, model)))
    nine = small("resnet18", "classes=9")
    first, second = (load_pretrained(nine, path, new_head=True, seed=3) for _ in range(2))
    head = first.model.get_layer("head_logits")
    assert head.kernel.shape == (12, 9)
    assert np.std(np.asarray(head.kernel)) > 0
    assert np.array_equal(np.asarray(head.kernel), second.model.get_layer("head_logits").kernel)
    kept = first.model.get_layer("stage4_block2_conv2").kernel
    assert np.array_equal(np.asarray(kept), model.get_layer("stage4_block2_conv2").kernel)
    assert first.classes is None


def test_weights_without_a_classifier_will_do_for_a_new_one(tmp_path):
    spec = small("resnet18")
    state = torch_state(spec, build(spec))
    headless = {name: value for name, value in state.items() if not name.startswith("fc.")}
    save_file(headless, tmp_path / "backbone.safetensors")
    loaded = load_pretrained(spec, str(tmp_path / "backbone.safetensors"), new_head=True)
    assert loaded.model.output_shape == (None, 5)
    with pytest.raises(UserError, match="have no head") as error:
        load_pretrained(spec, str(tmp_path / "backbone.safetensors"))
    assert "missing: fc.weight, fc.bias" in error.value.found
    assert "`reszoo train --weights` draws a new head" in error.value.hint


@pytest.mark.quick_rows(3)
@pytest.mark.parametrize("source", ["config", "metadata"])
@pytest.mark.parametrize(
    ("built", "named", "hint"),
    [
        ("resnet50", "resnetblur50", "build resnetblur50 with them"),
        ("resnet50", "resnetaa50", "build resnetaa50 with them"),
        ("resnetblur50", "resnet50", "build resnet50 with them"),
        ("resnet18", "resnetblur18", "--set block.antialias=blur"),
        ("resnet34d", "seresnextaa34d_32x8d", "--set block.antialias=average"),
    ],
)
def test_weights_of_another_network_with_equal_tensors_are_refused(
    built, named, hint, source, tmp_path
):
    spec = small(built)
    state = torch_state(spec, build(spec))
    path = write_timm(tmp_path, state, **PIXELS)
    (tmp_path / "config.json").unlink()
    if source == "config":
        config = {"architecture": named, "pretrained_cfg": PIXELS}
        (tmp_path / "config.json").write_text(json.dumps(config))
    else:
        save_file(state, path, metadata={"architecture": named})
    with pytest.raises(UserError, match=f"are of {named}, not of {built}") as error:
        load_pretrained(spec, str(path))
    assert hint in error.value.hint
    if "build" in hint:
        assert load_pretrained(small(named), str(path)).spec.name == named
    else:
        overrides = error.value.hint.removeprefix("add --set ").split(" --set ")
        load_pretrained(small(built, *overrides), str(path))
