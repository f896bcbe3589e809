"""Carrying out what an error says to do removes the error.

Each row is a fault, a part of the printed `do:`, and what a person does who follows it. In the
repaired text `{0}`, `{1}` are what the `do:` puts in quotes or backticks. The same command then
succeeds, or fails with another error further on.
"""

from __future__ import annotations

import re
import shlex
from typing import NamedTuple

import pytest

from tests.cli.conftest import TINY, call

RECIPE = """\
name: mine
epochs: 3
batch: 8
schedule: {kind: cosine, peak: 0.1}
"""
SEARCH = """\
name: mine
base: resnet8_digits
space:
  stages[*].depth: {choices: [1, 2]}
strategy: {kind: random, trials: 2, max_epochs: 1}
"""
TARGET = """\
name: mine
writes: [tflite]
quantization: int8
"""


class Fault(NamedTuple):
    """A fragment of a valid document that is replaced by a bad one, which is then repaired."""

    base: str
    good: str
    bad: str
    do: str
    repaired: str


STAGES = "stages:\n  - {depth: 1, width: 4}"
REPAIRED = "stages:\n  - {{depth: 1, width: 4}}"
COSINE = "kind: cosine, peak: 0.1"
END = "peak: 0.1}\n"
DOCUMENTS = [
    Fault(TINY, "residual", "residul", "did you mean", "{0}"),
    Fault(TINY, "transform: basic", "transform: basc", "did you mean", "transform: {0}"),
    Fault(TINY, "transform: basic", "transform: 3", "write text", "transform: basic"),
    Fault(TINY, "block: {", "block: {activation: swish, ", "write `", "block: {{{0}, "),
    Fault(TINY, "name: tiny", "name: tiny\nactivation: swish", "write `", "name: tiny\n{0}"),
    Fault(TINY, "name: tiny", "name: tiny\nactivation: ReLU6", "write `", "name: tiny\n{0}"),
    Fault(TINY, "classes: 10", "num_classes: 10", "in its place", "{0}"),
    Fault(TINY, "classes: 10", "classes: 0", "or more", "{0}"),
    Fault(TINY, "classes: 10", "classes: ten", "a whole number", "classes: 10"),
    Fault(TINY, "classes: 10", 'classes: "10"', "without quotes", "classes: 10"),
    Fault(TINY, "classes: 10", "classes:", "give a value", "classes: 10"),
    Fault(TINY, "classes: 10", "clases: 10", "did you mean", "{0}: 10"),
    Fault(TINY, "classes: 10", "", "add `classes:`", "{0} 10"),
    Fault(TINY, "name: tiny\n", "", "give the spec its own", "name: own\n"),
    Fault(TINY, "name: tiny", "name: ../esc", "write `", "{0}"),
    Fault(TINY, "name: tiny", "name: CON", "write `", "{0}"),
    Fault(TINY, "name: tiny", "name: 'a:b*c?'", "write `", "{0}"),
    Fault(TINY, "shape: [8, 8, 1]", "shape: 8", "write `", "{0}"),
    Fault(TINY, "shape: [8, 8, 1]", "shape: [8, 8]", "add the missing", "shape: [8, 8, 1]"),
    Fault(TINY, "shape: [8, 8, 1]", "input_shape: [8, 8, 1]", "in its place", "{0}"),
    Fault(TINY, "std: 128", "std: 0", "a number above 0", "std: 1"),
    Fault(TINY, "std: 128", "std: [1, 2, 3]", "one std per channel", "std: [1]"),
    Fault(TINY, "mean: 128", "mean: .nan", "a finite number", "mean: 0"),
    Fault(TINY, "std: 128}", "std: 128, sixteen_bit: [9, 3]}", "write `", "std: 128, {0}}}"),
    Fault(
        TINY,
        "mean: 128, std: 128",
        "contrast: global, std: 128",
        "write `",
        "contrast: global, {0}",
    ),
    Fault(
        TINY, "mean: 128, std: 128", "contrast: global, mean: 9", "write `", "contrast: global, {0}"
    ),
    Fault(
        TINY,
        "mean: 128, std: 128}",
        "mean: image, std: 1, test_size: 16}",
        "remove it",
        "mean: image, std: 1}}",
    ),
    Fault(TINY, "kernel: 3", "kernel: 0", "write `", "{0}"),
    Fault(TINY, "kernel: 3", "kernel: 1x3", "write `", "{0}"),
    Fault(TINY, "kernel: 3", "kernel: [3, 3, 1]", "write one number", "kernel: [1, 9]"),
    Fault(TINY, "kernel: 3", "kernel_size: 3", "in its place", "{0}"),
    Fault(TINY, "depth: 1", "depth: 0", "or more", "{0}"),
    Fault(TINY, "depth: 1", "depth: 1.5", "a whole number", "depth: 2"),
    Fault(TINY, "depth: 1", "blocks: 1", "in its place", "{0}"),
    Fault(TINY, "width: 4", "width: -4", "or more", "{0}"),
    Fault(TINY, "width: 4}", "width: 4, stride: 99}", "lower the stride", "width: 4, stride: 2}}"),
    Fault(
        TINY,
        "width: 4}",
        "width: 4, shortcut: none}",
        "choose one",
        "width: 4, shortcut: projection}}",
    ),
    Fault(TINY, STAGES, "stages: []", "until there is 1", REPAIRED),
    Fault(TINY, STAGES, "stages: {depth: 1}", "write a list", REPAIRED),
    Fault(TINY, "block: {", "block: {groups: 3, ", "change groups", "block: {{groups: 2, "),
    Fault(TINY, "block: {", "block: {transform_: conv, ", "remove it", "block: {{"),
    Fault(
        TINY,
        "connection: residual",
        "connection: residual, survival_probability: 2",
        "or less",
        "connection: residual, {0}",
    ),
    Fault(TINY, "classes: 10", "classes: 10\nclasses: 11", "keep one", "classes: 10"),
    Fault(TINY, "block: {t", "\tblock: {t", "two spaces", "block: {{t"),
    Fault(TINY, "width: 4}", "width: 4", "brackets", "width: 4}}"),
    Fault(TINY, "classes: 10", "classes: &x 10\nhead: *x", "write the value out", "classes: 10"),
    Fault(TINY, "classes: 10", "classes: !!int 10", "remove the tag", "classes: 10"),
    Fault(
        TINY, "classes: 10\n", "classes: 10\n---\nname: b\n", "a file of its own", "classes: 10\n"
    ),
    Fault(TINY, "classes: 10", "classes: 10\nx: {}", "remove the key", "classes: 10"),
    Fault(
        TINY,
        "name: tiny",
        "name: tiny\nextends: resent20",
        "did you mean",
        "name: tiny\nextends: {0}",
    ),
    Fault(
        TINY,
        "name: tiny",
        "name: tiny\nextends: qqqqqq",
        "reszoo list",
        "name: tiny\nextends: resnet20",
    ),
    Fault(
        TINY,
        "name: tiny",
        "name: tiny\nextends: ./bsae.yaml",
        "did you mean",
        "name: tiny\nextends: ./{0}",
    ),
    Fault(TINY, "tiny", "t\x01iny", "remove the character", "tiny"),
    Fault(RECIPE, "peak: 0.1", "lr: 0.1", "in its place", "{0}"),
    Fault(RECIPE, "peak: 0.1", "peak: -1", "a number above 0", "peak: 1"),
    Fault(RECIPE, "peak: 0.1", "peak: 0.1, final: 2", "or less", "peak: 0.1, {0}"),
    Fault(RECIPE, "peak: 0.1", "peak: 0.1, drops: [0.5]", "remove `drops`", "peak: 0.1"),
    Fault(RECIPE, "peak: 0.1", "peak: 0.1, warmup: 0.7, hold: 0.4", "and `", "peak: 0.1, {0}, {1}"),
    Fault(RECIPE, "epochs: 3", "epochs: 0", "or more", "{0}"),
    Fault(RECIPE, "epochs: 3", "num_epochs: 3", "in its place", "{0}"),
    Fault(RECIPE, "batch: 8", "batch_size: 8", "in its place", "{0}"),
    Fault(RECIPE, "batch: 8", "batch: 8.5", "a whole number", "batch: 8"),
    Fault(RECIPE, "kind: cosine", "kind: cos", "write `", "{0}"),
    Fault(RECIPE, "kind: cosine", "kind: step", "such as `", "kind: step, {0}"),
    Fault(
        RECIPE,
        COSINE,
        "kind: step, peak: 1, drops: [0.9, 0.5]",
        "write `",
        "kind: step, peak: 1, {0}",
    ),
    Fault(
        RECIPE, COSINE, "kind: exponential, peak: 1", "write `", "kind: exponential, peak: 1, {0}"
    ),
    Fault(
        RECIPE,
        COSINE,
        "kind: plateau, peak: 1, warmup: 0.1",
        "write `",
        "kind: plateau, peak: 1, {0}",
    ),
    Fault(
        RECIPE,
        COSINE + "}\n",
        "kind: plateau, peak: 1}\nvalidation: {fraction: 0}\n",
        "write `",
        "kind: plateau, peak: 1}}\n{0}\n",
    ),
    Fault(
        RECIPE,
        END,
        END + "optimizer: {kind: adamw, decay: coupled}\n",
        "for coupled decay",
        "peak: 0.1}}\noptimizer: {{{0}, decay: coupled}}\n",
    ),
    Fault(
        RECIPE,
        END,
        END + "optimizer: {kind: lamb, decay: coupled}\n",
        "remove `decay`",
        "peak: 0.1}}\noptimizer: {{kind: lamb}}\n",
    ),
    Fault(
        RECIPE,
        END,
        END + "optimizer: {kind: adm}\n",
        "did you mean",
        "peak: 0.1}}\noptimizer: {{kind: {0}}}\n",
    ),
    Fault(RECIPE, END, END + "optimizer: adamm\n", "did you mean", "peak: 0.1}}\noptimizer: {0}\n"),
    Fault(
        RECIPE,
        END,
        END + "loss: {kind: cross_entropy, threshold: 0.2}\n",
        "remove `threshold`",
        "peak: 0.1}}\nloss: {{{1}, threshold: 0.2}}\n",
    ),
    Fault(
        RECIPE,
        END,
        END + "distill: {temperature: 0}\n",
        "a number above 0",
        "peak: 0.1}}\ndistill: {{temperature: 1}}\n",
    ),
    Fault(
        RECIPE,
        END,
        END + "distill: {weight: 1.5}\n",
        "or less",
        "peak: 0.1}}\ndistill: {{{0}}}\n",
    ),
    Fault(
        RECIPE,
        END,
        END + "distill: {weight: 1}\nloss: binary_cross_entropy\n",
        "write `",
        "peak: 0.1}}\ndistill: {{weight: 1}}\n{0}\n",
    ),
    Fault(RECIPE, END, END + "loss: bce\n", "write `", "peak: 0.1}}\n{0}\n"),
    Fault(
        RECIPE,
        END,
        END + "label_smoothing: 1.5\n",
        "a number below 1",
        "peak: 0.1}}\nlabel_smoothing: 0.5\n",
    ),
    Fault(
        RECIPE,
        END,
        END + "augmentation: {flip: sideways}\n",
        "choose one",
        "peak: 0.1}}\naugmentation: {{flip: alternating}}\n",
    ),
    Fault(
        RECIPE,
        END,
        END + "augmentation: {resized_crop: {}, scale_jitter: {}}\n",
        "write `",
        "peak: 0.1}}\naugmentation: {{{0}, scale_jitter: {{}}}}\n",
    ),
    Fault(
        RECIPE,
        END,
        END + "augmentation: {randaugment: {}, trivial_augment: true}\n",
        "write `",
        "peak: 0.1}}\naugmentation: {{randaugment: {{}}, {1}}}\n",
    ),
    Fault(
        RECIPE,
        END,
        END + "augmentation: {resized_crop: {area: [0.9, 0.1]}}\n",
        "smaller number first",
        "peak: 0.1}}\naugmentation: {{resized_crop: {{area: [0.1, 0.9]}}}}\n",
    ),
    Fault(
        RECIPE,
        END,
        END + "sizes: [[0.5, 8]]\n",
        "begin with share 0",
        "peak: 0.1}}\nsizes: [[0, 8], [0.5, 16]]\n",
    ),
    Fault(
        RECIPE,
        END,
        END + "validation: {fraction: 2}\n",
        "or less",
        "peak: 0.1}}\nvalidation: {{{0}}}\n",
    ),
    Fault(RECIPE, END, END + "test_time: 7\n", "write `", "peak: 0.1}}\n{0}\n"),
    Fault(RECIPE, END, END + "precision: fp16\n", "write `", "peak: 0.1}}\n{0}\n"),
    Fault(RECIPE, END, END + "lr: 0.1\n", "remove it", "peak: 0.1}}\n"),
    Fault(SEARCH, "random", "randm", "did you mean", "{0}"),
    Fault(SEARCH, "choices: [1, 2]", "choices: []", "until there is 1", "choices: [1]"),
    Fault(
        SEARCH, "choices: [1, 2]", "choices: [1, 2], min: 1, max: 2", "keep one", "min: 1, max: 2"
    ),
    Fault(SEARCH, "choices: [1, 2]", "min: 1", "add `", "min: 1, {0} 2"),
    Fault(SEARCH, "choices: [1, 2]", "min: 4, max: 2", "write `", "{0}, {1}"),
    Fault(SEARCH, "choices: [1, 2]", "min: 1, max: 5000", "beside them", "min: 1, max: 5000, {0}"),
    Fault(SEARCH, "{choices: [1, 2]}", "{}", "write `{choices", "{{choices: [1, 2]}}"),
    Fault(SEARCH, "stages[*].depth", "stages[.depth", "joined by dots", "stages[0].depth"),
    Fault(SEARCH, "stages[*].depth", "stages[*].x[*]", "numbers in place", "stages[0].x[*]"),
    Fault(SEARCH, "trials: 2", "trials: 0", "or more", "{0}"),
    Fault(SEARCH, "trials: 2", "max_trials: 2", "in its place", "{0}"),
    Fault(
        SEARCH,
        "kind: random, trials: 2",
        "kind: hyperband, trials: 2",
        "remove `trials`",
        "kind: hyperband",
    ),
    Fault(SEARCH, "trials: 2", "trials: 2, factor: 3", "remove factor", "trials: 2"),
    Fault(SEARCH, "base: resnet8_digits", "model: resnet8_digits", "in its place", "{0}"),
    Fault(TARGET, "writes: [tflite]", "writes: [saved_model]", "write `", "{0}"),
    Fault(TARGET, "int8", "int4", "did you mean", "{0}"),
    Fault(TARGET, "quantization: int8", "output: uint8", "write `", "{0}"),
    Fault(TARGET, "quantization: int8", "quantisation: int8", "in its place", "{0}"),
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "base.yaml").write_text(TINY)
    (tmp_path / "tiny.yaml").write_text(TINY)
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def first_problem(err: str) -> tuple[str, str]:
    """Returns the first line of the first error, and its `do:`."""
    what = err.splitlines()[0] if err else ""
    hint = re.search(r"^  do:       (.*)$", err, re.MULTILINE)
    return re.sub(r" \(and \d+ more.*", "", what), hint[1] if hint else ""


