from __future__ import annotations

import tensorflow as tf

from reszoo.training.train import train
from tests.data.conftest import class_folders


def test_a_training_is_the_same_when_a_service_decodes(tmp_path):
    for name, content in class_folders(count=8).items():
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    dispatcher = tf.data.experimental.service.DispatchServer()
    config = tf.data.experimental.service.WorkerConfig(dispatcher.target.split("://")[1])
    worker = tf.data.experimental.service.WorkerServer(config)
    runs = [
        train(
            "resnet8_digits",
            f"folder:{tmp_path / 'photos'}",
            "short_photo",
            overrides=["input.shape=[8,8,3]"],
            recipe_overrides=["batch=4", "validation.fraction=0", "precision=float32"],
            epochs=2,
            out=tmp_path / name,
            data_dir=tmp_path / "prepared",
            quiet=True,
            test=False,
            **where,
        )
        for name, where in (("here", {}), ("served", {"data_service": dispatcher.target}))
    ]
    here, served = (run.metrics() for run in runs)
    assert here == served
    assert runs[1].info["data_service"] == dispatcher.target
    del worker
