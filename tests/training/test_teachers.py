"""A student learns the answers of its teachers, and stops, resumes and divides as any training."""

import hashlib
import os
import shutil
import signal
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from reszoo.data import ImageFormat
from reszoo.data.images.resizing import resize_to_format
from reszoo.errors import MachineError, UserError
from reszoo.inference.trained import load_trained
from reszoo.model.build import build
from reszoo.runs import Run
from reszoo.spec import from_mapping
from reszoo.spec.optimizer import Distill
from reszoo.training import TrainingStopped
from reszoo.training.fit_teachers import answers
from reszoo.training.loop.distillation import Distillation
from reszoo.training.loop.loop import Loop
from reszoo.training.optimizers.optimizers import make_optimizer
from reszoo.training.out_of_memory import memory_errors_explained
from reszoo.training.teachers import load_teachers
from reszoo.training.train import resume, train
from tests.training.samples import SHORT, TINY, bar_data, bars

LARGER = from_mapping(
    {
        "name": "larger",
        "input": {"shape": [12, 12, 1], "mean": 90.0, "std": 70.0},
        "stem": {"filters": 6},
        "stages": [{"depth": 1, "width": 6}],
        "classes": 3,
    }
)
PLAIN = from_mapping(
    {
        "name": "plain",
        "input": {"shape": [8, 8, 1], "mean": 100.0, "std": 80.0},
        "stem": {"filters": 4},
        "norm": "none",
        "stages": [{"depth": 1, "width": 4}],
        "classes": 3,
    }
)
BARS = SimpleNamespace(classes=("0", "1", "2"), name="bars")
MIXING = SHORT.model_copy(
    update={
        "epochs": 2,
        "augmentation": SHORT.augmentation.model_copy(update={"mixup": 0.4, "cutmix": 1.0}),
    }
)


def softmax(logits):
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def teach(out, teacher, **options):
    words = {"seed": 7, "quiet": True, "test": False}
    return train(TINY, bar_data(), MIXING, out=out, teacher=teacher, **words, **options)


@pytest.fixture(scope="module")
def larger(tmp_path_factory):
    """An untrained teacher that takes larger images, as a `.keras` file."""
    from reszoo.model.saving import save_model

    path = tmp_path_factory.mktemp("larger") / "larger.keras"
    save_model(build(LARGER, seed=3), path, spec=LARGER)
    return path


@pytest.fixture(scope="module")
def taught(tmp_path_factory, reference, larger):
    """A student of two teachers: a run, and a file that takes larger images."""
    return teach(tmp_path_factory.mktemp("taught") / "run", [reference.path, larger])


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_step_has_the_loss_of_the_formula_on_the_images_it_sees(larger, accumulate):
    images, labels = bars(16)
    student = build(PLAIN, seed=1)
    (teacher,) = load_teachers(larger, "float32")
    students = student(images.astype(np.float32), training=False).numpy()
    loop = Loop(
        student,
        make_optimizer(SHORT.optimizer, 0.1),
        SHORT.optimizer,
        batch=16,
        accumulate=accumulate,
        distillation=Distillation([answers(teacher, BARS)], Distill()),
    )
    loop.train(tf.constant(images), tf.constant(labels))
    resized = resize_to_format(images, ImageFormat(12, 12, 1))
    teachers = load_trained(larger).model(resized.astype(np.float32), training=False).numpy()
    own = -np.log(softmax(students)[np.arange(16), labels])
    shares, guesses = softmax(teachers / 4), softmax(students / 4)
    divergence = 16 * (shares * np.log(shares / guesses)).sum(-1)
    expected = (0.1 * own + 0.9 * divergence).mean()
    np.testing.assert_allclose(float(loop.training_loss.result()), expected, rtol=1e-4)


def test_a_student_learns_the_teachers_answers(taught, tmp_path):
    alone = teach(tmp_path / "alone", None, stop_after=1)
    assert taught.metrics()[0]["loss"] != alone.metrics()[0]["loss"]
    assert taught.recipe().distill == Distill()
    assert alone.recipe() == MIXING
    assert "teachers" not in alone.info


def test_the_run_records_path_hash_and_accuracy(taught, reference, larger):
    run, file = taught.info["teachers"]
    assert run == {
        "path": str(reference.path),
        "sha256": hashlib.sha256(reference.model_path.read_bytes()).hexdigest(),
        "accuracy": reference.info["test_accuracy"],
        "split": "test",
    }
    assert file["path"] == str(larger)
    assert file["accuracy"] is None


