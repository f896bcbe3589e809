"""What a training leaves, how it chooses, and how it refuses what cannot work."""

import contextlib
import json
import os
import re
import shutil
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from PIL import Image

from reszoo import spec
from reszoo.errors import GateError, UserError
from reszoo.inference.evaluate import evaluate
from reszoo.inference.trained import load_trained
from reszoo.runs import Run
from reszoo.spec.recipe import default_recipe_name
from reszoo.training.checkpoint.checkpoints import Checkpoints
from reszoo.training.fit_run import _is_test_split
from reszoo.training.job import TrainingJob, choose_recipe
from reszoo.training.train import resume, train
from tests.training.samples import SHORT, TINY, bar_data, bars


def start(tmp_path, **changes):
    values = {"spec": TINY, "data": bar_data(), "recipe": SHORT, "out": tmp_path / "run"}
    return train(**(values | {"quiet": True, "stop_after": 1, "test": False} | changes))


def test_a_finished_run_says_what_happened(reference):
    assert reference.state == "finished"
    assert reference.info["precision"] == "float32"
    assert reference.data()["classes"] == ["0", "1", "2"]
    assert reference.data()["splits"] == {"train": 120, "test": 30}
    assert reference.data()["validation"] == {"fraction": 0.2, "seed": 7, "images": 24}
    *epochs, evaluation = reference.metrics()
    assert [line["epoch"] for line in epochs] == [1, 2, 3]
    assert [line["step"] for line in epochs] == [6, 12, 18]
    assert set(epochs[0]) == {
        *("kind", "epoch", "step", "learning_rate"),
        *("loss", "accuracy", "val_loss", "val_accuracy"),
    }
    assert (evaluation["kind"], evaluation["split"]) == ("evaluation", "test")
    assert len(reference.timing()) == 3


def test_the_reported_accuracy_is_that_of_the_saved_network(reference):
    found = evaluate(reference.path, bar_data())
    assert found.examples == 30
    assert found.accuracy == reference.info["test_accuracy"]
    assert found.loss == pytest.approx(reference.metrics()[-1]["loss"])


def test_the_best_validated_state_is_kept(reference):
    epochs = reference.metrics()[:-1]
    best = max(epochs, key=lambda line: (line["val_accuracy"], -line["val_loss"]))
    stored = Checkpoints(reference.checkpoints).best()
    assert stored.facts["epoch"] == best["epoch"]
    assert reference.info["best"]["val_accuracy"] == best["val_accuracy"]
    saved = {weight.path: weight.numpy() for weight in load_trained(reference).model.weights}
    kept = {name.split("/", 2)[2]: value for name, value in stored.arrays.items()}
    for path, value in saved.items():
        np.testing.assert_array_equal(value, kept[path])


@pytest.fixture(scope="module")
def varied(tmp_path_factory):
    """A run of one epoch with much that is not the default."""
    images, labels = bars(120)
    kept = np.concatenate([np.flatnonzero(labels < 2), np.flatnonzero(labels == 2)[:10]])
    names = np.array(["across", "down", "slanted"])[labels]
    return start(
        tmp_path_factory.mktemp("varied"),
        spec=TINY.model_copy(update={"classes": 1000}),
        data=(images[kept], names[kept]),
        class_weights="balanced",
        recipe_overrides=[
            "precision=mixed_bfloat16",
            "regularization.dropout=0.25",
            "regularization.survival_probability=0.9",
        ],
    )


def test_a_saved_network_has_canonical_float32_layers(varied):
    assert varied.info["precision"] == "mixed_bfloat16"
    layers = load_trained(varied).model.layers
    assert {layer.dtype_policy.name for layer in layers} == {"float32"}
    assert {type(layer).__module__.partition(".")[0] for layer in layers} == {"keras"}


def test_class_names_and_count_come_from_the_data(varied):
    assert varied.architecture().classes == 3
    assert load_trained(varied).classes == ("across", "down", "slanted")


