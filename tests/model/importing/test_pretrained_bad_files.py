"""An unusable weights file ends in one message with the reason."""

from __future__ import annotations

import pickle
import zipfile

import h5py
import numpy as np
import pytest
from safetensors.numpy import save_file

from reszoo.errors import MachineError, UserError
from reszoo.model.build import build
from reszoo.model.importing.pretrained import load_pretrained
from reszoo.model.saving import save_model
from reszoo.spec import load
from tests.model.importing.weight_samples import small, torch_state, write_timm


class Harmful:
    """Code in a pickle."""

    ran = False

    def __reduce__(self):
        return (setattr, (Harmful, "ran", True))


@pytest.fixture(scope="module")
def spec():
    return small("resnet18")


@pytest.fixture(scope="module")
def state(spec):
    return torch_state(spec, build(spec))


@pytest.mark.parametrize("name", ["x.pt", "x.pth", "x.bin", "x.pkl", "x.h5", "x.safetensors"])
def test_a_pickle_is_never_opened(spec, name, tmp_path):
    path = tmp_path / name
    path.write_bytes(pickle.dumps(Harmful(), protocol=2))
    with pytest.raises(UserError, match="is a pickle and was not opened") as error:
        load_pretrained(spec, str(path))
    assert "safetensors" in error.value.hint
    assert not Harmful.ran


@pytest.mark.parametrize("name", ["x.h5", "x.keras", "x.safetensors"])
def test_the_archive_of_torch_save_is_a_pickle_by_any_name(spec, name, tmp_path):
    with zipfile.ZipFile(tmp_path / name, "w") as archive:
        archive.writestr("x/data.pkl", pickle.dumps(Harmful()))
    with pytest.raises(UserError, match="is a pickle and was not opened"):
        load_pretrained(spec, str(tmp_path / name))


@pytest.mark.quick_rows(3)
@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
@pytest.mark.parametrize("kind", ["safetensors", "h5", "weights.h5", "keras"])
def test_a_file_that_is_cut_off_is_told(spec, state, kind, share, tmp_path):
    path = tmp_path / f"x.{kind}"
    if kind == "safetensors":
        save_file(state, path)
    elif kind == "h5":
        with h5py.File(path, "w") as file:
            file.attrs["layer_names"] = [b"conv1_conv"]
            layer = file.create_group("conv1_conv")
            layer.attrs["weight_names"] = [b"conv1_conv/kernel:0"]
            layer["conv1_conv/kernel:0"] = np.zeros((7, 7, 3, 64), "float32")
    elif kind == "weights.h5":
        build(spec).save_weights(path)
    else:
        save_model(build(spec), path, spec=spec)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(UserError, match="is not a readable weights file") as error:
        load_pretrained(spec, str(path))
    assert str(path) in error.value.what


def test_a_file_of_something_else_is_told(spec, tmp_path):
    for name in ("x.h5", "x.keras", "x.safetensors"):
        (tmp_path / name).write_text("once upon a time there was a network")
        with pytest.raises(UserError, match="is not a readable weights file"):
            load_pretrained(spec, str(tmp_path / name))


def test_values_that_are_no_numbers_are_told_with_their_tensor(spec, state, tmp_path):
    broken = {**state, "layer1.0.bn1.weight": np.full(4, np.nan, "float32")}
    with pytest.raises(UserError, match=r"values in layer1\.0\.bn1\.weight that"):
        load_pretrained(spec, str(write_timm(tmp_path, broken)))


def without(name):
    return lambda state: {key: value for key, value in state.items() if key != name}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (without("layer2.0.conv1.weight"), "missing: layer2.0.conv1.weight"),
        (without("bn1.running_var"), "missing: bn1.running_var"),
        (lambda state: {**state, "extra.weight": np.zeros(3, "f4")}, "left over: extra.weight"),
        (
            lambda state: {**state, "layer1.0.bn1.bias": np.zeros(9, "f4")},
            r"misshapen: layer1.0.bn1.bias \(9,\) for beta \(4,\) of stage1_block1_norm1",
        ),
        (
            lambda state: {**state, "layer1.0.conv1.weight": np.zeros((4, 8), "f4")},
            r"misshapen: layer1.0.conv1.weight \(4, 8\)",
        ),
        (
            lambda state: {**state, "fc.weight": np.zeros((5, 99), "f4")},
            r"misshapen: fc.weight \(5, 99\)",
        ),
    ],
)
def test_each_tensor_that_has_no_place_is_named(spec, state, changed, told, tmp_path):
    path = write_timm(tmp_path, changed(state))
    with pytest.raises(UserError, match=told):
        load_pretrained(spec, str(path))