def test_a_stopped_student_resumes_bit_for_bit(taught, reference, larger, tmp_path):
    class Signal(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if self.model.optimizer.iterations == 8:
                os.kill(os.getpid(), signal.SIGTERM)

    moved = shutil.copy(larger, tmp_path / "moved.keras")
    out = tmp_path / "run"
    with pytest.raises(TrainingStopped):
        teach(out, [reference.path, moved], callbacks=[Signal()])
    elsewhere = shutil.move(moved, tmp_path / "elsewhere.keras")
    with pytest.raises(UserError, match=r"moved.keras of .* is no longer there") as gone:
        resume(out, data=bar_data(), quiet=True)
    assert f"reszoo resume {out} --teacher PATH" in str(gone.value)
    again = resume(out, data=bar_data(), teacher=elsewhere, quiet=True)
    assert [teacher["path"] for teacher in again.info["teachers"]] == [
        str(reference.path),
        str(elsewhere),
    ]
    for name in ("metrics.jsonl", "recipe.yaml"):
        assert (again.path / name).read_bytes() == (taught.path / name).read_bytes()
    pairs = zip(load_trained(again).model.weights, load_trained(taught).model.weights, strict=True)
    for ours, theirs in pairs:
        np.testing.assert_array_equal(ours, theirs, err_msg=ours.path)


def test_a_teacher_that_changed_is_refused(begun, reference, larger, tmp_path):
    stranger = tmp_path / "stranger.keras"
    shutil.copy(larger, stranger)
    record = {"path": str(stranger), "sha256": "0" * 64, "accuracy": None, "split": None}
    begun.set_state("interrupted", teachers=[record])
    with pytest.raises(UserError, match="has changed since"):
        resume(begun, data=bar_data(), quiet=True)
    with pytest.raises(UserError, match="is not the teacher of"):
        resume(begun, data=bar_data(), teacher=reference, quiet=True)
    assert Run.open(begun.path).state == "interrupted"


def test_a_run_without_a_teacher_gets_none_later(begun, larger):
    with pytest.raises(UserError, match="was begun without a teacher"):
        resume(begun, data=bar_data(), teacher=larger, quiet=True)


def test_a_run_cannot_teach_itself(begun):
    for teacher in (begun.path, begun.model_path, begun):
        with pytest.raises(UserError, match="cannot be its own teacher"):
            teach(begun.path, teacher)
    record = {"path": str(begun.path), "sha256": "0" * 64, "accuracy": None, "split": None}
    begun.set_state("interrupted", teachers=[record])
    with pytest.raises(UserError, match="cannot be its own teacher"):
        resume(begun, data=bar_data(), quiet=True)


def test_a_keras_model_in_memory_teaches_what_its_frozen_graph_answers():
    """A model of other makers is not folded; its weights are constants all the same."""
    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3)(x))
    model = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(x)))
    (teacher,) = load_teachers(model, "float32")
    images = bars(4)[0].astype(np.float32)
    answer = tf.function(lambda batch: teacher.network(batch))(tf.constant(images))
    np.testing.assert_allclose(answer, model(images, training=False), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_a_teacher_in_memory_is_named_again_to_resume(tmp_path):
    model = build(PLAIN, seed=5)
    (teacher,) = load_teachers(model, "float32")
    run = teach(tmp_path / "run", model, stop_after=1)
    assert run.info["teachers"] == [
        {"path": None, "sha256": teacher.record.sha256, "accuracy": None, "split": None}
    ]
    with pytest.raises(UserError, match="was in memory when the run began"):
        resume(run, data=bar_data(), quiet=True)
    assert resume(run, data=bar_data(), teacher=model, quiet=True).state == "finished"


def test_too_little_memory_for_both_says_what_to_lower():
    job = SimpleNamespace(architecture=TINY, batch=16, teachers=[SimpleNamespace(name="t.keras")])
    setup = SimpleNamespace(precision="float32", accumulate=1)
    whose = pytest.raises(MachineError, match=r"for tiny and its teacher t\.keras: batch 16")
    with whose as told, memory_errors_explained(job, setup):
        raise MemoryError
    for advice in ("--accumulate 2", "--set-recipe batch=8", "a smaller teacher"):
        assert advice in str(told.value)


REPLICAS = """
    import numpy as np, sys, tensorflow as tf
    from reszoo.model.build import build
    from reszoo.spec.optimizer import Distill
    from reszoo.training.distribution.strategy import device_setup
    from reszoo.training.fit_teachers import answers
    from reszoo.training.loop.distillation import Distillation
    from reszoo.training.loop.loop import Loop
    from reszoo.training.optimizers.optimizers import make_optimizer
    from reszoo.training.options import DistributionOptions
    from reszoo.training.teachers import load_teachers
    from tests.training.samples import SHORT, bars
    from tests.training.test_teachers import BARS, PLAIN

    images, labels = bars(48)
    source = tf.data.Dataset.from_tensor_slices((images, labels)).batch(8, drop_remainder=True)

    def trained(strategy, accumulate):
        teachers = [answers(teacher, BARS) for teacher in load_teachers(sys.argv[1], "float32")]
        with strategy.scope():
            model = build(PLAIN, seed=1)
            optimizer = make_optimizer(SHORT.optimizer, 0.05)
        loop = Loop(model, optimizer, SHORT.optimizer, batch=8, strategy=strategy,
                    accumulate=accumulate,
                    distillation=Distillation(teachers, Distill()))
        for batch in loop.distributed(source):
            loop.train(*batch)
        return model.weights, loop.results(loop.training_metrics)["loss"]

    one, loss = trained(tf.distribute.get_strategy(), 1)
    setup = device_setup(DistributionOptions("mirrored", "cpu:2"))
    two, same = trained(setup.strategy, 2)
    assert abs(loss - same) < 1e-4 * loss
    for ours, theirs in zip(one, two, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=2e-5, err_msg=ours.path)
"""


@pytest.mark.slow
def test_two_replicas_that_accumulate_learn_from_a_teacher_as_one(on_four_cpus, larger):
    on_four_cpus(REPLICAS, larger)
