"""The rows of `all.py`: what each measures, by which command, and how its figures read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Peer:
    """Other software, which may not be installed, that a row is compared with."""

    name: str
    modules: tuple[str, ...]
    """What must be importable; in the Python of `--torch-python` if torch is among them."""
    figures: str
    side: str = ""
    """Added at the end of the row's command."""
    program: str = ""
    """What must be on the PATH."""


@dataclass(frozen=True)
class Row:
    """One row of the table."""

    name: str
    what: str
    goal: str
    command: str
    """A script of this folder and its options."""
    figures: str
    """A text for `str.format`, which gets the line of JSON that the script prints last."""
    peers: tuple[Peer, ...] = ()


def _times(side: str, name: str) -> str:
    """Returns the figure of a side of `turns.print_table`: how much longer it takes."""
    return (
        f"{{sides[{side}][time_ratio]:.2f}} times {name} (CPU {{sides[{side}][cpu_ratio]:.2f}}, "
        f"{{sides[{side}][minor_faults]:,.0f}} page faults a turn)"
    )


_SPEED = (
    "{sides[reszoo][images_per_second]:,.1f} images/s "
    "({sides[reszoo][minor_faults]:,.0f} page faults a turn); "
)
_TIMM = ("torch", "timm")
_PYTORCH = Peer("PyTorch", _TIMM, _times("torch", "PyTorch"), "torch")
_COMPILED = Peer(
    "torch.compile", _TIMM, _times("compile", "`torch.compile`"), "compile", program="c++"
)
_TORCHVISION = Peer(
    "torchvision",
    ("torch", "torchvision"),
    "{sides[torchvision][cpu_ratio]:.2f} times torchvision",
)
_CHROMIUM = Peer(
    "opening them in a browser",
    ("playwright",),
    "opened in {one[load_cpu_ms]:.0f} ms / {many[load_cpu_ms]:.0f} ms CPU",
    program="chromium",
)

_FIT = _times("fit", "`fit` on the same layers")
_APPLICATIONS = _times("applications", "keras.applications + `fit`")
_STOCK = _times("stock", "stock layers + `fit`")

COMMANDS = (
    Row(
        "commands",
        "`reszoo list` / `reszoo show resnet152`, warm",
        "0.35 s / 0.5 s",
        "cli_speed.py",
        "{commands[list][wall_s]:.2f} s / {commands[show resnet152][wall_s]:.2f} s",
    ),
    Row(
        "first-epoch",
        "`reszoo train resnet8_digits --epochs 1`, CPU time of the whole command",
        "7 s",
        "cli_speed.py 'train resnet8_digits --epochs 1'",
        "{commands[train resnet8_digits --epochs 1][cpu_s]:.1f} s",
    ),
    Row(
        "planning",
        "specs whose cost is computed per CPU second, CIFAR ResNet-20, one by one / with shared "
        "segments, as in a search",
        "1,500 in a search",
        "plan_speed.py",
        "{specs_per_cpu_second[resnet20]:,.0f} / "
        "{specs_per_cpu_second_with_shared_segments[resnet20]:,.0f}",
    ),
    Row(
        "build",
        "`reszoo build resnet152 -o x.keras`, time relative to keras.applications.ResNet152",
        "no slower",
        "build_speed.py --rounds 7",
        "{wall_ratio:.2f} times (CPU {cpu_ratio:.2f})",
    ),
    Row(
        "predict",
        "`reszoo predict` of 10,000 images of 48 px, CPU time of each further image",
        "1.0 ms",
        "scale.py --rows predict",
        "{rows[predict][cpu_ms_per_image]:.2f} ms",
    ),
    Row(
        "evaluate",
        "`reszoo evaluate --json`, 5,000 classes, 2,000 images, beyond ten classes",
        "1 CPU s, 200 MB, 2 MB of output",
        "scale.py --rows evaluate",
        "{rows[evaluate][cpu_s_beyond_ten_classes]:.1f} CPU s, "
        "{rows[evaluate][mb_beyond_ten_classes]:,.0f} MB, "
        "{rows[evaluate][output_mb]:.2f} MB of output",
    ),
    Row(
        "data",
        "`reszoo data`, first time, 10,000 images of 1 kB, CPU time of each further image",
        "0.4 ms",
        "scale.py --rows data",
        "{rows[data][cpu_ms_per_image]:.2f} ms",
    ),
    Row(
        "search-preview",
        "`reszoo tune --plan`, ten million candidates, CPU time",
        "10 s",
        "scale.py --rows plan",
        "{rows[plan][cpu_s]:.1f} s",
    ),
)