def test_the_recipe_regularises_the_architecture_once(varied):
    assert varied.architecture().head.dropout == 0.25
    assert varied.architecture().block.survival_probability == 0.9


def test_callbacks_see_the_epochs_and_may_end_the_training(tmp_path):
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append((epoch, sorted(logs), float(self.model.optimizer.iterations)))
            self.model.stop_training = True

    run = start(tmp_path, stop_after=3, callbacks=[Watch()])
    assert seen == [(0, ["accuracy", "loss", "val_accuracy", "val_loss"], 6.0)]
    assert run.info["epochs"] == 1


def test_training_without_validation_keeps_the_last_state(tmp_path):
    run = start(tmp_path, recipe_overrides=["validation.fraction=0"], stop_after=2)
    assert run.info["best"] == {"epoch": 2}
    assert "val_loss" not in run.metrics()[0]


def test_a_loss_that_is_no_number_stops_with_the_step_and_a_hint(tmp_path):
    with pytest.raises(GateError, match=r"the loss is no longer a number at step \d") as error:
        start(
            tmp_path,
            recipe_overrides=["schedule.peak=1e30", "schedule.warmup=0", "ema=null"],
            stop_after=2,
        )
    assert "schedule.peak" in str(error.value)
    run = Run.open(tmp_path / "run")
    assert run.state == "failed"
    assert "no longer a number" in run.info["reason"]
    assert not run.model_path.exists()


def test_the_default_recipe_goes_by_the_image_size(tmp_path):
    run = start(tmp_path, recipe=None)
    assert run.recipe().name == "short8"


