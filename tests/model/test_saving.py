"""A saved network is one file of stock float32 layers, written atomically, without code."""

from __future__ import annotations

import errno
import json
import os
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
import pytest

from reszoo.errors import MachineError, UserError
from reszoo.model.build import build
from reszoo.model.fused.batch_norm import FusedBatchNormalization
from reszoo.model.importing.pretrained import load_pretrained
from reszoo.model.saving import load_model, save_model
from tests.model.specs import small, with_own_layers
from tests.programs import Programs

X = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3)).astype("uint8")
CLASSES = ["Katze", "Hund", "Maus", "Ähre", "鳥"]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A trained-looking residual net on disk."""
    model = build(small(), seed=0)
    _stir(model)
    save_model(model, tmp_path / "net.keras", spec=small(), classes=CLASSES)
    return tmp_path / "net.keras"


def _stir(model: keras.Model) -> None:
    rng = np.random.default_rng(1)
    for weight in model.weights:
        weight.assign(weight.numpy() + rng.uniform(0.0, 0.2, weight.shape))


def test_file_brings_back_model_spec_and_classes(tmp_path: Path) -> None:
    model = build(small(), seed=0)
    _stir(model)
    save_model(model, tmp_path / "net.keras", spec=small(), classes=CLASSES)
    loaded = load_model(tmp_path / "net.keras")
    assert loaded.spec == small()
    assert loaded.classes == tuple(CLASSES)
    assert not loaded.model.compiled
    np.testing.assert_array_equal(loaded.model(X), model(X))
    assert os.listdir(tmp_path) == ["net.keras"]


def test_file_without_classes_has_none(tmp_path: Path) -> None:
    save_model(build(small()), tmp_path / "net.keras", spec=small())
    assert load_model(tmp_path / "net.keras").classes is None
    assert "reszoo/classes.json" not in zipfile.ZipFile(tmp_path / "net.keras").namelist()


def test_any_keras_file_loads_without_a_spec(tmp_path: Path) -> None:
    build(small(), seed=0).save(tmp_path / "stock.keras")
    loaded = load_model(tmp_path / "stock.keras")
    assert (loaded.spec, loaded.classes) == (None, None)


@pytest.mark.parametrize("head", [True, False], ids=["with head", "backbone"])
def test_device_build_in_low_precision_is_saved_as_canonical_float32(
    tmp_path: Path, head: bool
) -> None:
    model = build(small(), seed=0, dtype="mixed_bfloat16", device="cpu", head=head)
    _stir(model)
    model.compile("sgd", "mse")
    save_model(model, tmp_path / "net.keras", spec=small())
    opened = load_model(tmp_path / "net.keras").model
    assert not any(isinstance(layer, FusedBatchNormalization) for layer in opened.layers)
    assert {layer.compute_dtype for layer in opened.layers} == {"float32"}
    assert [layer.name for layer in opened.layers] == [layer.name for layer in model.layers]
    for old, new in zip(model.weights, opened.weights, strict=True):
        np.testing.assert_array_equal(old.numpy(), new.numpy())
    conv = opened.get_layer("stem_conv")
    assert type(conv.kernel_initializer) is keras.initializers.VarianceScaling
    assert model.compiled


def test_saving_a_model_of_another_spec_is_refused(tmp_path: Path) -> None:
    model = build(small(), device="cpu")
    with pytest.raises(UserError, match="do not fit"):
        save_model(model, tmp_path / "net.keras", spec=small(classes=7))
    assert os.listdir(tmp_path) == []


STOCK_PROCESS = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "reszoo":
            raise ImportError("reszoo is not here")
sys.meta_path.insert(0, Blocker())
import keras
import numpy as np
folder, own, *names = sys.argv[1:]
images = np.load(folder + "/images.npy")
for name in names:
    model = keras.models.load_model(folder + "/" + name + ".keras")
    np.save(folder + "/" + name + ".npy", model(images))
try:
    keras.models.load_model(folder + "/" + own + ".keras")
except TypeError as error:
    assert "reszoo>" in str(error), error
else:
    raise SystemExit("a layer of reszoo opened without reszoo")
assert "reszoo" not in sys.modules
"""

RESZOO_PROCESS = """
import sys
import keras
import numpy as np
folder, own = sys.argv[1:]
model = keras.models.load_model(folder + "/" + own + ".keras")
np.save(folder + "/" + own + ".npy", model(np.load(folder + "/images.npy")))
"""


@pytest.fixture(scope="module")
def programs() -> Iterator[Programs]:
    """Runs programs in another process, which imported Keras before reszoo."""
    programs = Programs("import keras, reszoo")
    yield programs
    programs.close()


