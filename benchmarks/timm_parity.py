"""Parity with timm: the same weights must give the same logits.

torch and TensorFlow run in separate processes: each network first runs in a Python that has timm,
which writes random weights, images and logits to a file, and then in this one, which reads it:

    python -m venv /tmp/timm
    /tmp/timm/bin/pip install torch==2.14.1 torchvision==0.29.1 timm==1.0.31
    python benchmarks/timm_parity.py --timm-python /tmp/timm/bin/python

Updates `results/timm_parity.json` beside this file and prints the table. `--nets NAME..` selects
networks. `--signatures NAME..`, run by timm's Python, prints timm's tensor names and parameter
counts, for the tests.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

NETS = (
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
    *("resnet10t", "resnet18d", "resnet50c", "resnet50s", "resnet50t", "resnet50d"),
    *("seresnet18", "seresnet50", "seresnext50_32x4d", "ecaresnet50d"),
    *("resnext50_32x4d", "wide_resnet50_2", "resnetaa50", "resnetblur50", "resnetrs50"),
    *("resnet50_v2", "resnet101_v2"),
)
SIZES = ((96, 64), (97, 75))
"""Heights and widths: one even, one odd, neither square, so that swapped axes are noticed."""
EVEN_ONLY = ("resnetaa50",)
"""Networks whose odd maps do not fit: timm's averaged strides round down, its projections up."""
IMAGES = 2
TOLERANCE = 1e-4
"""Largest difference of two logits, relative to the largest logit."""
RESULTS = Path(__file__).parent / "results" / "timm_parity.json"


def timm_model(net: str) -> str:
    """Returns timm's name of a network of the zoo."""
    return re.sub(r"resnet(\d+)_v2", r"resnetv2_\1", net)


# ---- in the Python that has timm -----------------------------------------------------------------


def import_timm() -> Any:
    """Imports timm, beside a torchvision that may be built for another torch.

    Such a torchvision has no operators, and fails where it describes two of them; timm needs none.
    They are defined only then: a torchvision that brings its own ends the process if they exist.
    """
    import torch

    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import timm

    return timm


def reference(net: str, file: Path) -> dict[str, Any]:
    """Writes weights, images and logits of timm's network to `file`."""
    timm = import_timm()
    import numpy as np
    import torch

    torch.manual_seed(0)
    model = timm.create_model(timm_model(net))
    randomize(model, torch)
    random = np.random.default_rng(0)
    arrays = {f"weight:{name}": tensor.numpy() for name, tensor in model.state_dict().items()}
    # those of the pretrained weights, which may differ from the spec's
    arrays |= {name: 255 * np.asarray(model.default_cfg[name]) for name in ("mean", "std")}
    mean, std = (torch.tensor(arrays[name]).reshape(1, 3, 1, 1) for name in ("mean", "std"))
    for height, width in SIZES[: 1 if net in EVEN_ONLY else None]:
        images = random.integers(0, 256, (IMAGES, height, width, 3), dtype=np.uint8)
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2)
        with torch.no_grad():
            logits = model(((pixels - mean) / std).float())
        arrays[f"images:{height}x{width}"] = images
        arrays[f"logits:{height}x{width}"] = logits.numpy()
    np.savez(file, **arrays)
    return {"timm": timm.__version__, "torch": torch.__version__}


def randomize(model: Any, torch: Any) -> None:
    """Sets random weights, and the moving statistics that they lead to."""
    norms = [module for module in model.modules() if hasattr(module, "running_var")]
    with torch.no_grad():
        for norm in norms:
            norm.weight.uniform_(0.5, 1.5)
            norm.bias.normal_(0, 0.2)
            norm.momentum = None  # a plain mean over the batches
        model.train()
        for _ in range(2):
            model(torch.randn(4, 3, 96, 96))
    model.eval()


def signature(net: str) -> dict[str, Any]:
    """Returns a digest of the names and shapes of timm's tensors, and the number of parameters."""
    timm = import_timm()
    import torch

    with torch.device("meta"):
        model = timm.create_model(timm_model(net))
    tensors = [
        f"{name} {tuple(tensor.shape)}"
        for name, tensor in model.state_dict().items()
        if not name.endswith("num_batches_tracked")
    ]
    return {
        "tensors": len(tensors),
        "digest": hashlib.sha256("\n".join(sorted(tensors)).encode()).hexdigest()[:16],
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }


