"""The SavedModel opens and answers where there is no Keras."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from reszoo.export import Bundle
from reszoo.train.loading import Trained

from .conftest import NETS, TEST, digits

# Runs in a process of its own, with the folder and the images' file as arguments.
CLIENT = """
import sys
sys.modules["keras"] = None
sys.modules["reszoo"] = None
import numpy as np
import tensorflow as tf

folder, pictures, answers = sys.argv[1:]
images = np.load(pictures)
model = tf.saved_model.load(folder)
found = {}
for dtype, name in (("uint8", "serving_uint8"), ("float32", "serving_default")):
    for batch in (1, 5):
        outputs = model.signatures[name](image=tf.constant(images[:batch].astype(dtype)))
        for key, value in outputs.items():
            found[f"{dtype} {batch} {key}"] = value.numpy()
np.savez(answers, **found)
"""


@pytest.mark.parametrize("net", NETS)
def test_saved_model_says_what_keras_says_without_keras(
    bundle_of: Callable[[str, str], Bundle], nets: dict[str, Trained], tmp_path: Path, net: str
) -> None:
    images = digits()[0][TEST][:5]
    np.save(tmp_path / "images.npy", images)
    folder = bundle_of(net, "server").saved_model
    arguments = [str(folder), str(tmp_path / "images.npy"), str(tmp_path / "answers.npz")]
    subprocess.run([sys.executable, "-c", CLIENT, *arguments], check=True, capture_output=True)
    answers = np.load(tmp_path / "answers.npz")

    logits = np.asarray(nets[net].model(images))
    probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    for dtype in ("uint8", "float32"):
        for batch in (1, 5):
            case = f"{dtype} {batch}"
            np.testing.assert_allclose(answers[f"{case} logits"], logits[:batch], atol=1e-4)
            np.testing.assert_allclose(
                answers[f"{case} probabilities"], probabilities[:batch], atol=1e-6
            )
            np.testing.assert_array_equal(answers[f"{case} class"], logits[:batch].argmax(-1))
    np.testing.assert_array_equal(answers["uint8 5 logits"], answers["float32 5 logits"])