def test_stock_keras_opens_what_is_stock_and_import_reszoo_the_rest(
    tmp_path: Path, programs: Programs
) -> None:
    np.save(tmp_path / "images.npy", X)
    stock = {name: small(name) for name in ("plain", "residual", "highway", "stochastic")}
    expected = {}
    for name, spec in {**stock, "own": with_own_layers()}.items():
        model = build(spec, seed=0)
        _stir(model)
        save_model(model, tmp_path / f"{name}.keras", spec=spec, classes=CLASSES)
        expected[name] = np.asarray(model(X))
    (stock_keras := Programs())(STOCK_PROCESS, tmp_path, "own", *stock)
    stock_keras.close()
    programs(RESZOO_PROCESS, tmp_path, "own")
    for name, logits in expected.items():
        np.testing.assert_allclose(np.load(tmp_path / f"{name}.npy"), logits, atol=1e-6)


def _truncate(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def _damage_weights(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("model.weights.h5").header_offset
    data = bytearray(path.read_bytes())
    for offset in range(start + 2000, start + 6000):
        data[offset] ^= 0xFF
    path.write_bytes(bytes(data))


def _rewrite(member: str, change: Callable[[bytes], bytes | None]) -> Callable[[Path], None]:
    def rewrite(path: Path) -> None:
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        changed = change(members.pop(member))
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)
            if changed is not None:
                archive.writestr(member, changed)

    return rewrite


BROKEN = {
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("not a model"),
    "pickle": lambda path: path.write_bytes(b"\x80\x04cos\nsystem\n."),
    "cut off": _truncate,
    "weights damaged": _damage_weights,
    "no config": _rewrite("config.json", lambda _: None),
    "no weights": _rewrite("model.weights.h5", lambda _: None),
    "config is a list": _rewrite("config.json", lambda _: b"[]"),
    "config is no JSON": _rewrite("config.json", lambda data: data[:100]),
    "config nests too deep": _rewrite("config.json", lambda _: b"[" * 100_000),
    "weights are text": _rewrite("model.weights.h5", lambda _: b"weights"),
    "spec is no YAML": _rewrite("reszoo/architecture.yaml", lambda _: b"{:"),
    "spec is another": _rewrite("reszoo/architecture.yaml", lambda _: b"name: 3\n"),
    "classes are numbers": _rewrite("reszoo/classes.json", lambda _: b'{"classes": [1]}'),
}


@pytest.mark.quick_rows(3)
@pytest.mark.parametrize("how", BROKEN)
def test_broken_file_is_one_clear_error(saved: Path, how: str) -> None:
    BROKEN[how](saved)
    with pytest.raises(UserError) as caught:
        load_model(saved)
    assert "net.keras" in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", ["missing.keras", "folder.keras", "net.h5"])
def test_path_without_a_keras_file_is_one_clear_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.keras").mkdir()
    with pytest.raises(UserError, match=name):
        load_model(tmp_path / name)


def test_lambda_code_is_refused_and_never_run(tmp_path: Path) -> None:
    mark = str(tmp_path / "ran")
    layer = keras.layers.Lambda(lambda x: (open(mark, "w").close(), x)[1], output_shape=(2,))
    image = keras.Input((2,))
    keras.Model(image, layer(image)).save(tmp_path / "code.keras")
    Path(mark).unlink(missing_ok=True)
    # not even where unsafe loading was allowed for something else
    with (
        keras.src.saving.serialization_lib.SafeModeScope(False),
        pytest.raises(UserError, match="carries Python code"),
    ):
        load_model(tmp_path / "code.keras")
    assert not Path(mark).exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("keras", "layers.Lambda"),
        ("keras.src.layers.core.lambda_layer", "Lambda"),
        ("builtins", "Lambda"),
        (None, "Lambda"),
        ("keras.layers", "TFSMLayer"),
        ("keras.layers", "TextVectorization"),
        ("keras.models", "load_model"),
        ("keras.utils", "get_file"),
        ("keras.src.ops.core", "Map"),
        ("os", "system"),
        ("keras", "__typespec__"),
        ("keras.src.saving.object_registration", "GLOBAL_CUSTOM_OBJECTS"),
        (["keras"], "function"),
    ],
)
def test_what_runs_code_is_refused_by_any_name(saved: Path, module: object, name: str) -> None:
    def rename(data: bytes) -> bytes:
        config = json.loads(data)
        layer = config["config"]["layers"][1]
        layer |= {"module": module, "class_name": name, "registered_name": None}
        return json.dumps(config).encode()

    _rewrite("config.json", rename)(saved)
    with pytest.raises(UserError, match=r"Python code|other files|unknown layer"):
        load_model(saved)


def test_stock_and_registered_layers_load_from_compiled_and_nested_models(tmp_path: Path) -> None:
    @keras.saving.register_keras_serializable("tests")
    class Doubled(keras.layers.Layer):
        def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
            return inputs * 2

    def difference(y_true: object, y_pred: object) -> object:
        raise AssertionError("never called")

    layers = keras.layers
    inner = keras.Sequential([layers.SeparableConv2D(4, 3, activation="swish"), layers.ReLU()])
    outer = [
        *(keras.Input((8, 8, 3)), inner, Doubled(), layers.GroupNormalization(2)),
        *(layers.Activation(keras.activations.gelu), layers.Flatten()),
        layers.Dense(2, kernel_regularizer="l2", kernel_constraint="max_norm", dtype="bfloat16"),
    ]
    model = keras.Sequential(outer)
    model.compile("adam", loss=difference, metrics=["accuracy"])
    model.save(tmp_path / "stock.keras")
    pixels = X.astype("float32")
    np.testing.assert_array_equal(load_model(tmp_path / "stock.keras").model(pixels), model(pixels))


