"""Downloads are atomic and verified, and leave a usable cache; no test uses the network."""

from __future__ import annotations

import hashlib
import json
import os

import pytest
from keras.src.applications import resnet
from keras.src.applications.imagenet_utils import CLASS_INDEX_PATH

from reszoo.errors import MachineError, UserError
from reszoo.model.build import build
from reszoo.model.importing import fetch
from reszoo.model.importing.pretrained import load_pretrained
from tests.model.importing.weight_samples import PIXELS, small, torch_state, write_timm

FILE = "resnet50_weights_tf_dim_ordering_tf_kernels.h5"


def publish(folder, monkeypatch, content=b"weights"):
    (folder / FILE).write_bytes(content)
    monkeypatch.setitem(fetch.KERAS_FILES, "resnet50", hashlib.md5(content).hexdigest())


def test_addresses_and_checksums_are_those_of_keras_applications():
    assert {name: resnet.WEIGHTS_HASHES[name][0] for name in fetch.KERAS_FILES} == fetch.KERAS_FILES
    assert fetch._KERAS_FOLDER == resnet.BASE_WEIGHTS_PATH
    assert fetch._CLASS_INDEX[1] == CLASS_INDEX_PATH


def test_keras_weights_are_downloaded_once(keras_home, keras_server, monkeypatch, capsys):
    publish(keras_server, monkeypatch)
    path = fetch.keras_weights("resnet50")
    assert path == keras_home / FILE
    assert path.read_bytes() == b"weights"
    assert os.listdir(keras_home) == [FILE]
    told = capsys.readouterr()
    assert told.out == "" and "Downloading" in told.err
    (keras_server / FILE).unlink()
    assert fetch.keras_weights("resnet50") == path


def test_a_download_with_another_checksum_leaves_nothing(keras_home, keras_server, monkeypatch):
    publish(keras_server, monkeypatch)
    (keras_server / FILE).write_bytes(b"cut")
    with pytest.raises(MachineError, match=f"cannot download {FILE}") as error:
        fetch.keras_weights("resnet50")
    assert "file hash does not match" in error.value.found
    assert os.listdir(keras_home) == []
    (keras_server / FILE).write_bytes(b"weights")
    assert fetch.keras_weights("resnet50").read_bytes() == b"weights"


def test_a_damaged_file_in_the_cache_is_downloaded_anew(keras_home, keras_server, monkeypatch):
    publish(keras_server, monkeypatch)
    keras_home.mkdir(parents=True)
    (keras_home / FILE).write_bytes(b"wei")
    assert fetch.keras_weights("resnet50").read_bytes() == b"weights"


def test_an_interrupted_download_leaves_nothing(keras_home, keras_server, monkeypatch):
    def stop(*_, **options):
        half = os.path.join(options["cache_dir"], FILE)
        with open(half, "wb") as file:
            file.write(b"wei")
        raise KeyboardInterrupt

    publish(keras_server, monkeypatch)
    with monkeypatch.context() as interrupted, pytest.raises(KeyboardInterrupt):
        interrupted.setattr(fetch.keras.utils, "get_file", stop)
        fetch.keras_weights("resnet50")
    assert os.listdir(keras_home) == []
    assert fetch.keras_weights("resnet50").read_bytes() == b"weights"


def test_keras_offline_is_one_message(keras_home, offline):
    offline()
    with pytest.raises(MachineError, match="cannot download") as error:
        fetch.keras_weights("resnet50")
    assert "--weights FILE" in error.value.hint
    assert "refused" in error.value.found
    assert os.listdir(keras_home) == []
    assert fetch.imagenet_classes() is None


def test_a_link_out_of_kerass_cache_is_refused(keras_home, keras_server, monkeypatch, tmp_path):
    publish(keras_server, monkeypatch)
    (tmp_path / "elsewhere.h5").write_bytes(b"weights")
    keras_home.mkdir(parents=True)
    (keras_home / FILE).symlink_to(tmp_path / "elsewhere.h5")
    with pytest.raises(UserError, match="points out of its cache"):
        fetch.keras_weights("resnet50")
    assert (tmp_path / "elsewhere.h5").read_bytes() == b"weights"


def test_class_names_are_told_apart(keras_home, keras_server, monkeypatch):
    index = {str(number): [f"n{number}", f"name{number}"] for number in range(1000)}
    index["134"][1] = index["517"][1] = "crane"
    content = json.dumps(index).encode()
    name, url, _ = fetch._CLASS_INDEX
    (keras_server / name).write_bytes(content)
    monkeypatch.setattr(fetch, "_CLASS_INDEX", (name, url, hashlib.md5(content).hexdigest()))
    names = fetch.imagenet_classes()
    assert names[:2] == ("name0", "name1")
    assert (names[134], names[517]) == ("crane (n134)", "crane (n517)")


