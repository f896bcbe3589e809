"""What version 0.1 wrote still opens, verifies and goes on.

`fixtures/v0_1/make.py` made the files, on that version. Each test works on a copy.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

import reszoo
from reszoo.cli import main
from reszoo.runs import Run
from reszoo.system_info import machine, versions
from reszoo.training.checkpoint.checkpoints import Checkpoints

FIXTURES = Path(__file__).parent / "fixtures" / "v0_1"
NETWORKS = json.loads((FIXTURES / "logits.json").read_text(encoding="utf-8"))
TOLERANCE = 1e-5
# After two epochs that another processor trained: 1.4e-5 was measured on one core instead of two,
# 2.4e-5 without oneDNN. A lost momentum, or a data order one step off, moves them by 0.1.
OTHER_PROCESSOR = 1e-4

# Keras alone: importing reszoo fails.
KERAS_ALONE = """\
import sys
sys.modules["reszoo"] = None
import keras, numpy
model = keras.models.load_model(sys.argv[1])
images = numpy.random.default_rng(0).uniform(0, 255, (2, *model.input_shape[1:]))
numpy.save(sys.argv[2], model(images.astype("float32")).numpy())
"""


@pytest.fixture
def fixture_copy(tmp_path):
    """Copies a file or a folder of version 0.1 and returns where the copy is."""

    def copy(name: str) -> Path:
        source, target = FIXTURES / name, tmp_path / name
        if source.is_dir():
            return Path(shutil.copytree(source, target))
        return Path(shutil.copy(source, target))

    return copy


def metrics_of(run: Run) -> list[dict[str, float]]:
    """The numbers of metrics.jsonl, line by line."""
    return [
        {key: value for key, value in line.items() if not isinstance(value, str)}
        for line in run.metrics()
    ]


def weights_of(run: Run) -> dict[str, np.ndarray]:
    model = reszoo.load_model(run.model_path).model
    return {weight.path: weight.numpy() for weight in model.weights}


def same_machine(run: Run) -> bool:
    """Whether processor, cores and every library are those that the run was made with."""
    libraries = {key: value for key, value in run.info["versions"].items() if key != "reszoo"}
    here = machine()
    return libraries.items() <= versions().items() and all(
        run.info["machine"][key] == here[key] for key in ("processor", "cores")
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_opens_and_gives_its_logits(fixture_copy, name):
    loaded = reszoo.load_model(fixture_copy(f"{name}.keras"))
    assert loaded.spec is not None
    images = np.random.default_rng(0).uniform(0, 255, (2, *loaded.spec.input.shape))
    logits = loaded.model(images.astype(np.float32)).numpy()
    np.testing.assert_allclose(logits, NETWORKS[name]["logits"], rtol=0, atol=TOLERANCE)
    kinds = {layer.__class__.__name__ for layer in loaded.model.layers}
    assert kinds == set(NETWORKS[name]["layers"])
    # Its spec still means the network and the starting weights that it meant.
    anew = reszoo.build(loaded.spec, seed=3)(images.astype(np.float32)).numpy()
    np.testing.assert_allclose(anew, NETWORKS[name]["logits"], rtol=0, atol=TOLERANCE)
    stages = list(loaded.model.reszoo_plan.stages)
    assert list(reszoo.features(loaded.model, stages).output) == stages


def test_a_network_of_stock_layers_opens_where_reszoo_is_not_installed(fixture_copy, tmp_path):
    network = fixture_copy("stock.keras")
    logits = tmp_path / "logits.npy"
    words = [sys.executable, "-c", KERAS_ALONE, str(network), str(logits)]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    stored = NETWORKS["stock"]["logits"]
    np.testing.assert_allclose(np.load(logits), stored, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(("name", "epochs"), [("interrupted", 2), ("finished", 4)])
def test_a_run_opens(fixture_copy, name, epochs):
    run = Run.open(fixture_copy(name))
    assert (run.name, run.state, run.seed) == (name, name, 7)
    assert run.architecture().name == "resnet8_digits"
    assert (run.recipe().name, run.recipe().epochs) == ("short8", 4)
    assert run.data()["splits"] == {"train": 1437, "test": 360}
    lines = [line for line in run.metrics() if line["kind"] == "epoch"]
    assert [line["epoch"] for line in lines] == list(range(1, epochs + 1))
    assert [line["epoch"] for line in run.timing()] == list(range(1, epochs + 1))


def test_a_checkpoint_is_picked_by_its_step_and_passed_over_where_damaged(fixture_copy):
    """These are `*.state` files: a line of JSON before NumPy's `.npz`."""
    folder = fixture_copy("interrupted") / "checkpoints"
    names = ["best.state", "step-000000076.state", "step-000000097.state"]
    assert sorted(path.name for path in folder.iterdir()) == names
    newest = Checkpoints(folder).last()
    assert newest is not None
    assert (newest.facts["steps"], newest.facts["epoch"], newest.facts["step"]) == (97, 2, 21)
    assert newest.arrays["optimizer/0/optimizer/iteration"] == 97
    assert Checkpoints(folder).best().facts["epoch"] == 2

    damaged = folder / names[-1]
    damaged.write_bytes(damaged.read_bytes()[:-1])
    before = Checkpoints(folder).last()
    assert before is not None
    assert before.facts["steps"] == 76
    assert names[-1] in before.facts["damaged"][0]