def test_an_archive_that_unpacks_to_more_than_its_network_is_refused(saved: Path) -> None:
    _rewrite("model.weights.h5", lambda _: None)(saved)
    with zipfile.ZipFile(saved, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("model.weights.h5", bytes(80 << 20))
    for read in (load_model, lambda path: load_pretrained(small(), str(path))):
        with pytest.raises(UserError, match="unpacks to more than its network needs"):
            read(saved)


def test_a_network_that_was_compressed_loads(saved: Path) -> None:
    dense = keras.layers.Dense(3_000)
    image = keras.Input((3_000,))
    model = keras.Model(image, dense(dense(image)))
    dense.kernel.assign(np.zeros((3_000, 3_000)))
    model.save(saved)
    with zipfile.ZipFile(saved) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(saved, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    assert saved.stat().st_size < 1 << 20
    assert load_model(saved).model.count_params() == 9_003_000


EQUAL_PROCESS = """
import sys
from reszoo.model.build import build
from reszoo.model.saving import save_model
from tests.model.specs import small, with_own_layers
for name, spec in (("small", small()), ("own", with_own_layers())):
    build(spec, seed=9)
    for copy in "ab":
        path = f"{sys.argv[1]}/{name}{copy}.keras"
        save_model(build(spec, seed=0), path, spec=spec, classes=list("abcde"))
"""


def test_equal_networks_give_equal_bytes(
    tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In another process, and here."""
    (tmp_path / "first").mkdir()
    programs(EQUAL_PROCESS, tmp_path / "first")
    (tmp_path / "second").mkdir()
    monkeypatch.setattr(sys, "argv", ["-c", str(tmp_path / "second")])
    exec(EQUAL_PROCESS, {})
    for name in ("small", "own"):
        files = [path.read_bytes() for path in sorted(tmp_path.glob(f"*/{name}?.keras"))]
        assert len(files) == 4
        assert len(set(files)) == 1
    assert load_model(tmp_path / "first" / "owna.keras").classes == tuple("abcde")


def test_layer_nobody_registered_is_named(tmp_path: Path) -> None:
    class Stranger(keras.layers.Layer):
        def call(self, inputs: object) -> object:
            return inputs

    image = keras.Input((2,))
    keras.Model(image, Stranger()(image)).save(tmp_path / "strange.keras")
    with pytest.raises(UserError, match="Stranger"):
        load_model(tmp_path / "strange.keras")


def test_full_disk_is_the_machines_fault_and_leaves_what_was_there(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = saved.read_bytes()

    def full(self: zipfile.ZipFile, *_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    with pytest.raises(MachineError, match="No space left"):
        save_model(build(small()), saved, spec=small())
    assert saved.read_bytes() == before
    assert os.listdir(saved.parent) == ["net.keras"]


FULL_DISK_PROCESS = """
import os, resource, signal, sys
import keras
from reszoo.errors import MachineError
from reszoo.model.build import build
from reszoo.model.saving import save_model
from tests.model.specs import small
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
model = build(small())
saving, before = keras.src.saving.saving_lib, resource.getrlimit(resource.RLIMIT_FSIZE)
is_sufficient = saving.is_memory_sufficient
for in_memory in (True, False):
    saving.is_memory_sufficient = lambda model: in_memory
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        save_model(model, sys.argv[1] + "/net.keras", spec=small())
    except MachineError as error:
        assert "File too large" in str(error), error
    else:
        raise SystemExit("saved beyond the limit")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        saving.is_memory_sufficient = is_sufficient
    assert os.listdir(sys.argv[1]) == [], os.listdir(sys.argv[1])
"""


def test_write_that_breaks_off_midway_leaves_nothing(tmp_path: Path, programs: Programs) -> None:
    programs(FULL_DISK_PROCESS, tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to any folder")
def test_read_only_folder_is_the_machines_fault(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(MachineError, match="Permission denied"):
        save_model(build(small()), tmp_path / "net.keras", spec=small())


def test_folder_that_cannot_be_made_is_the_machines_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineError, match="cannot write"):
        save_model(build(small()), tmp_path / "file" / "net.keras", spec=small())


def test_interrupt_while_saving_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(keras.saving, "save_model", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_model(build(small()), tmp_path / "net.keras", spec=small())
    assert os.listdir(tmp_path) == []


def test_saving_under_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Keras model"):
        save_model(build(small()), tmp_path / "net.h5", spec=small())


def test_classes_are_readable_json_in_the_archive(saved: Path) -> None:
    with zipfile.ZipFile(saved) as archive:
        document = json.loads(archive.read("reszoo/classes.json"))
    assert document == {"format_version": 1, "classes": CLASSES}