@pytest.fixture
def published(hub, tmp_path):
    """A network and its weights on the hub, as timm:small.sample."""
    spec = small("resnet18")
    folder = tmp_path / "made"
    folder.mkdir()
    weights = write_timm(folder, torch_state(spec, build(spec)), **PIXELS)
    hub.put("small.sample", "model.safetensors", weights.read_bytes())
    hub.put("small.sample", "config.json", (folder / "config.json").read_bytes())
    return spec


def test_timms_weights_come_with_their_pixels(hub, published):
    spec = load_pretrained(published, "timm:small.sample").spec
    assert spec.weights.source == "timm:small.sample"
    assert spec.weights.file == "model.safetensors"
    assert spec.weights.sha256 == hub.blob("small.sample").name
    assert (spec.input.crop, spec.weights.input_size) == (0.95, (160, 160))


def test_a_cached_tag_needs_no_network(hub, published, offline):
    load_pretrained(published, "timm:small.sample")
    offline()
    hub.asked.clear()
    assert load_pretrained(published, "timm:small.sample").spec.weights is not None
    assert hub.asked == []


def test_the_hub_offline_is_one_message(hub, published, offline):
    offline()
    with pytest.raises(MachineError, match=r"cannot download timm:small\.sample") as error:
        load_pretrained(published, "timm:small.sample")
    assert "refused" in error.value.found
    assert hub.stored() == []


def test_a_tag_that_is_not_there_is_told(hub, published):
    with pytest.raises(UserError, match=r"there are no weights timm:small\.other"):
        load_pretrained(published, "timm:small.other")
    assert hub.stored() == []


def test_a_tag_with_a_pickle_only_is_refused(hub, published):
    hub.put("small.old", "pytorch_model.bin", b"pickle")
    with pytest.raises(UserError, match=r"has no model\.safetensors") as error:
        load_pretrained(published, "timm:small.old")
    assert "pickles are never opened" in error.value.expected
    assert "timm/small.old/pytorch_model.bin" not in hub.asked


def test_a_tag_without_config_keeps_the_specs_pixels(hub, published):
    del hub.files["timm/small.sample/config.json"]
    assert load_pretrained(published, "timm:small.sample").spec.input == published.input


def test_a_damaged_blob_in_the_cache_is_downloaded_anew(hub, published):
    load_pretrained(published, "timm:small.sample")
    blob = hub.blob("small.sample")
    whole = blob.read_bytes()
    blob.write_bytes(whole[:-4] + b"oops")
    load_pretrained(published, "timm:small.sample")
    assert hub.blob("small.sample").read_bytes() == whole


def test_a_damaged_blob_offline_is_one_message_and_is_gone(hub, published, offline):
    load_pretrained(published, "timm:small.sample")
    hub.blob("small.sample").write_bytes(b"oops")
    offline()
    with pytest.raises(MachineError, match=r"cannot download timm:small\.sample"):
        load_pretrained(published, "timm:small.sample")
    assert "model.safetensors" not in hub.stored()


def test_a_download_with_other_bytes_leaves_nothing(hub, published):
    key = "timm/small.sample/model.safetensors"
    hub.sent[key] = bytes(len(hub.files[key]))
    with pytest.raises(MachineError, match="were damaged"):
        load_pretrained(published, "timm:small.sample")
    assert "model.safetensors" not in hub.stored()
    hub.sent.clear()
    assert load_pretrained(published, "timm:small.sample").spec.weights is not None


def test_a_link_out_of_the_hubs_cache_is_refused(hub, published, tmp_path):
    load_pretrained(published, "timm:small.sample")
    (link,) = hub.cache.glob("models--timm--small.sample/snapshots/*/model.safetensors")
    link.unlink()
    outside = tmp_path / "outside.safetensors"
    outside.write_bytes(b"secret")
    link.symlink_to(outside)
    with pytest.raises(UserError, match="points out of its cache"):
        load_pretrained(published, "timm:small.sample")
    assert outside.read_bytes() == b"secret"


def test_accuracy_is_told_where_it_was_published():
    from reszoo.model.importing.accuracies import published_accuracy

    assert published_accuracy("timm:resnet50.tv_in1k")["top1"] == 76.13
    assert "224 pixels" in published_accuracy("timm:resnet50.a1_in1k")["where"]
    assert published_accuracy("timm:resnet50.nobody") == {}
    assert published_accuracy("resnet50.tv_in1k") == {}