def quoted(hint: str) -> list[str]:
    return [one or other for one, other in re.findall(r"`([^`]*)`|'([^']*)'", hint)]


def removed(first: str, result) -> None:
    assert result.code == 0 or first_problem(result.err)[0] != first, result.err


@pytest.mark.parametrize("row", DOCUMENTS, ids=[repr(row.bad[:50]) for row in DOCUMENTS])
def test_a_document_is_repaired_by_what_its_error_says(folder, row):
    assert row.good in row.base
    file = folder / "mine.yaml"
    file.write_text(row.base.replace(row.good, row.bad, 1))
    result = call("validate", file)
    what, hint = first_problem(result.err)
    assert (result.code, row.do in hint) == (2, True), result
    file.write_text(row.base.replace(row.good, row.repaired.format(*quoted(hint)), 1))
    removed(what, call("validate", file))


COMMANDS = [
    ("lst", "did you mean", "{0}"),
    ("list resent20", "did you mean", "list {0}"),
    ("list --family cifr", "did you mean", "list --family {0}"),
    ("list --family wrn resnet200d", "leave out --family", "list resnet200d"),
    ("list --recipes=3", "write --recipes alone", "list --recipes"),
    ("list resnet highway", "leave out highway", "list resnet"),
    ("list --recipes qqqq", "`", "{0}"),
    ("show", "write `", "{0}"),
    ("show resent20", "did you mean", "show {0}"),
    ("show nothere.yaml", "did you mean", "show {0}"),
    ("show tyni.yaml", "did you mean", "show {0}"),
    ("show resnet20 --plan --yaml", "leave out --yaml", "show resnet20 --plan"),
    ("show resnet20 --set classes=ten", "a whole number", "show resnet20 --set classes=10"),
    ("show resnet20 --set activation=swish", "write `", "show resnet20 --set {0}"),
    ("show resnet20 --set input.shape=96", "write `", "show resnet20 --set '{0}'"),
    ("show resnet20 --set num_classes=3", "write `", "show resnet20 --set {0}"),
    ("show resnet20 --diagram net.bmp", "write ", "show resnet20 --diagram net.svg"),
    ("completion basj", "did you mean", "completion {0}"),
    ("schema spec", "did you mean", "schema {0}"),
    ("schema recip", "did you mean", "schema {0}"),
    ("validate gone.yaml", "did you mean", "validate {0}"),
    ("validate photos", "name a file", "validate tiny.yaml"),
    ("train --lr 0.1 nosuchnet", "write `", "train {0} nosuchnet"),
    ("train --lr=0.1 nosuchnet", "write `", "train {0} nosuchnet"),
    ("train nosuchnet --batch 64", "write `", "train nosuchnet {0}"),
    ("train --batch 64 nosuchnet", "write `", "train {0} nosuchnet"),
    ("--batch 64 train nosuchnet", "write `", "train {0} nosuchnet"),
    ("train resnet20 --epochs 0", "from 1", "train nosuchnet --epochs 1"),
    ("train resnet20 --class-weights equal", "write `", "train nosuchnet {0}"),
    ("train", "`", "{0}"),
    (
        "train tiny.yaml --data nowhere:x",
        "write digits",
        "train tiny.yaml --data digits --devices x",
    ),
    (
        "train tiny.yaml --data photos",
        "write folder:photos",
        "train tiny.yaml --data folder:photos --devices x",
    ),
    (
        "train tiny.yaml --data folder:phtos",
        "did you mean",
        "train tiny.yaml --data folder:{0} --devices x",
    ),
    (
        "train tiny.yaml --weights w.h5",
        "take keras:imagenet",
        "train tiny.yaml --weights keras:imagenet --devices x",
    ),
    (
        "train tiny.yaml --devices x",
        "write cpu",
        "train tiny.yaml --devices cpu --checkpoint-every x",
    ),
    (
        "train tiny.yaml --checkpoint-every x",
        "such as 500",
        "train tiny.yaml --checkpoint-every 10min --data x",
    ),
    ("train tiny.yaml --quantize int8", "pass that run to --from", "train --from gone"),
    (
        "train tiny.yaml --recipe quantize",
        "pass that run to --from",
        "train --from gone --recipe quantize",
    ),
    ("train tiny.yaml --recipe shrt32", "did you mean", "train tiny.yaml --recipe {0} --data x"),
    ("data", "write `", "data x"),
    ("data dgits", "did you mean", "data {0} --sheet x"),
    ("data digits --sheet x.jpg", "--sheet x.png", "data nowhere:x --sheet x.png"),
    (
        "data digits --augment short32",
        "--sheet augmented.png",
        "data nowhere:x --augment short32 --sheet augmented.png",
    ),
    ("build tiny.yaml -o x.h5", "ends in .keras", "build nosuchnet -o x.keras"),
    ("build tiny.yaml --classes x", "from 1", "build nosuchnet --classes 3"),
    (
        "build tiny.yaml --weights gone.h5",
        "take keras:imagenet",
        "build nosuchnet --weights keras:imagenet",
    ),
    (
        "build tiny.yaml --weights timm:../x",
        "such as timm",
        "build nosuchnet --weights timm:resnet50.a1_in1k",
    ),
    ("evaluate", "write `", "evaluate x"),
    ("evaluate resnet20", "`reszoo train", "{0} --devices x"),
    ("evaluate photos", "name a folder that", "evaluate run"),
    ("evaluate x.tflite", "--data folder:PATH", "evaluate x.tflite --data folder:photos"),
    ("predict x.tflite a.png --top", "write `", "predict x.tflite a.png --top 3"),
    ("predict x.tflite a.png --json --csv", "leave out --csv", "predict x.tflite a.png --json"),
    ("predict x.tflite list.txt", "name the images", "predict x.tflite a.png"),
    ("predict x.tflite a.png --fast", "leave out --fast", "predict x.tflite a.png"),
    ("predict gone a.png", "`reszoo train` makes a run", "train nosuchnet"),
    ("train resnet8_digits --teacher gone", "`reszoo train` makes a run", "train nosuchnet"),
    ("export tiny", "write `", "export tiny --target server"),
    ("export gone --target srver", "did you mean", "export gone --target {0}"),
    ("export photos --target server", "name a folder that", "export run --target server"),
    ("inspect", "write `", "inspect x"),
    ("inspect gone.tflite", "write the path of what is there", "inspect photos"),
    ("inspect x.tflite --target mobil-int8", "did you mean", "inspect x --target {0}"),
    ("verify", "write `", "verify x"),
    ("runs missing", "`reszoo train`", "{0} --devices x"),
    ("runs --sort accurcy", "did you mean", "runs missing --sort {0}"),
    ("card", "write `", "card run"),
    ("card photos", "name a folder that", "card run"),
    ("report", "write `", "report run"),
    ("report missing", "`reszoo train`", "{0} --devices x"),
    ("report photos", "name a folder that", "report run"),
    ("benchmark", "write `", "benchmark x"),
    ("benchmark x.tflite --threads 0", "numbers such as 1,2", "benchmark gone --threads 1,2"),
    ("tune", "write `", "tune x"),
    ("tune digits_tny", "did you mean", "tune {0} --plan"),
    ("tune digits_tiny --trials 3", "write `", "tune digits_tiny {0} --plan"),
    ("tune digits_tiny --data dgits", "did you mean", "tune nosuch --data {0}"),
    ("resume gone", "`reszoo train` creates one", "train nosuchnet"),
    ("resume photos", "name a folder that", "resume run"),
    ("deepen gone --depths 3,x", "numbers such as 3,5,3", "deepen gone --depths 3,5,3"),
    ("deepen gone", "write `", "deepen gone --depths 3"),
    ("widen gone --factor 0", "from 1", "widen gone --factor 2"),
    ("widen photos", "name a folder that", "widen run"),
    ("study", "write `", "study gates"),
    ("study gate", "did you mean", "study {0}"),
    ("study gates", "write `", "{0}"),
    ("study gates photos", "name a folder that", "study gates run"),
    ("study gates a b", "write `", "{0}"),
    ("study flow resent20", "did you mean", "study flow {0} --data x"),
    ("study responses run --seed 1", "leave out --seed", "study responses run"),
    ("study lesion run --write a.h5", "ends in .keras", "study lesion run --write a.keras"),
    ("study deepen", "write `", "{0}"),
    ("study gating resnet20", "write `", "{0} --recipe x"),
    ("study degradation --base resent20", "did you mean", "study degradation --base {0} --data x"),
    (
        "study gating --base plain8",
        "did you mean 'plain8_digits'",
        "study gating --base {0} --data x",
    ),
    ("study boosting --jobs 2", "leave out --jobs", "study boosting --data x"),
    ("doctor --jsn", "`reszoo doctor --help`", "{0}"),
    ("help trian", "did you mean", "help {0}"),
    ("completion tcsh", "did you mean", "completion bash"),
    ("tune resnet20", "of the kind architecture: `", "{0} --epochs 0"),
    ("train resnet20 folder:nosuch", "write `--data", "train resnet20 {0}"),
]


@pytest.mark.parametrize(("words", "do", "repaired"), COMMANDS, ids=[row[0] for row in COMMANDS])
def test_a_command_is_repaired_by_what_its_error_says(folder, words, do, repaired):
    result = call(*shlex.split(words))
    what, hint = first_problem(result.err)
    assert (result.code, do in hint) == (2, True), result
    again = shlex.split(repaired.format(*quoted(hint)))
    removed(what, call(*(again[1:] if again[0] == "reszoo" else again)))


def test_there_are_a_hundred_rows_or_more_and_every_command_has_one():
    from reszoo.cli.program import COMMANDS as commands

    assert len(DOCUMENTS) + len(COMMANDS) >= 100
    named = {word for words, *_ in COMMANDS for word in words.split()}
    assert set(commands) - named == {"demo"}  # takes no word that could be wrong