TRAINING = (
    Row(
        "train-resnet50",
        "ResNet-50 at 224, training in bfloat16, batch 16, images/s relative to others",
        "PyTorch 1.25, keras.applications 3",
        "train_step.py --net resnet50 --batch 16 --sides reszoo fit applications",
        f"{_SPEED}{_FIT}; {_APPLICATIONS}",
        (_PYTORCH,),
    ),
    Row(
        "train-resnet50-same",
        "the same with `padding=same`",
        "PyTorch 1.25, keras.applications 3",
        "train_step.py --net resnet50 --batch 16 --set padding=same --sides reszoo applications",
        f"{_SPEED}{_APPLICATIONS}",
        (_PYTORCH,),
    ),
    Row(
        "train-resnet50-32",
        "ResNet-50, batch 32",
        "PyTorch 1.25, keras.applications 3",
        "train_step.py --net resnet50 --batch 32 --sides reszoo applications",
        f"{_SPEED}{_APPLICATIONS}",
        (_PYTORCH,),
    ),
    Row(
        "train-resnet50-32-same",
        "ResNet-50, batch 32, `padding=same`",
        "PyTorch 1.25, keras.applications 3",
        "train_step.py --net resnet50 --batch 32 --set padding=same --sides reszoo applications",
        f"{_SPEED}{_APPLICATIONS}",
        (_PYTORCH,),
    ),
    Row(
        "train-resnet20",
        "ResNet-20, training in bfloat16, batch 128, images/s relative to others",
        "PyTorch 1.2, stock `fit` in float32 2.6",
        "train_step.py --net resnet20 --batch 128 --steps 16 --sides reszoo fit stock:float32",
        f"{_SPEED}{_FIT}; {_times('stock:float32', 'stock `fit` in float32')}",
        (_PYTORCH,),
    ),
    Row(
        "train-highway19",
        "highway-19 for CIFAR, training in bfloat16, batch 64, images/s relative to others",
        "stock layers 1.3",
        "train_step.py --net highway19_cifar10 --batch 64 --sides reszoo fit stock",
        f"{_SPEED}{_FIT}; {_STOCK}",
    ),
    Row(
        "train-highway19-float32",
        "the same in float32",
        "",
        "train_step.py --net highway19_cifar10 --batch 64 --precision float32 "
        "--sides reszoo fit stock",
        f"{_SPEED}{_FIT}; {_STOCK}",
    ),
    Row(
        "train-memory",
        "ResNet-152, batch 8, training in bfloat16, peak memory relative to keras.applications "
        "in float32",
        "0.75 times",
        "train_memory.py --net resnet152 --batch 8 --rounds 3 --sides reszoo applications:float32",
        "{ratios[reszoo]:.2f} times ({peak_mb[reszoo]:,} vs. {peak_mb[applications:float32]:,} MB)",
    ),
)

INFERENCE_AND_DATA = (
    Row(
        "inference",
        "ResNet-50, inference, batch 16, folded bfloat16, images/s relative to others",
        "PyTorch eager 3, `torch.compile` 1.1",
        "inference.py --rounds 9 --sides reszoo canonical applications",
        f"{_SPEED}{_times('applications', 'keras.applications in float32')}; "
        f"{_times('canonical', 'the network as it was saved')}",
        (_PYTORCH, _COMPILED),
    ),
    Row(
        "input-pipeline",
        "JPEGs of 500x375, random crop to 224, one core, images per CPU second relative to others",
        "decoding alone 0.88, a Pillow loop 2",
        "input_pipeline.py --rounds 7",
        "{sides[reszoo][images_per_cpu_second]:,.0f} images per CPU second; "
        "{sides[decode][cpu_ratio]:.2f} times decoding alone; "
        "{sides[pillow][cpu_ratio]:.2f} times a Pillow loop",
        (_TORCHVISION,),
    ),
    Row(
        "weights",
        "ResNet-152 from safetensors: seconds, and memory in addition to "
        "`import tensorflow, keras`",
        "20 s, 2.5 times the weights",
        "weights_import.py --rounds 5",
        "{programs[load_pretrained][wall_s]:.1f} s, "
        "{programs[load_pretrained][weights_above_import]:.2f} times the weights; "
        "with saving {programs[reszoo build -o][wall_s]:.1f} s, "
        "{programs[reszoo build -o][weights_above_import]:.2f} times",
    ),
)

