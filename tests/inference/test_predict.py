"""Prediction and evaluation see the same pixels and agree."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reszoo.errors import UserError
from reszoo.inference.evaluate import evaluate
from reszoo.inference.predict import predict
from reszoo.inference.trained import TrainedModel, load_trained
from reszoo.report.evaluation_summary import evaluation_text
from reszoo.tflite.contract_file import is_bundle
from tests.training.samples import bar_data, bars


@pytest.fixture
def pictures(tmp_path):
    """Thirty test images as PNG files in a folder, beside a text file, and their labels."""
    folder = tmp_path / "pictures"
    (folder / "more").mkdir(parents=True)
    images, labels = bars(30, seed=1)
    for number, image in enumerate(images):
        place = folder if number < 20 else folder / "more"
        Image.fromarray(image[..., 0]).save(place / f"{number:02d}.png")
    (folder / "notes.txt").write_text("not an image")
    return folder, labels


def test_predictions_of_files_agree_with_evaluation(reference, pictures):
    folder, labels = pictures
    predictions = predict(reference, folder)
    assert [row.path[-6:-4] for row in predictions] == [f"{number:02d}" for number in range(30)]
    correct = [row.classes[0] == str(label) for row, label in zip(predictions, labels, strict=True)]
    assert np.mean(correct) == evaluate(reference, bar_data()).accuracy


def test_a_run_a_file_and_a_model_agree(reference, pictures):
    folder, _ = pictures
    by_run = predict(reference.path, folder, top=2)
    assert predict(reference.model_path, folder, top=2) == by_run
    bare = predict(load_trained(reference).model, folder, top=2)
    assert [row.probabilities for row in bare] == [row.probabilities for row in by_run]


def test_arrays_bytes_and_files_of_one_image_agree(reference, pictures):
    folder, _ = pictures
    file = folder / "00.png"
    pixels = np.asarray(Image.open(file))
    predictions = predict(reference, [file, file.read_bytes(), pixels, pixels[..., None]])
    assert len({row.probabilities for row in predictions}) == 1
    assert [row.path for row in predictions] == [str(file), "1", "2", "3"]


def test_probabilities_are_sorted_and_sum_to_one(reference):
    images, _ = bars(4)
    for row in predict(reference, images):
        assert sum(row.probabilities) == pytest.approx(1.0)
        assert list(row.probabilities) == sorted(row.probabilities, reverse=True)
        assert set(row.classes) == {"0", "1", "2"}


def test_a_colour_photograph_of_any_size_is_made_to_fit(reference, tmp_path):
    Image.new("RGB", (50, 30), "red").save(tmp_path / "red.jpg")
    assert len(predict(reference, tmp_path / "red.jpg")) == 1


def test_unreadable_missing_and_absent_images_are_named(reference, tmp_path):
    (tmp_path / "empty.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"empty\.png"):
        predict(reference, tmp_path / "empty.png")
    with pytest.raises(UserError, match=r"did you mean 'empty\.png'"):
        predict(reference, [tmp_path / "emty.png"])
    (tmp_path / "nothing").mkdir()
    with pytest.raises(UserError, match="there are no images in"):
        predict(reference, tmp_path / "nothing")
    with pytest.raises(UserError, match="no images were given"):
        predict(reference, [])


def test_hidden_files_of_a_folder_are_skipped(reference, tmp_path):
    folder = tmp_path / ".cache" / "pictures"  # a hidden parent hides nothing
    (folder / ".thumbnails").mkdir(parents=True)
    for name in ("._seen.png", ".thumbnails/seen.png"):
        (folder / name).write_bytes(b"not a picture")
    Image.fromarray(bars(1)[0][0][..., 0]).save(folder / "seen.png")
    assert [Path(p.path).name for p in predict(reference, folder)] == ["seen.png"]


def test_a_name_of_the_zoo_is_refused_as_untrained(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="`reszoo train resnet20` makes a run of it"):
        predict("resnet20", bars(1)[0])


def test_missing_and_damaged_targets_are_refused(tmp_path):
    images, _ = bars(1)
    with pytest.raises(UserError, match=r"there is no .*nothing\.tflite"):
        predict(tmp_path / "nothing.tflite", images)
    with pytest.raises(UserError, match="there is no"):
        predict(tmp_path / "nothing.keras", images)
    (tmp_path / "bad.tflite").write_bytes(b"not a network")
    with pytest.raises(UserError, match=r"is damaged, or is not a \.tflite file"):
        predict(tmp_path / "bad.tflite", images)


@pytest.fixture(scope="session")
def tflite(reference, tmp_path_factory):
    """The reference network as a plain float .tflite of probabilities, with its labels."""
    import keras
    import tensorflow as tf

    model = load_trained(reference).model
    image = keras.Input((8, 8, 1), batch_size=1)
    probabilities = keras.layers.Softmax()(model(image))
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(image, probabilities))
    folder = tmp_path_factory.mktemp("bundle")
    (folder / "model.tflite").write_bytes(converter.convert())
    (folder / "labels.txt").write_text("across\ndown\nslanted\n")
    return folder / "model.tflite"


def test_a_tflite_predicts_what_keras_predicts(reference, tflite):
    images, _ = bars(6)
    by_keras, by_tflite = predict(reference, images), predict(tflite, images)
    names = {"0": "across", "1": "down", "2": "slanted"}
    for keras_row, tflite_row in zip(by_keras, by_tflite, strict=True):
        assert [names[name] for name in keras_row.classes] == list(tflite_row.classes)
        assert keras_row.probabilities == pytest.approx(tflite_row.probabilities, abs=1e-5)


def test_a_tflite_predicts_without_tensorflow(reference, tflite, tmp_path):
    for number, image in enumerate(bars(2)[0]):
        Image.fromarray(image[..., 0]).resize((60, 50)).save(tmp_path / f"{number}.jpg")
    program = (
        "import sys; from reszoo.cli import main; code = main(sys.argv[1:])\n"
        "print(code, sorted({'tensorflow', 'keras', 'h5py', 'scipy'} & set(sys.modules)))"
    )
    images = [str(tmp_path / "0.jpg"), str(tmp_path / "1.jpg")]
    command = [sys.executable, "-c", program, "predict", str(tflite), *images, "--csv"]
    done = subprocess.run(command, capture_output=True, text=True)
    *rows, last = done.stdout.splitlines()
    assert (last, done.stderr, len(rows)) == ("0 []", "", 7)
    # The pixels are those that the Keras model gets, so the classes are.
    names = {"0": "across", "1": "down", "2": "slanted"}
    for by_keras, by_tflite in zip(
        predict(reference, images),
        predict(tflite, images),
        strict=True,
    ):
        assert [names[name] for name in by_keras.classes] == list(by_tflite.classes)
        assert by_keras.probabilities == pytest.approx(by_tflite.probabilities, abs=1e-5)


def test_a_folder_named_after_a_class_tells_the_true_class(tflite, tmp_path):
    paths = ["down/1.png", "across/down/2.png", "across/old/3.png", "others/4.png"]
    for path, image in zip(paths, bars(4)[0], strict=True):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(tmp_path / path)
    predictions = predict(tflite, [tmp_path, bars(1)[0][0]])
    names = {Path(each.path).name: each.true_class for each in predictions}
    assert names == {"1.png": "down", "2.png": "down", "3.png": "across", "4.png": None, "1": None}


def test_labels_that_do_not_fit_a_tflite_are_refused(tflite):
    labels = tflite.with_name("labels.txt")
    text = labels.read_text()
    labels.write_text("across\n")
    try:
        with pytest.raises(UserError, match="3 lines, one per class"):
            predict(tflite, bars(1)[0])
    finally:
        labels.write_text(text)


def test_evaluation_refuses_other_classes(reference):
    images, labels = bars(30)
    with pytest.raises(UserError, match="different classes"):
        evaluate(reference, (images, labels + 1))
    names = np.array(["x", "y", "z"])[labels]
    with pytest.raises(UserError, match="rename the data's classes"):
        evaluate(reference, (images, names))


def test_evaluation_maps_classes_by_name(reference):
    images, labels = bars(60)
    expected = evaluate(reference, (images, labels))
    # "c" < "x" < "y", so the data number their classes in another order than the network.
    network = TrainedModel(load_trained(reference).model, None, ("x", "c", "y"), None)
    names = np.array(["x", "c", "y"])[labels]
    mapped = evaluate(network, (images, names))
    assert mapped.accuracy == expected.accuracy
    assert [score.name for score in mapped.classes] == ["x", "c", "y"]
    few = evaluate(network, (images[labels != 1], names[labels != 1]))
    assert few.examples == (labels != 1).sum()
    assert few.classes[1].examples == 0
    assert "note: the split has no images of c" in evaluation_text(few)


def test_an_unfinished_run_says_how_to_resume(tmp_path):
    from tests.runs.samples import new_run

    run = new_run(tmp_path / "run")
    with pytest.raises(UserError, match="reszoo resume"):
        load_trained(run)


@pytest.mark.parametrize("fast", [False, True])
def test_not_finite_weights_are_an_error_that_names_the_first_layer(reference, fast):
    images, labels = bars(4)
    trained = load_trained(reference.model_path)
    weighted = [layer for layer in trained.model.layers if layer.weights]
    for layer in (weighted[-1], weighted[2]):  # the later one first: the earlier one is named
        layer.set_weights([np.full_like(weight, np.nan) for weight in layer.get_weights()])
        for function in (
            lambda: predict(trained, images, fast=fast),
            lambda: evaluate(trained, (images, labels), fast=fast),
        ):
            with pytest.raises(UserError, match="outputs are not numbers") as caught:
                function()
            assert str(caught.value.where).endswith(f"the layer {layer.name}")
            assert caught.value.exit_code == 2


def test_overflow_of_finite_weights_names_the_layer(reference):
    trained = load_trained(reference.model_path)
    convolution = next(layer for layer in trained.model.layers[3:] if "kernel" in dir(layer))
    convolution.set_weights([np.full_like(w, 3e38) for w in convolution.get_weights()])
    with pytest.raises(UserError, match="outputs are not numbers") as caught:
        predict(trained, bars(1)[0])
    assert "whose weights are finite" in str(caught.value.where)


def test_a_model_alone_needs_data(reference):
    with pytest.raises(UserError, match="say which data"):
        evaluate(reference.model_path)


def test_a_bundle_that_a_killed_export_had_moved_away_is_found(tmp_path):
    moved = tmp_path / ".bundle.abcdefgh.partial" / ".old"
    moved.mkdir(parents=True)
    (moved / "contract.json").write_text("{}")
    assert is_bundle(tmp_path / "bundle")
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]