# ---- in the Python that has reszoo ---------------------------------------------------------------


def compare(net: str, file: Path) -> dict[str, Any]:
    """Returns the relative difference between our logits and timm's, at each size."""
    import numpy as np

    import reszoo

    arrays = np.load(file)
    result: dict[str, Any] = {}
    for key in arrays.files:
        if not key.startswith("images:"):
            continue
        size = key.removeprefix("images:")
        height, width = size.split("x")
        spec = reszoo.load(
            net,
            [
                f"input.shape=[{height},{width},3]",
                *(f"input.{name}={arrays[name].tolist()}" for name in ("mean", "std")),
            ],
        )
        model = reszoo.build(spec)
        assign_weights(model, spec, arrays)
        ours = model(arrays[key]).numpy()
        theirs = arrays[f"logits:{size}"]
        result["parameters"] = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
        result[size] = float(np.abs(ours - theirs).max() / np.abs(theirs).max())
    return result


def assign_weights(model: Any, spec: Any, arrays: Mapping[str, Any]) -> None:
    """Assigns timm's tensors to our layers, and fails if one is left over."""
    from reszoo.model.importing.timm_names import COUNTER_SUFFIX, from_torch, timm_tensor_names
    from reszoo.planning.network import plan

    unused = {
        name for name in arrays if name.startswith("weight:") and not name.endswith(COUNTER_SUFFIX)
    }
    for row in plan(spec).rows:
        names = timm_tensor_names(row, spec)
        for weight in model.get_layer(row.name).weights if names else ():
            name = f"weight:{names[weight.name]}"
            weight.assign(from_torch(row, weight.name, arrays[name]))
            unused.remove(name)
    if unused:
        raise SystemExit(f"{spec.name}: unused tensors: {', '.join(sorted(unused))}")


# ---- both ----------------------------------------------------------------------------------------


def child(python: str, *arguments: str) -> Any:
    """Runs this script in another process and returns the JSON of its last line."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [python, __file__, *arguments], env=environment, stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        raise SystemExit(f"this failed: {' '.join(arguments)}")
    return json.loads(done.stdout.splitlines()[-1])


def run(nets: Sequence[str], timm_python: str) -> dict[str, Any]:
    """Compares every network, one process at a time."""
    known = json.loads(RESULTS.read_text(encoding="utf-8"))["nets"] if RESULTS.exists() else {}
    ours = {name: version(name) for name in ("tensorflow", "keras")}
    report = {"benchmark": "timm_parity", "tolerance": TOLERANCE, **ours, "nets": known}
    with tempfile.TemporaryDirectory() as folder:
        for net in nets:
            file = Path(folder) / f"{net}.npz"
            report.update(child(timm_python, "--reference", net, str(file)))
            report["nets"][net] = child(sys.executable, "--compare", net, str(file))
            file.unlink()
            print(line(net, report["nets"][net]), flush=True)
    return report


def line(net: str, result: Mapping[str, Any]) -> str:
    """Returns a network's line of the table."""
    errors = [result.get(f"{height}x{width}") for height, width in SIZES]
    words = ["-" if error is None else f"{error:.1e}" for error in errors]
    return f"| {net} | {result['parameters']:,} | {' | '.join(words)} |"


def main() -> None:
    """Compares; with --reference or --compare, does the part of one side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--timm-python", help="the Python that has torch and timm")
    parser.add_argument("--nets", nargs="+", default=NETS, metavar="NAME")
    parser.add_argument("--signatures", nargs="+", metavar="NAME")
    for side in ("--reference", "--compare"):
        parser.add_argument(side, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    sides: tuple[tuple[Any, Callable[[str, Path], Any]], ...] = (
        (options.reference, reference),
        (options.compare, compare),
    )
    for arguments, side_of in sides:
        if arguments:
            print(json.dumps(side_of(arguments[0], Path(arguments[1]))))
            return
    if options.signatures:
        print(json.dumps({net: signature(net) for net in options.signatures}, indent=1))
        return
    if not options.timm_python:
        parser.error("--timm-python is needed")
    report = run(options.nets, options.timm_python)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    errors = [value for net in report["nets"].values() for key, value in net.items() if "x" in key]
    if max(errors) > TOLERANCE:
        raise SystemExit(f"a network differs by {max(errors):.1e}, more than {TOLERANCE:.0e}")


if __name__ == "__main__":
    main()