def test_an_interrupted_run_ends_as_version_0_1_ended_it(fixture_copy):
    finished = Run.open(fixture_copy("finished"))
    run = reszoo.resume(fixture_copy("interrupted"), quiet=True)
    assert run.state == "finished"
    # It has checkpoints now that version 0.1 cannot read, so that version must refuse it.
    assert json.loads((run.path / "run.json").read_text())["format_version"] == 2
    assert [list(line) for line in run.metrics()] == [list(line) for line in finished.metrics()]
    for ours, theirs in zip(metrics_of(run), metrics_of(finished), strict=True):
        assert ours == pytest.approx(theirs, rel=0, abs=TOLERANCE)
    ours, theirs = weights_of(run), weights_of(finished)
    assert list(ours) == list(theirs)
    tolerance = OTHER_PROCESSOR
    if same_machine(finished):  # bit for bit
        tolerance = 0
        assert run.metrics() == finished.metrics()
    for path, weights in theirs.items():
        np.testing.assert_allclose(ours[path], weights, rtol=0, atol=tolerance, err_msg=path)


@pytest.mark.slow
def test_an_interrupted_run_goes_on_from_an_older_checkpoint_to_the_same_end(fixture_copy):
    """Kept beside the newest one for when that is damaged; here it stands between two epochs."""
    finished = Run.open(fixture_copy("finished"))
    interrupted = fixture_copy("interrupted")
    (interrupted / "checkpoints" / "step-000000097.state").write_bytes(b"")
    run = reszoo.resume(interrupted, quiet=True)
    for ours, theirs in zip(metrics_of(run), metrics_of(finished), strict=True):
        assert ours == pytest.approx(theirs, rel=0, abs=TOLERANCE)


def test_a_finished_run_evaluates_and_predicts_as_it_did(fixture_copy):
    run = Run.open(fixture_copy("finished"))
    evaluation = reszoo.evaluate(run)
    recorded = run.metrics()[-1]
    assert evaluation.accuracy == pytest.approx(run.info["test_accuracy"], abs=TOLERANCE)
    assert evaluation.interval == pytest.approx(run.info["test_interval95"], abs=TOLERANCE)
    assert evaluation.loss == pytest.approx(recorded["loss"], abs=TOLERANCE)
    assert evaluation.top5 == pytest.approx(recorded["top5"], abs=TOLERANCE)

    [prediction] = reszoo.predict(run, fixture_copy("bundle") / "golden.png", top=10)
    # The float32 SavedModel of the same run; its contract says what it answered.
    contract = json.loads((FIXTURES / "bundle" / "contract.json").read_text(encoding="utf-8"))
    expected = contract["example"]["expected"]["saved_model"]
    assert prediction.classes[0] == expected["class_name"]
    answers = dict(zip(prediction.classes, prediction.probabilities, strict=True))
    probabilities = [answers[name] for name in contract["classes"]["names"]]
    assert probabilities == pytest.approx(expected["probabilities"], abs=TOLERANCE)


def test_a_finished_run_exports(fixture_copy, tmp_path):
    bundle = reszoo.export(fixture_copy("finished"), target="mobile-int8", out=tmp_path / "new")
    assert bundle.gate == "passed"
    old = json.loads((FIXTURES / "bundle" / "contract.json").read_text(encoding="utf-8"))
    for contract in (bundle.contract, old):
        del contract["preprocessing"]["steps"]  # sentences for people
    # The shipped target has more fields now, and compares all images.
    assert old["target"]["gate"].pop("images") == 1000
    assert bundle.contract["target"]["gate"].pop("images") == "all"
    assert old["target"].items() <= bundle.contract["target"].items()
    for part in ("classes", "preprocessing"):
        assert bundle.contract[part] == old[part], part


def test_a_finished_run_goes_on_for_another_epoch(fixture_copy):
    run = Run.open(fixture_copy("finished"))
    before = run.metrics()[:4]
    run = reszoo.resume(run, epochs=5, quiet=True)
    assert (run.state, run.info["epochs"], run.recipe().epochs) == ("finished", 5, 5)
    assert run.metrics()[:4] == before
    epochs = [line["epoch"] for line in run.metrics() if line["kind"] == "epoch"]
    assert epochs == [1, 2, 3, 4, 5]
    assert run.metrics()[-1]["kind"] == "evaluation"