def test_another_architecture_is_told_by_what_its_config_says(spec, tmp_path):
    other = small("resnet18d")
    path = write_timm(
        tmp_path, torch_state(other, build(other)), mean=[0.5] * 3, std=[0.5] * 3, crop_pct=0.9
    )
    with pytest.raises(UserError, match="do not fit resnet18") as error:
        load_pretrained(spec, str(path))
    assert "resnet50" in error.value.hint  # what the config of the samples says


def test_other_classes_are_told_with_a_hint_to_fine_tune(state, tmp_path):
    with pytest.raises(UserError, match="has 5 classes, not 6") as error:
        load_pretrained(small("resnet18", "classes=6"), str(write_timm(tmp_path, state)))
    assert "fine-tune" in error.value.hint


def test_a_network_that_nobody_here_knows_is_told_by_its_names(spec, tmp_path):
    path = write_timm(tmp_path, {"features.0.weight": np.zeros((4, 3, 3, 3), "f4")})
    with pytest.raises(UserError, match="holds no known network") as error:
        load_pretrained(spec, str(path))
    assert error.value.found == "features.0.weight"


def test_a_gate_has_no_counterpart_in_timm(state, tmp_path):
    path = str(write_timm(tmp_path, state))
    with pytest.raises(UserError, match="its blocks compute something else"):
        load_pretrained(small("resnet18", "block.connection=highway"), path)


@pytest.mark.parametrize("link", ["soft", "external", "virtual"])
def test_hdf5_that_points_to_another_file_is_refused(spec, link, tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["secret"] = np.ones((7, 7, 3, 64), "float32")
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"conv1_conv"]
        layer = file.create_group("conv1_conv")
        layer.attrs["weight_names"] = [b"kernel:0"]
        if link == "soft":
            layer["kernel:0"] = h5py.SoftLink("/elsewhere")
        elif link == "external":
            layer["kernel:0"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "secret")
        else:
            layout = h5py.VirtualLayout((7, 7, 3, 64), "float32")
            layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "secret", (7, 7, 3, 64))
            layer.create_virtual_dataset("kernel:0", layout)
    with pytest.raises(UserError, match="points to another file"):
        load_pretrained(spec, str(path))


def test_new_weights_files_without_names_are_told_how_to_get_them(spec, tmp_path):
    path = tmp_path / "x.weights.h5"
    with h5py.File(path, "w") as file:
        file["layers/conv2d/vars/0"] = np.zeros((7, 7, 3, 64), "float32")
    with pytest.raises(UserError, match="has no names of its layers") as error:
        load_pretrained(spec, str(path))
    assert "save that again" in error.value.hint


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("keras:imagnet", "keras.applications has no weights 'imagnet'"),
        ("timm:", "is not a tag of timm"),
        ("timm:../../etc", "is not a tag of timm"),
        ("timm:org/model", "is not a tag of timm"),
        ("nothing.h5", "there are no weights 'nothing.h5'"),
        ("torch:resnet50", "there are no weights 'torch:resnet50'"),
        ("", "there are no weights ''"),
        (".", "there are no weights '.'"),
    ],
)
def test_a_source_that_is_none_is_told(spec, source, told):
    with pytest.raises(UserError, match=told):
        load_pretrained(spec, source)


def test_a_file_of_another_kind_is_told(spec, tmp_path):
    (tmp_path / "x.npz").write_bytes(b"PK")
    with pytest.raises(UserError, match="is not a supported weights file"):
        load_pretrained(spec, str(tmp_path / "x.npz"))


@pytest.mark.parametrize("name", ["resnet18", "resnext50_32x4d", "resnet50d", "seresnet50"])
def test_keras_has_only_six_networks_and_nothing_is_asked_for_others(name, monkeypatch):
    def fetch(network):
        raise AssertionError("fetched")

    monkeypatch.setattr("reszoo.model.importing.fetch.keras_weights", fetch)
    with pytest.raises(UserError, match=f"keras.applications has no weights of {name}"):
        load_pretrained(load(name), "keras:imagenet")


def test_a_file_that_may_not_be_read_is_the_machines_fault(spec, tmp_path, monkeypatch):
    path = write_timm(tmp_path, {"a": np.zeros(1, "f4")})

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(MachineError, match="cannot read"):
        load_pretrained(spec, str(path))