EXPORT = (
    Row(
        "memory-plans",
        "arena of int8 networks with the memory plan, relative to TFLite-Micro's own planner",
        "ResNet-20 20 % less, 65,536 bytes; its highway twin 14 % less",
        "memory_plans.py resnet20 resnet20+highway resnet8_mlperf",
        "ResNet-20 {networks[resnet20][planned_arena]:,} vs. {networks[resnet20][arena]:,} bytes: "
        "{networks[resnet20][saved]:.1%} less; its twin "
        "{networks[resnet20+highway][planned_arena]:,} vs. "
        "{networks[resnet20+highway][arena]:,} bytes: {networks[resnet20+highway][saved]:.1%} "
        "less; MLPerf's ResNet-8 {networks[resnet8_mlperf][planned_arena]:,} bytes "
        "({networks[resnet20][source]})",
    ),
    Row(
        "memory-plans-all",
        "memory plan relative to the lower bound, networks of up to 20 layers and 96x96 pixels",
        "equal",
        "memory_plans.py --all",
        "equal on {at_bound} of {count} networks",
    ),
    Row(
        "latency-twin",
        "int8 on one core: ResNet-20's highway twin relative to it, 3x3 gates / 1x1 gates",
        "1.7 / 1.4",
        "export_latency.py --rows twin twin-1x1",
        "{ratios[twin][median]:.3f} ({ratios[twin][low]:.3f} to {ratios[twin][high]:.3f}) / "
        "{ratios[twin-1x1][median]:.3f} ({ratios[twin-1x1][low]:.3f} to "
        "{ratios[twin-1x1][high]:.3f})",
    ),
    Row(
        "latency-int8",
        "ResNet-50 at 224 on one core: float32 relative to int8",
        "6 with VNNI or AMX",
        "export_latency.py --rows int8 --images 20",
        "{ratios[int8][median]:.2f} ({ratios[int8][low]:.2f} to {ratios[int8][high]:.2f})",
    ),
    Row(
        "quantize",
        "quantization-aware training on digits, ResNet-8 / its highway twin: the int8 file "
        "answers as its fake-quantized network",
        "99.5 %",
        "quantize_training.py",
        "{networks[resnet8_digits][same_class]:.2%} / {networks[highway8_digits][same_class]:.2%};"
        " accuracy relative to post-training quantization "
        "{networks[resnet8_digits][aware]:.2%} vs. {networks[resnet8_digits][post_training]:.2%} / "
        "{networks[highway8_digits][aware]:.2%} vs. "
        "{networks[highway8_digits][post_training]:.2%}",
    ),
)

SEARCHES_AND_PAGES = (
    Row(
        "weighing",
        "candidates weighed per CPU second, `cifar10` and `digits`",
        "1,500",
        "tune_weighing.py --candidates 2000",
        "{candidates_per_cpu_second[cifar10]:,} and {candidates_per_cpu_second[digits]:,}",
    ),
    Row(
        "search-loop",
        "the loop of a search per trial, stub trainings, random / Hyperband; memory of the parent",
        "100 ms; flat within 50 MB",
        "tune_loop.py --strategy random hyperband",
        "{strategies[random][cpu_ms]:.0f} / {strategies[hyperband][cpu_ms]:.0f} CPU ms; "
        "{strategies[random][first_mb]:.0f} MB after the first training, "
        "{strategies[random][last_mb]:.0f} / {strategies[hyperband][last_mb]:.0f} MB after the "
        "last",
    ),
    Row(
        "search-workers",
        "a search of 8 trainings of 8 epochs on the digits, two processes of one core against one",
        "1.7 times",
        "tune_workers.py --rounds 1",
        "{ratio:.2f} times",
    ),
    Row(
        "pages",
        "`reszoo report` of one run / of 200 runs of 100 epochs",
        "3 s / 10 s, 6 MB",
        "report_pages.py",
        "{one[cpu_s]:.1f} s / {many[cpu_s]:.1f} s CPU, {many[mb]:.2f} MB",
        (_CHROMIUM,),
    ),
)

CLAIMS = (
    Row(
        "kill9",
        "supervised runs killed with `kill -9` at random moments, half of them while a checkpoint "
        "is written",
        "20 of 20 end bit-identical",
        "claims.py tests/training/test_train_kill9.py -k twenty",
        "20 of 20 ({passed} test)",
    ),
    Row(
        "replicas",
        "2 and 4 replicas, 2 processes, synchronised normalisation, float64: largest difference "
        "of a weight from one replica's",
        "1e-12",
        "claims.py tests/training/test_replicas.py tests/training/test_workers.py",
        "within 1e-12 ({passed} tests)",
    ),
)

ROWS = (
    *COMMANDS,
    *TRAINING,
    *INFERENCE_AND_DATA,
    *EXPORT,
    *SEARCHES_AND_PAGES,
    *CLAIMS,
)