def test_a_bundle_answers_its_golden_example_as_its_contract_says(fixture_copy):
    """As a device reads it: contract, labels, image and the two files, without reszoo."""
    import tensorflow as tf

    bundle = fixture_copy("bundle")
    contract = json.loads((bundle / "contract.json").read_text(encoding="utf-8"))
    assert (contract["format"], contract["format_version"]) == ("reszoo contract", 1)
    labels = (bundle / contract["classes"]["file"]).read_text(encoding="utf-8").splitlines()
    assert labels == contract["classes"]["names"]
    example = contract["example"]
    pixels = np.asarray(Image.open(bundle / example["image"]))[None, ..., None]
    expected = example["expected"]

    interpreter = Interpreter(str(bundle / contract["files"]["tflite"]["path"]))
    runner = interpreter.get_signature_runner(contract["files"]["tflite"]["signature"])
    tflite = runner(image=pixels)["probabilities"][0]
    saved_model = tf.saved_model.load(str(bundle / contract["files"]["saved_model"]["path"]))
    served = saved_model.signatures["serving_uint8"](image=tf.constant(pixels))
    answers = {"tflite": tflite, "saved_model": served["probabilities"].numpy()[0]}
    assert set(answers) == set(expected)
    for name, probabilities in answers.items():
        np.testing.assert_allclose(
            probabilities,
            expected[name]["probabilities"],
            rtol=0,
            atol=expected[name]["tolerance"],
            err_msg=name,
        )
        assert labels[int(probabilities.argmax())] == expected[name]["class_name"]


def test_a_bundle_is_evaluated_and_predicts(fixture_copy):
    bundle = fixture_copy("bundle")
    contract = json.loads((bundle / "contract.json").read_text(encoding="utf-8"))
    parity = json.loads((bundle / "parity.json").read_text(encoding="utf-8"))
    expected = contract["example"]["expected"]["tflite"]
    with pytest.warns(UserWarning, match="version 1 and holds no hashes") as notes:
        [prediction] = reszoo.predict(bundle / "model.tflite", bundle / "golden.png", top=10)
    assert len(notes) == 1
    assert prediction.classes[0] == expected["class_name"]
    answers = dict(zip(prediction.classes, prediction.probabilities, strict=True))
    probabilities = [answers[name] for name in contract["classes"]["names"]]
    assert probabilities == pytest.approx(expected["probabilities"], abs=expected["tolerance"])

    with pytest.warns(UserWarning, match="version 1 and holds no hashes"):
        evaluation = reszoo.evaluate(bundle / "model.tflite", "digits", split="test")
    [recorded] = [one for one in parity["comparisons"] if one["file"] == "tflite"]
    assert evaluation.examples == recorded["images"] == 360
    # Other kernels than XNNPACK's on that machine may move an image or two across a border.
    assert evaluation.accuracy == pytest.approx(recorded["accuracy"], abs=2.5 / 360)


def test_a_bundle_of_version_1_is_used_with_one_note(fixture_copy, capsys):
    bundle = fixture_copy("bundle")
    assert main(["predict", str(bundle), str(bundle / "golden.png"), "--json"]) == 0
    out, err = capsys.readouterr()
    assert len(json.loads(out)) == 1
    assert err == (
        f"note: {bundle / 'contract.json'} is of version 1 and holds no hashes: "
        "model.tflite is used unchecked\n"
    )


def test_an_interrupted_search_goes_on_and_trains_only_what_is_missing(fixture_copy):
    folder = fixture_copy("search")
    log = (folder / "trials.jsonl").read_bytes()
    trained = {path: path.read_bytes() for path in folder.glob("trials/*/*.*")}
    assert len(log.splitlines()) == 2
    events = []
    result = reszoo.tune(folder / "search.yaml", "digits", out=folder, progress=events.append)
    assert [(event.kind, event.job.trial) for event in events] == [
        ("recalled", 1),
        ("recalled", 2),
        ("begins", 3),
        ("ends", 3),
    ]
    assert (folder / "trials.jsonl").read_bytes().startswith(log)
    assert all(path.read_bytes() == content for path, content in trained.items())
    assert sorted((trial.trial, trial.state) for trial in result.trials) == [
        (1, "finished"),
        (2, "finished"),
        (3, "finished"),
    ]
    assert result.planned == 3
    assert result.best == result.trials[0]
    assert result.best.val_accuracy == max(trial.val_accuracy for trial in result.trials)
    assert Run.open(folder / "trials" / "0003").state == "finished"
    assert reszoo.load(result.best_path) == result.spec
