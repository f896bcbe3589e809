"""Files of weights and networks that are damaged, lie, or run code."""

from __future__ import annotations

import json
import os
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import h5py
import numpy as np
import safetensors.numpy

import reszoo
from tests.hostile.arrays import IMAGES
from tests.hostile.rows import BLUR, FIXTURES, NEST, Row, command, content, flipped, head, zipped


def stated_size(make: Callable[[Path], object], size: int) -> Callable[[Path], object]:
    """Returns a maker of an archive whose directory gives its last member another size."""

    def lie(path: Path) -> None:
        make(path)
        data = bytearray(path.read_bytes())
        at = data.rindex(b"PK\x01\x02") + 24
        data[at : at + 4] = struct.pack("<I", size)
        path.write_bytes(data)

    return lie


def tensors(
    header: bytes | dict[str, Any], body: bytes = bytes(64), size: int | None = None
) -> bytes:
    """A .safetensors file of any header, true or not."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + body


def hdf5(fill: Callable[[h5py.File], object]) -> Callable[[Path], object]:
    """Returns a maker of an HDF5 file."""

    def make(path: Path) -> None:
        with h5py.File(path, "w") as file:
            fill(file)

    return make


def layer(shape: tuple[int, ...], **options: Any) -> Callable[[Path], object]:
    """Returns a maker of a .h5 file with one kernel, which takes no space."""

    def fill(file: h5py.File) -> None:
        file.attrs["layer_names"] = [b"conv1_conv", b"conv2_block1_1_conv"]
        for name in ("conv1_conv", "conv2_block1_1_conv"):
            group = file.create_group(name)
            group.attrs["weight_names"] = [b"kernel:0"]
            group.create_dataset("kernel:0", shape, **({"chunks": True} | options))

    return hdf5(fill)


class Harmful:
    """Code in a pickle."""

    def __reduce__(self) -> Any:
        return (os.mkdir, ("harm",))


def edited_network(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    """Returns a maker of a .keras file of version 0.1 with another config."""

    def make(path: Path) -> None:
        with (
            zipfile.ZipFile(FIXTURES / "blur.keras") as source,
            zipfile.ZipFile(path, "w") as target,
        ):
            for member in source.namelist():
                data = source.read(member)
                if member == "config.json":
                    config = json.loads(data)
                    data = (change(config) or json.dumps(config)).encode()
                target.writestr(member, data)

    return make


def without_member(name: str) -> Callable[[Path], object]:
    """Returns a maker of a .keras file that lacks a member."""

    def make(path: Path) -> None:
        with (
            zipfile.ZipFile(FIXTURES / "blur.keras") as source,
            zipfile.ZipFile(path, "w") as target,
        ):
            for member in source.namelist():
                if member != name:
                    target.writestr(member, source.read(member))

    return make


def add_layer(class_name: str, module: str = "keras.layers", **config: Any) -> Callable[[Any], Any]:
    item = {
        "class_name": class_name,
        "module": module,
        "config": config,
        "name": "x",
        "registered_name": class_name,
        "inbound_nodes": [],
    }
    return lambda document: document["config"]["layers"].append(item)


def network_values(path: Path) -> str:
    """The shape of what a network computes."""
    return str(reszoo.load_model(path).model.output_shape)


BUILD = command("build", "resnet50", "--weights", "FILE")
CONFIG = b'{"class_name": "Functional", "module": "keras", "config": {"layers": []}}'
BAD_WEIGHTS = "error: .* is not a readable weights file"
BAD_MODEL = "error: .* is not a readable Keras model"
PICKLE = "error: .* is a pickle and was not opened"

WEIGHTS = [
    ("empty h5", "x.h5", content(b""), BAD_WEIGHTS),
    ("text h5", "x.h5", content("weights"), BAD_WEIGHTS),
    ("folder", "x.h5", Path.mkdir, "error: there are no weights"),
    ("no layers", "x.h5", hdf5(lambda file: None), "error: .* holds no known network"),
    ("a kernel of 4 TB", "x.h5", layer((1 << 20, 1 << 20)), "error: .* do not fit resnet50"),
    ("a kernel of 2^64", "x.h5", layer((1 << 31, 1 << 32)), "error: .* do not fit resnet50"),
    ("text kernels", "x.h5", layer((7, 7, 3, 64), dtype="S4"), "error: .* do not fit resnet50"),
    ("names of layers that are numbers", "x.h5", hdf5(
        lambda file: file.attrs.update({"layer_names": [1, 2]})), "error: "),
    ("names of layers that are one number", "x.h5", hdf5(
        lambda file: file.attrs.update({"layer_names": 7})), "error: "),
    ("a layer that leads out of the file", "x.h5", hdf5(lambda file: (
        file.attrs.update({"layer_names": [b"../../x"]}))), BAD_WEIGHTS),
    ("a group that holds itself", "x.h5", hdf5(lambda file: (
        file.create_group("layers").__setitem__("a", file["/layers"]))), "error: "),
    ("pickle named .h5", "x.h5", content(pickle.dumps(Harmful(), 2)), PICKLE),
    ("torch.save", "x.pth", zipped(("x/data.pkl", pickle.dumps(Harmful()))), PICKLE),
    ("torch.save named .safetensors", "x.safetensors",
     zipped(("x/data.pkl", pickle.dumps(Harmful()))), PICKLE),
    ("npz", "x.npz", lambda path: np.savez(path, x=IMAGES), "error: .* is not a supported weights"),
    ("tar", "x.tar", lambda path: tarfile.open(path, "w").close(), PICKLE),
    ("no header", "x.safetensors", content(b"\x08"), BAD_WEIGHTS),
    ("header of 2^63 bytes", "x.safetensors", content(tensors({}, size=1 << 63)), BAD_WEIGHTS),
    ("header of 1 GB", "x.safetensors", content(tensors({}, size=1 << 30)), BAD_WEIGHTS),
    ("header nested deep", "x.safetensors", content(tensors(b"[" * NEST)), BAD_WEIGHTS),
    ("tensor beyond the end", "x.safetensors", content(tensors(
        {"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 1 << 40]}})), BAD_WEIGHTS),
    ("shape that differs from its bytes", "x.safetensors", content(tensors(
        {"a": {"dtype": "F32", "shape": [1 << 30], "data_offsets": [0, 64]}})), BAD_WEIGHTS),
    ("shape that overflows", "x.safetensors", content(tensors(
        {"a": {"dtype": "F32", "shape": [1 << 62, 1 << 62], "data_offsets": [0, 64]}})),
     BAD_WEIGHTS),
    ("unknown dtype", "x.safetensors", content(tensors(
        {"a": {"dtype": "X9", "shape": [4], "data_offsets": [0, 64]}})), BAD_WEIGHTS),
    ("another library", "x.safetensors", lambda path: safetensors.numpy.save_file(
        {"resnet.embedder.embedder.convolution.weight": np.ones((4, 4), "f4")}, path),
     "error: .* has the layer names of transformers"),
    ("integers", "x.safetensors", lambda path: safetensors.numpy.save_file(
        {"layer1.0.conv1.weight": np.ones((4, 4), "i4")}, path), "error: .* do not fit resnet50"),
    ("zip bomb named .keras", "x.keras", zipped(
        ("config.json", CONFIG), ("model.weights.h5", 100)),
     "error: .* unpacks to more than its network needs"),
    ("zip bomb that states 1 KB", "x.keras", stated_size(zipped(
        ("config.json", CONFIG), ("model.weights.h5", 100)), 1024), BAD_WEIGHTS),
    ("wrong suffix", "x.bin", content(tensors({})), PICKLE),
]  # fmt: skip

NETWORKS = [
    ("whole", "x.keras", content(BLUR), r"\(None, \d+\)"),
    ("empty", "x.keras", content(b""), BAD_MODEL),
    ("cut", "x.keras", content(head(BLUR, 0.7)), BAD_MODEL),
    ("flipped bytes", "x.keras", content(flipped(BLUR, 0.5)), BAD_MODEL),
    ("text", "x.keras", content("model"), BAD_MODEL),
    ("folder", "x.keras", Path.mkdir, "error: there is no file"),
    ("HDF5 named .keras", "x.keras", layer((7, 7, 3, 64)), BAD_MODEL),
    ("tar", "x.keras", lambda path: tarfile.open(path, "w").close(), BAD_MODEL),
    ("zip of nothing", "x.keras", zipped(), BAD_MODEL),
    ("no weights", "x.keras", without_member("model.weights.h5"), BAD_MODEL),
    ("no config", "x.keras", without_member("config.json"), BAD_MODEL),
    ("no spec of reszoo", "x.keras", without_member("reszoo/architecture.yaml"), r"\(None, \d+\)"),
    ("config nested deep", "x.keras", edited_network(lambda config: "[" * NEST), BAD_MODEL),
    ("config of a deep mapping", "x.keras", edited_network(
        lambda config: '{"a":' * 5_000 + "1" + "}" * 5_000), BAD_MODEL),
    ("config that is a list", "x.keras", edited_network(lambda config: "[1]"), BAD_MODEL),
    ("config that is no JSON", "x.keras", edited_network(lambda config: "{"), BAD_MODEL),
    ("Lambda", "x.keras", edited_network(add_layer("Lambda", function="x")),
     "error: .* carries Python code"),
    ("Lambda by another module", "x.keras", edited_network(
        add_layer("layers.Lambda", "keras", function="x")), "error: .* (Python code|unknown)"),
    ("TFSMLayer", "x.keras", edited_network(add_layer("TFSMLayer", filepath="/")),
     "error: .* carries Python code"),
    ("StringLookup", "x.keras", edited_network(add_layer("StringLookup", vocabulary="/etc/hosts")),
     "error: .* reads other files"),
    ("os.system", "x.keras", edited_network(add_layer("system", "os", command="true")),
     "error: .* needs an unknown layer"),
    ("function of subprocess", "x.keras", edited_network(
        add_layer("function", "subprocess", config="run")), "error: .* needs an unknown layer"),
    ("a layer of 2^40 units", "x.keras", edited_network(
        lambda config: json.dumps(config).replace('"units": 10', '"units": 1099511627776')),
     "error: .* it has no weights for"),
    ("zip bomb", "x.keras", zipped(("config.json", CONFIG), ("model.weights.h5", 100)),
     "error: .* unpacks to more"),
    ("zip bomb of a config", "x.keras", zipped(
        ("model.weights.h5", b""), ("config.json", 100)), BAD_MODEL),
    ("zip bomb that states 1 KB", "x.keras", stated_size(zipped(
        ("model.weights.h5", b""), ("config.json", 100)), 1024), BAD_MODEL),
]  # fmt: skip

ROWS = [
    *(
        Row(f"weights: {name}", file, make, BUILD, expected)
        for name, file, make, expected in WEIGHTS
    ),
    *(
        Row(f"network: {name}", file, make, network_values, expected)
        for name, file, make, expected in NETWORKS
    ),
]