def _write(path, spec, state):
    """Writes the network of `spec` in the format of the suffix."""
    if path.suffix == ".safetensors":
        save_file(state, path)
    elif path.name.endswith(".weights.h5"):
        build(spec).save_weights(path)
    elif path.suffix == ".keras":
        save_model(build(spec), path, spec=spec)
    else:
        _write_named(path, build(spec))


def _write_named(path, model):
    """Writes the old HDF5 layout, with names of layers and weights."""
    layers = [layer for layer in model.layers if layer.weights]
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in layers]
        for layer in layers:
            group = file.create_group(layer.name)
            group.attrs["weight_names"] = [weight.name.encode() for weight in layer.weights]
            for weight in layer.weights:
                group[weight.name] = np.asarray(weight)


NAMES = ["x.safetensors", "x.h5", "x.weights.h5", "x.keras"]


@pytest.mark.quick_rows(4)
@pytest.mark.parametrize("name", NAMES)
def test_any_corruption_is_read_or_ends_in_one_sentence(spec, state, name, tmp_path):
    path = tmp_path / name
    _write(path, spec, state)
    whole = path.read_bytes()
    random = np.random.default_rng(3)
    for number in range(16):
        data = bytearray(whole)
        # Names, shapes and HDF5's trees lie at the start, in half of the copies everywhere.
        end = len(data) if number % 2 else min(len(data), 40_000)
        for place in random.integers(0, end, 1 + 20 * (number % 3)):
            data[place] ^= int(random.integers(1, 256))
        path.write_bytes(bytes(data))
        try:
            load_pretrained(spec, str(path))
        except UserError as error:
            assert error.hint


@pytest.mark.quick_rows(3)
@pytest.mark.parametrize("dtype", ["S4", "complex64", "int32", "bool", "text"])
@pytest.mark.parametrize("name", ["x.h5", "x.weights.h5"])
def test_weights_that_are_not_floats_are_refused(spec, state, name, dtype, tmp_path):
    path = tmp_path / name
    _write(path, spec, state)
    with h5py.File(path, "a") as file:
        kernels = []
        file.visititems(
            lambda key, item: kernels.append(key) if getattr(item, "ndim", 0) == 4 else None
        )
        shape = file[kernels[0]].shape
        del file[kernels[0]]
        values = np.full(shape, "1") if dtype == "text" else np.ones(shape, dtype)
        file[kernels[0]] = values.astype(h5py.string_dtype()) if dtype == "text" else values
    with pytest.raises(UserError, match="has weights that are not floats") as error:
        load_pretrained(spec, str(path))
    assert "kernel" in error.value.found


def test_integer_kernels_of_safetensors_are_refused(spec, state, tmp_path):
    path = write_timm(tmp_path, {**state, "conv1.weight": np.ones((8, 3, 7, 7), "int8")})
    with pytest.raises(UserError, match="not floats") as error:
        load_pretrained(spec, str(path))
    assert error.value.found == "int8 in conv1.weight"


@pytest.mark.parametrize("prefix", ["module.", "model.", "_orig_mod.module.", "net.backbone."])
def test_a_prefix_that_all_names_share_is_read(spec, state, prefix, tmp_path):
    path = write_timm(tmp_path, {prefix + name: values for name, values in state.items()})
    model = load_pretrained(spec, str(path)).model
    kernel = np.asarray(model.get_layer("stem_conv").kernel)
    np.testing.assert_array_equal(kernel, state["conv1.weight"].transpose(2, 3, 1, 0))


@pytest.mark.parametrize(
    ("library", "name"),
    [
        ("transformers", "resnet.embedder.embedder.convolution.weight"),
        ("OpenMMLab", "backbone.layer1.0.conv1.weight"),
        ("detectron2", "backbone.bottom_up.res2.0.conv1.weight"),
        ("CLIP", "visual.layer1.0.conv1.weight"),
        ("fastai", "0.4.0.conv1.weight"),
    ],
)
def test_a_file_of_another_library_is_named_with_the_way_on(spec, library, name, tmp_path):
    path = write_timm(tmp_path, {name: np.zeros((4, 4), "f4"), "head.fc.bias": np.zeros(4, "f4")})
    with pytest.raises(UserError, match=f"has the layer names of {library}") as error:
        load_pretrained(spec, str(path))
    assert "timm's names" in error.value.hint
