"""Claims about the files of a bundle, checked by opening and running each file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from reszoo.errors import UserError, first_line
from reszoo.exporting.bundle_inputs import BundleInputs
from reszoo.exporting.onnx_file import INPUT, OUTPUT, OnnxModel, onnx_runtime
from reszoo.exporting.verification import Claim, answer, equality
from reszoo.spec import from_mapping
from reszoo.stderr import quiet
from reszoo.tflite.arena import Arena, arena_of
from reszoo.tflite.contents import TFLiteModel
from reszoo.tflite.image_metadata import read_metadata
from reszoo.tflite.interpreter import TFLiteInterpreter
from reszoo.tflite.lifetimes import lower_bound
from reszoo.tflite.memory_plan import plannable_maps
from reszoo.tflite.model_file import load_model_file
from reszoo.tflite.trial_run import require_runnable
from reszoo.tflite.verdict import judge

_OWN_BYTES_TOLERANCE = 0.15
"""Relative, between an estimate and a measurement or two versions of TFLite-Micro."""


def tflite_claims(inputs: BundleInputs) -> Iterator[Claim]:
    """Yields the claims about the `.tflite`; it is run without TensorFlow."""
    entry, path = inputs.entry("tflite"), inputs.path("tflite")
    require_runnable(path)
    model, interpreter = load_model_file(path), TFLiteInterpreter(path)
    yield from _end_claims(entry, interpreter)
    yield _signature_claim(entry, interpreter)
    counts = Counter(operator.name for operator in model.main.operators)
    name = f"{path.name} operators"
    yield equality(
        name, dict(counts), entry["operators"], f"{counts.total()}, of {len(counts)} kinds"
    )
    yield _target_claim(model, inputs)
    yield from _arena_claims(model, entry)
    yield from _metadata_claims(model, inputs)
    for image, pixels, expected in inputs.examples("tflite"):
        probabilities = interpreter.probabilities(pixels[None])[0]
        yield answer(f"{path.name} answer", probabilities, expected, image)
    if vectors := inputs.contract["example"].get("vectors", {}).get("tflite"):
        yield from _vector_claims(inputs, vectors)


def _end_claims(entry: dict[str, Any], interpreter: TFLiteInterpreter) -> Iterator[Claim]:
    for name, [claimed], details in (
        ("input", entry["inputs"], interpreter.input),
        ("output", entry["outputs"], interpreter.output),
    ):
        scale, zero_point = details["quantization"]
        found = {
            "shape": [int(side) for side in details["shape"]],
            "dtype": details["dtype"].__name__,
            "scale": float(scale) or None,
            "zero_point": int(zero_point) if scale else None,
        }
        shape = "x".join(map(str, found["shape"]))
        text = f"{found['dtype']} {shape}" + (f", scale {scale:.6g}" if scale else "")
        yield equality(f"{entry['path']} {name}", found, {key: claimed[key] for key in found}, text)


def _signature_claim(entry: dict[str, Any], interpreter: TFLiteInterpreter) -> Claim:
    """Returns the claim about the names by which clients pass and read tensors."""
    claimed = tuple([tensor["name"] for tensor in entry[end]] for end in ("inputs", "outputs"))
    found = interpreter.signature(entry["signature"])
    name = f"{entry['path']} signature {entry['signature']}"
    return equality(name, found, claimed, f"{', '.join(claimed[0])} to {', '.join(claimed[1])}")


def _target_claim(model: TFLiteModel, inputs: BundleInputs) -> Claim:
    name = f"{inputs.entry('tflite')['path']} target"
    target = from_mapping(inputs.contract["target"], kind="target")
    problems = judge(model, target).texts
    words = "; ".join(problems) or f"meets the requirements of {target.name}"
    return Claim(name, not problems, words)


def _arena_claims(model: TFLiteModel, entry: dict[str, Any]) -> Iterator[Claim]:
    if (claimed := entry.get("arena")) is None:
        return
    name, arena, maps = f"{entry['path']} arena", arena_of(model), plannable_maps(model)
    if arena is None or maps is None:
        yield Claim(name, False, "its size is not known until the network runs")
        return
    yield equality(
        f"{name}: feature maps",
        arena.feature_map_bytes,
        claimed["feature_map_bytes"],
        f"{arena.feature_map_bytes:,} bytes",
    )
    if "lower_bound_bytes" in claimed:
        bound = lower_bound(maps, len(model.main.operators))
        claim = claimed["lower_bound_bytes"]
        yield equality(f"{name}: lower bound", bound, claim, f"{bound:,} bytes")
    yield _own_bytes_claim(f"{name}: own data", arena, claimed)
    total = claimed["feature_map_bytes"] + claimed["own_bytes"]
    yield equality(name, total, claimed["bytes"], f"{total:,} bytes in total")


def _own_bytes_claim(name: str, arena: Arena, claimed: dict[str, Any]) -> Claim:
    """Returns the claim about TFLite-Micro's own data, whose size varies between versions."""
    found, expected = arena.own_bytes, int(claimed["own_bytes"])
    if found == expected:
        return Claim(name, True, f"{found:,} bytes, {arena.source}")
    words = f"{found:,} bytes, {arena.source}; the contract says {expected:,}, {claimed['source']}"
    similar = abs(found - expected) <= _OWN_BYTES_TOLERANCE * expected
    return Claim(name, None if similar else False, words)


