"""How fast is a training step of ResNet-50 beside keras.applications.ResNet50 with `fit`?

Both train in mixed bfloat16 at 224 pixels on one constant batch, with SGD, Nesterov momentum, loss
and accuracy. Each lives in a process of its own with the same number of threads; they take turns,
and a round's two times are compared with each other, so that a busy machine slows both alike:

    python benchmarks/train_step.py --rounds 7 --steps 4 --threads 2

Prints a table and, last, one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

KINDS = ("reszoo", "keras.applications")


def main() -> None:
    """Measures and reports, or, told so by itself, is one of the two processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=4, help="steps in a round")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", default="mixed_bfloat16")
    parser.add_argument("--child", choices=KINDS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        serve(options)
    else:
        report(measure(options), options)


def measure(options: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds of each round, by kind."""
    children = {kind: start(kind) for kind in KINDS}
    seconds: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for _ in range(options.rounds):
        for kind, child in children.items():
            child.stdin.write("go\n")
            child.stdin.flush()
            seconds[kind].append(answer(child))
    for child in children.values():
        child.stdin.close()
        child.wait()
    return seconds


def start(kind: str) -> Any:
    """A child that has made its model and taken its first steps."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    child = subprocess.Popen(
        [sys.executable, *sys.argv, "--child", kind],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    answer(child)
    return child


def answer(child: Any) -> float:
    """The next number the child says."""
    line = child.stdout.readline()
    if not line:
        raise SystemExit(f"this failed: {' '.join(map(str, child.args))}")
    return float(line)


def serve(options: argparse.Namespace) -> None:
    """Takes steps whenever a line comes in, and answers with their seconds."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(options.threads)
    generator = tf.random.Generator.from_seed(0)
    shape = (options.batch, options.size, options.size, 3)
    images = generator.uniform(shape, maxval=255.0)
    labels = generator.uniform((options.batch,), maxval=1000, dtype=tf.int32)
    make = ours if options.child == "reszoo" else theirs
    steps = make(images, labels, options)
    steps(2)
    print(0.0, flush=True)
    for _ in sys.stdin:
        begin = time.perf_counter()
        steps(options.steps)
        print(time.perf_counter() - begin, flush=True)


def ours(images: Any, labels: Any, options: argparse.Namespace) -> Callable[[int], None]:
    """Steps of reszoo's own loop on its ResNet-50, built for the CPU."""
    import reszoo
    from reszoo.spec.optimization import Optimizer
    from reszoo.train.loop import Loop
    from reszoo.train.optimizer import make_optimizer

    size = f"[{options.size}, {options.size}, 3]"
    spec = reszoo.load("resnet50", [f"input.shape={size}"])
    model = reszoo.build(spec, dtype=options.precision, device="cpu", seed=0)
    recipe = Optimizer(kind="sgd", momentum=0.9, nesterov=True, weight_decay=0.0)
    loop = Loop(model, make_optimizer(recipe, 0.01), recipe, batch=options.batch)

    def steps(count: int) -> None:
        for _ in range(count):
            loop.train(images, labels)
        loop.results(loop.training_metrics)

    return steps


def theirs(images: Any, labels: Any, options: argparse.Namespace) -> Callable[[int], None]:
    """Steps of `fit` on keras.applications.ResNet50 under the same global policy."""
    import keras
    import tensorflow as tf

    keras.config.set_dtype_policy(options.precision)
    shape = (options.size, options.size, 3)
    model = keras.applications.ResNet50(weights=None, input_shape=shape)
    model.compile(
        optimizer=keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=False,
    )
    batches = tf.data.Dataset.from_tensors((images / 255.0, labels)).repeat()

    def steps(count: int) -> None:
        model.fit(batches, steps_per_epoch=count, epochs=1, verbose=0)

    return steps


def report(seconds: dict[str, list[float]], options: argparse.Namespace) -> None:
    """A table of medians, and the median of each round's ratio."""
    images = options.steps * options.batch
    speeds = {kind: images / statistics.median(rounds) for kind, rounds in seconds.items()}
    for kind, speed in speeds.items():
        print(f"{kind:20}{speed:8.2f} images/s")
    pairs = zip(seconds["reszoo"], seconds["keras.applications"], strict=True)
    ratio = statistics.median(their_time / our_time for our_time, their_time in pairs)
    print(f"{'paired ratio':20}{ratio:8.2f}")
    facts = {name: getattr(options, name) for name in ("batch", "size", "threads", "precision")}
    rounded = {kind: round(speed, 2) for kind, speed in speeds.items()}
    print(json.dumps({"benchmark": "train_step", **facts, **rounded, "ratio": round(ratio, 3)}))


if __name__ == "__main__":
    main()
