"""Layers that int8 breaks are measured, named, and can stay in float."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from reszoo.data import ImageData
from reszoo.errors import GateError, UserError
from reszoo.exporting.export import export
from reszoo.exporting.keep_float import fewest
from reszoo.exporting.tflite_file import refuse_other_content
from reszoo.inference.trained import TrainedModel
from reszoo.model.build import build
from reszoo.model.copy_weights import copy_weights
from reszoo.spec import load_target
from reszoo.tflite.model_file import load_model_file
from reszoo.tflite.operators import float_operators
from tests.cli.conftest import call

from .test_reference_parity import integer_target

FINISHED = Path(__file__).parents[1] / "fixtures" / "v0_1" / "finished"
WRITER, READER = "stage2_block1_conv1", "stage2_block1_conv2"


@pytest.fixture
def outlier(nets: dict[str, TrainedModel]) -> TrainedModel:
    """A network that answers as before, with one channel a thousand times as large.

    The ReLU between the two layers passes a positive factor through, so that the second undoes it.
    In int8, the range of that channel leaves no steps to the others.
    """
    net = nets["residual"]
    model = build(net.spec)
    copy_weights(net.model, model)
    norm, reader = model.get_layer("stage2_block1_norm1"), model.get_layer(READER)
    for variable in (norm.gamma, norm.beta):
        values = variable.numpy()
        values[3] *= 1000
        variable.assign(values)
    kernel = reader.kernel.numpy()
    kernel[:, :, 3] /= 1000
    reader.kernel.assign(kernel)
    return TrainedModel(model, net.spec, net.classes, None)


def test_gate_names_the_costly_layers_and_what_helps(
    outlier: TrainedModel, data: ImageData, tmp_path: Path
) -> None:
    with pytest.raises(GateError) as refused:
        export(outlier, "mobile-int8", out=tmp_path / "bundle", data=data)
    # What the one writes and the other reads is broken; the others cost less than a hundredth.
    costly = refused.value.found.split("they move: ")[1]
    assert {words.split()[0] for words in costly.split(", ")} == {WRITER, READER}
    hint = refused.value.hint
    offers = [
        hint.index(word) for word in ("calibration.images", "--quantize int8", "--keep-float")
    ]
    assert offers == sorted(offers)
    report = (tmp_path / "bundle.parity.md").read_text()
    assert "## Sensitivity to int8 by layer" in report
    assert "3. keep the layers that need it in float with --keep-float auto" in report


def test_auto_keeps_the_broken_layers_in_float_and_no_others(
    outlier: TrainedModel, data: ImageData, tmp_path: Path
) -> None:
    bundle = export(outlier, "mobile-int8", out=tmp_path / "bundle", data=data, keep_float="auto")
    assert bundle.gate == "passed"
    layers = bundle.contract["files"]["tflite"]["float_layers"]
    assert layers == [
        WRITER,
        "stage2_block1_norm1",
        "stage2_block1_activation1",
        READER,
        "stage2_block1_norm2",
    ]
    assert f"Kept in float: {', '.join(layers)}." in bundle.report.read_text()
    assert json.loads((bundle.path / "parity.json").read_text())["float_layers"] == layers
    model = load_model_file(bundle.tflite)
    kept = [model.main.tensors[each.outputs[0]].name for each in float_operators(model.main)]
    assert len(kept) == 2
    target = load_target("mobile-int8")
    refuse_other_content(model, target, kept)
    for fewer in (kept[:1], kept[1:], ()):
        with pytest.raises(GateError) as refused:
            refuse_other_content(model, target, fewer)
        assert "in float" in refused.value.found


@pytest.mark.slow
def test_auto_keeps_nothing_where_int8_suffices(
    nets: dict[str, TrainedModel], data: ImageData, tmp_path: Path
) -> None:
    bundle = export(
        nets["residual"], "mobile-int8", out=tmp_path / "bundle", data=data, keep_float="auto"
    )
    assert "float_layers" not in bundle.contract["files"]["tflite"]
    assert float_operators(load_model_file(bundle.tflite).main) == []


@pytest.mark.parametrize(
    ("net", "layers"),
    [
        # The softmax has no layer of its own and goes with the logits.
        pytest.param("residual", "head_logits", marks=pytest.mark.slow),
        ("highway", "stem_conv,stage2_block1_transform_gate_conv"),
    ],
)
def test_named_layers_stay_in_float(
    nets: dict[str, TrainedModel], data: ImageData, tmp_path: Path, net: str, layers: str
) -> None:
    bundle = export(nets[net], "mobile-int8", out=tmp_path / "b", data=data, keep_float=layers)
    assert set(layers.split(",")) <= set(bundle.parity.float_layers)
    operators = float_operators(load_model_file(bundle.tflite).main)
    assert len(operators) == 2
    assert bundle.contract["files"]["tflite"]["inputs"][0]["dtype"] == "uint8"


def test_layers_that_cannot_stay_in_float_are_refused(
    nets: dict[str, TrainedModel], data: ImageData, tmp_path: Path
) -> None:
    def refusal(target: object, layers: str) -> UserError:
        with pytest.raises(UserError) as refused:
            export(nets["residual"], target, out=tmp_path / "b", data=data, keep_float=layers)
        return refused.value

    assert "head_logits" in refusal("mobile-int8", "head_logit").hint
    assert "reads the image" in refusal("mobile-int8", "normalize").what
    assert "not int8" in refusal("mobile-float32", "auto").what
    integer = refusal(integer_target(), "auto")
    assert "integers only" in integer.what and "--quantize int8" in integer.hint
    assert not any(tmp_path.iterdir())


def test_auto_says_where_int8_is_not_the_cause(
    nets: dict[str, TrainedModel],
    data: ImageData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from .test_export_gate import sabotaged

    monkeypatch.setattr(
        "reszoo.exporting.export.build_inference_graph",
        lambda trained: sabotaged(trained, "stage2_block1_conv1", -1),
    )
    with pytest.raises(GateError, match="even with all layers in float"):
        export(nets["residual"], "mobile-int8", out=tmp_path / "b", data=data, keep_float=["auto"])


@pytest.mark.parametrize(
    ("ordered", "needed"),
    [("abcdefgh", "a"), ("abcdefgh", "bd"), ("abcdefgh", "h"), ("abc", "abc"), ("a", "a")],
)
def test_fewest_keeps_what_is_needed_and_drops_the_rest(ordered: str, needed: str) -> None:
    tried = []

    def passes(items: Sequence[str]) -> bool:
        tried.append(tuple(items))
        return set(needed) <= set(items)

    assert fewest(ordered, passes) == list(needed)
    assert () not in tried


def test_fewest_is_none_where_all_do_not_suffice() -> None:
    assert fewest("abc", lambda items: False) is None


def test_a_misspelt_layer_is_refused_before_any_calibration(
    nets: dict[str, TrainedModel],
    data: ImageData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr("reszoo.exporting.export.calibration_images")
    names = ["head_logits", "stem_cnv"]
    with pytest.raises(UserError, match="has no layer stem_cnv") as refused:
        export(nets["residual"], "mobile-int8", out=tmp_path / "x", data=data, keep_float=names)
    assert "did you mean 'stem_conv'" in refused.value.hint


@pytest.mark.parametrize(
    ("target", "names", "hint"),
    [
        ("mobile-int8", "stage1_block1_cnv1", "did you mean 'stage1_block1_conv1'"),
        ("mobile-int8", "stem_conv,,", "write --keep-float auto"),
        ("mobile-float32", "auto", "leave out --keep-float"),
    ],
)
def test_words_of_keep_float_are_checked_before_tensorflow_starts(
    target: str, names: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("reszoo.cli.export.start_tensorflow")
    refused = call("export", FINISHED, "--target", target, "--keep-float", names)
    assert refused.code == 2 and hint in refused.err