def _metadata_claims(model: TFLiteModel, inputs: BundleInputs) -> Iterator[Claim]:
    entry = inputs.entry("tflite")
    if "metadata" not in entry:
        return
    note = read_metadata(model)
    name = f"{entry['path']} metadata"
    if (note is not None) != entry["metadata"]:
        yield Claim(name, False, "the file has none" if note is None else "the file has some")
    elif note is not None:
        names = [" ".join(each.splitlines()) for each in inputs.contract["classes"]["names"]]
        labels = [list(tensor.labels) for tensor in note.outputs if tensor.labels is not None]
        held = labels == [names]
        words = f"{len(names)} labels" if held else "its labels are not the classes of the contract"
        yield Claim(name, held, words)


def _vector_claims(inputs: BundleInputs, vectors: dict[str, Any]) -> Iterator[Claim]:
    path, kernels = inputs.path("tflite"), vectors["kernels"]
    given, claimed = (inputs.tensor(vectors[key]) for key in ("input", "output"))
    if given is None or claimed is None:
        return
    name = f"{path.name} golden vector"
    try:
        found = TFLiteInterpreter(path, kernels=kernels).run(given)
    except ValueError as error:
        yield Claim(name, False, f"{vectors['input']} does not fit the input of the file: {error}")
        return
    if found.shape != claimed.shape or found.dtype != claimed.dtype:
        yield Claim(name, False, f"{vectors['output']} does not fit the output of the file")
        return
    steps = np.issubdtype(found.dtype, np.integer)
    difference = float(np.abs(found.astype(np.float64) - claimed).max())
    same_class = int(found.argmax()) == int(claimed.argmax())
    held = difference <= vectors["tolerance"] and same_class
    unit = "steps" if steps else "in probability"
    words = f"{difference:.2g} {unit} from {vectors['output']} with the {kernels} kernels"
    yield Claim(name, held, f"{words}; the limit is {vectors['tolerance']:.2g}")


def saved_model_claims(inputs: BundleInputs) -> Iterator[Claim]:
    """Yields the claims about the SavedModel; this imports TensorFlow."""
    entry, path = inputs.entry("saved_model"), inputs.path("saved_model")
    try:
        with quiet():
            from reszoo.exporting.saved_model import LoadedSavedModel
    except ImportError as error:
        yield Claim(path.name, None, f"TensorFlow cannot be imported: {first_line(error)}")
        return
    try:
        model = LoadedSavedModel(path)
    except Exception as error:  # TensorFlow raises Exception subclasses of many kinds
        raise UserError(
            f"{path} does not open as a SavedModel",
            found=first_line(error),
            hint="copy the bundle again, or export it again",
        ) from error
    yield from _signature_claims(path.name, model.signatures, entry["signatures"])
    for image, pixels, expected in inputs.examples("saved_model"):
        probabilities = model.probabilities(pixels[None])[0]
        yield answer(f"{path.name} answer", probabilities, expected, image)


def _signature_claims(name: str, found: dict[str, Any], claimed: dict[str, Any]) -> Iterator[Claim]:
    names = sorted(found)
    yield equality(f"{name} signatures", names, sorted(claimed), ", ".join(names))
    for signature in sorted(found.keys() & claimed.keys()):
        for end in ("inputs", "outputs"):
            tensors = {
                key: ([-1 if side is None else side for side in spec.shape], spec.dtype.name)
                for key, spec in found[signature][end].items()
            }
            expected = {
                key: (value["shape"], value["dtype"])
                for key, value in claimed[signature][end].items()
            }
            text = ", ".join(f"{key} {dtype} {shape}" for key, (shape, dtype) in tensors.items())
            yield equality(f"{name} {signature}: {end}", tensors, expected, text)


def onnx_claims(inputs: BundleInputs) -> Iterator[Claim]:
    """Yields the claims about the ONNX file; it is run by onnxruntime or onnx."""
    entry, path = inputs.entry("onnx"), inputs.path("onnx")
    if onnx_runtime() is None:
        yield Claim(path.name, None, "no runtime is installed (pip install onnxruntime)")
        return
    model = OnnxModel(path)
    for end, found in (("inputs", model.inputs), ("outputs", model.outputs)):
        claimed = {tensor["name"]: tensor["shape"] for tensor in entry[end]}
        text = ", ".join(f"{name} {shape}" for name, shape in found.items())
        yield equality(f"{path.name} {end}", found, claimed, text)
    if model.inputs.keys() != {INPUT} or OUTPUT not in model.outputs:
        return
    for image, pixels, expected in inputs.examples("onnx"):
        probabilities = model.probabilities(pixels[None])[0]
        yield answer(f"{path.name} answer", probabilities, expected, f"{image} in {model.runtime}")