def test_balanced_weights_stand_in_the_run(varied):
    counts = np.array([32, 32, 8])  # 80 % of 40, 40 and 10
    assert varied.data()["class_weights"] == pytest.approx(list(72 / (3 * counts)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": 10}, "10 classes were requested, but the data arrays have 3"),
        ({"overrides": ["classes=7"]}, "7 classes were requested, but the data arrays have 3"),
        ({"epochs": 0}, "a training needs epochs"),
        ({"stop_after": 9}, "1 to 3 epochs"),
        ({"class_weights": "even"}, "unknown class weights"),
        ({"class_weights": {"0": 1.0}}, "class weights name other classes"),
        ({"overrides": ["input.shape=[8,8,3]"]}, "takes colour images and arrays holds grey"),
        ({"overrides": ["input.shape=[16,16,1]"]}, "smaller than tiny needs"),
        ({"recipe_overrides": ["validation.fraction=0.001"]}, "too few training images"),
        ({"recipe": "shrot8"}, "short8"),
        ({"data": "digitz"}, "digits"),
    ],
)
def test_what_does_not_fit_is_refused_and_leaves_no_folder(tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        start(tmp_path, **changes)
    assert not (tmp_path / "run").exists()


def test_small_images_are_enlarged_when_asked(tmp_path):
    run = start(tmp_path, overrides=["input.shape=[10,10,1]"], enlarge_small_images=True)
    assert run.architecture().input.shape == (10, 10, 1)


def test_a_run_trains_and_evaluates_at_two_sizes(tmp_path):
    run = start(tmp_path, overrides=["input.train_size=6"])
    assert load_trained(run).model.input_shape == (None, 8, 8, 1)
    assert evaluate(run, bar_data()).examples == 30


def test_run_json_is_plain_json(reference):
    info = json.loads((reference.path / "run.json").read_text())
    assert info["strategy"] == "one device"


@pytest.mark.parametrize(
    ("splits", "labels", "reported"),
    [
        (("train", "test"), [0, 2], True),
        (("train", "test"), [-1, -1], False),  # As TFDS has them where they are not published.
        (("train", "validation"), [0, 2], False),
        (("test",), [0, 2], False),  # The only split is what trained.
    ],
)
def test_only_labelled_images_that_did_not_train_are_reported(splits, labels, reported):
    data = SimpleNamespace(
        splits=dict.fromkeys(splits, 2),
        only_split=splits[0] if len(splits) == 1 else None,
        split=lambda name: SimpleNamespace(labels=labels),
    )
    assert _is_test_split(data, "test") == reported


def test_a_resume_that_fails_leaves_the_schedule_as_it_was(begun):
    before = (begun.path / "recipe.yaml").read_bytes()
    with pytest.raises(UserError, match="have changed since"):
        resume(begun, epochs=9, data=bars(30, seed=5), quiet=True)
    assert (begun.path / "recipe.yaml").read_bytes() == before


@pytest.mark.parametrize(
    ("side", "images", "fine_tuning", "name"),
    [
        (32, 500, False, "few32"),
        (32, 50_000, False, "short32"),
        (28, 4_999, False, "few28"),
        (28, 5_000, False, "short28"),
        (8, 500, False, "short8"),
        (224, 500, False, "short_photo"),
        (32, 500, True, "finetune_few32"),
        (32, None, False, "short32"),
    ],
)
def test_the_default_recipe_goes_by_the_number_of_images_too(side, images, fine_tuning, name):
    assert default_recipe_name(side, side, images=images, fine_tuning=fine_tuning) == name
    assert name in spec.names_of("recipe")


@pytest.mark.parametrize(
    ("network", "changes", "images", "fine_tuning", "name", "peak"),
    [
        ("highway19_cifar10", [], 50_000, False, "short32_no_norm", 0.025),
        ("highway19_cifar10", [], 500, False, "few32_no_norm", 0.0125),
        ("highway19_cifar10", [], 50_000, True, "finetune32", 0.02),
        ("highway19_cifar10", ["block.norm=batch"], 50_000, False, "short32", 0.2),
        ("highway10_w16_mnist", [], 60_000, False, "short28", None),
        ("wrn16_2", [], 50_000, False, "short32", 0.2),  # its stem alone has no normalisation
    ],
)
def test_blocks_without_normalisation_get_a_lower_rate(
    network, changes, images, fine_tuning, name, peak
):
    recipe = choose_recipe(
        None, spec.load(network, changes), images=images, fine_tuning=fine_tuning
    )
    assert recipe.name == name
    assert peak is None or recipe.schedule.peak == peak


def test_the_recipe_is_named_first_and_few_held_out_images_are_noted(tmp_path, capfd):
    train(TINY, bar_data(), seed=7, epochs=1, out=tmp_path / "run")
    first, second, third, *rest = capfd.readouterr().err.splitlines()
    assert first == "recipe short8: One cycle of Adam for tiny images"
    assert "102 images, 18 held out" in second
    assert third.startswith("18 held-out images measure an accuracy to about 14 points")
    assert not any("resuming" in line for line in rest)


def test_a_training_that_diverges_and_stays_finite_is_noted(tmp_path, capfd):
    changes = ["schedule.peak=50", "schedule.kind=constant", "schedule.warmup=0", "ema=null"]
    train(TINY, bar_data(), SHORT, seed=7, recipe_overrides=changes, epochs=1, out=tmp_path / "run")
    assert re.search(
        r"training loss ends at .*, above the 1.099 of guessing", capfd.readouterr().err
    )


def test_a_batch_of_all_images_divides_over_replicas_and_parts():
    def batch(images: int, parts: int) -> int:
        fields = dict.fromkeys(("architecture", "data", "val_split", "class_weights", "seed"))
        return TrainingJob(recipe=SHORT, train_split=range(images), parts=parts, **fields).batch

    assert [batch(images, 4) for images in (7, 8, 15, 16, 100)] == [4, 8, 12, 16, 16]
    assert batch(7, 1) == 7


@pytest.fixture(scope="module")
def run_on_photos(tmp_path_factory):
    """A folder with photos, and a run that was stopped after its first epoch on them."""
    folder = tmp_path_factory.mktemp("photos")
    write_folder(folder / "photos")
    with contextlib.chdir(folder):
        train(TINY, "folder:photos", SHORT, out="run", stop_after=1, test=False, quiet=True)
    return folder


@pytest.fixture
def on_photos(run_on_photos, tmp_path, monkeypatch):
    """A copy of the run, in the current folder beside a copy of the photos."""
    shutil.copytree(run_on_photos, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return Run.open(tmp_path / "run")


def test_data_that_have_moved_are_named_when_a_run_is_resumed(on_photos, tmp_path):
    run = on_photos
    (tmp_path / "photos").rename(tmp_path / "there")
    with pytest.raises(UserError, match=r"the data of .*run cannot be opened") as error:
        resume(run, quiet=True)
    assert "--data folder:PATH" in error.value.hint
    moved = f"folder:{tmp_path / 'there'}"
    assert resume(run, data=moved, quiet=True).state == "finished"
    assert Run.open(run.path).data()["name"] == moved
    evaluate(run)  # Finds them where they are now.


def test_a_data_set_that_was_copied_and_touched_is_the_same(on_photos, tmp_path):
    shutil.copytree(tmp_path / "photos", tmp_path / "there", copy_function=shutil.copyfile)
    for path in (tmp_path / "there").rglob("*.png"):
        os.utime(path, (1, 1))
    shutil.rmtree(tmp_path / "photos")
    assert resume(on_photos, data=f"folder:{tmp_path / 'there'}", quiet=True).state == "finished"


def test_pictures_replaced_under_the_same_names_are_named(on_photos, tmp_path):
    run = on_photos
    paths = sorted((tmp_path / "photos").rglob("*.png"))
    before = [path.read_bytes() for path in paths[:7]]
    for path in paths[:7]:
        Image.fromarray(np.full((8, 8), 77, np.uint8)).save(path)
    with pytest.raises(UserError, match=r"7 of 60 images of .* have changed") as error:
        resume(run, quiet=True)
    changed = {path.relative_to(tmp_path / "photos").as_posix() for path in paths[:7]}
    named, _, rest = error.value.found.partition(" and ")
    assert set(named.split(", ")) < changed
    assert (named.count(", "), rest) == (4, "2 more")
    assert f"reszoo train --from {run.path}" in error.value.hint
    again = train(start=run.path, data=f"folder:{tmp_path / 'photos'}", epochs=1, quiet=True)
    assert again.state == "finished"  # The hint holds.
    assert Run.open(run.path).state == run.state
    for path, content in zip(paths, before, strict=False):
        path.write_bytes(content)
    assert resume(run, quiet=True).state == "finished"


def test_another_name_for_a_picture_is_named(on_photos, tmp_path):
    path = min((tmp_path / "photos" / "train").rglob("*.png"))
    path.rename(path.with_name("other.png"))
    with pytest.raises(UserError, match=r"1 of 60 images") as error:
        resume(on_photos, quiet=True)
    assert error.value.found == f"{path.relative_to(tmp_path / 'photos').as_posix()} (is gone)"


def test_a_run_without_a_fingerprint_goes_on(on_photos, tmp_path):
    (on_photos.path / "data_files.jsonl").unlink()
    path = min((tmp_path / "photos").rglob("*.png"))
    Image.fromarray(np.full((8, 8), 77, np.uint8)).save(path)
    assert resume(on_photos, quiet=True).state == "finished"


def test_other_pixels_in_memory_are_refused(begun):
    (images, labels), test = bar_data().values()
    other = images.copy()
    other[3] = 255 - other[3]
    with pytest.raises(UserError, match="have changed") as error:
        resume(begun, data={"train": (other, labels), "test": test}, quiet=True)
    assert error.value.found == "image 3"
    assert resume(begun, data=bar_data(), quiet=True).state == "finished"


def write_folder(folder):
    images, labels = bars(60)
    for split, members in (("train", range(48)), ("test", range(48, 60))):
        for index in members:
            path = folder / split / "abc"[labels[index]] / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(images[index, :, :, 0]).save(path)
