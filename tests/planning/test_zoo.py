"""Every spec of the zoo costs what was published and what the golden file says."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import pytest

from reszoo.planning.cost import cost
from reszoo.planning.golden import count_zoo, golden_file, known_cost
from reszoo.spec import family_of, load, names_of


def _gates(kernel: int, *widths: tuple[int, int]) -> int:
    """Weights and biases of one gate for each block of (input, output) channels."""
    return sum(kernel**2 * before * after + after for before, after in widths)


def _basic_stages(*depths: int) -> Iterable[tuple[int, int]]:
    """(input, output) channels of the blocks of ResNet-18 and -34."""
    for depth, width, before in zip(depths, (64, 128, 256, 512), (64, 64, 128, 256), strict=True):
        yield from [(before, width)] + [(width, width)] * (depth - 1)


# 54 blocks of ResNet-110 have a 1x1 gate each: 16 (16 + 1) weights and biases in stage 1
_GATES_OF_110 = 18 * 16 * 17 + 32 * 17 + 17 * 32 * 33 + 64 * 33 + 17 * 64 * 65
# shortcuts of bottlenecks: 64 to 256 channels and so on, the gates of stages 1 to 4
_GATES_OF_50 = (
    (64, 256), *[(256, 256)] * 2, (256, 512), *[(512, 512)] * 3,
    (512, 1024), *[(1024, 1024)] * 5, (1024, 2048), *[(2048, 2048)] * 2,
)  # fmt: skip

# a mean image of 32x32; Keras keeps a variance beside it, and a count
_MEAN_IMAGE = 2 * 32 * 32 * 3 + 1

# trainable weights, moving statistics, multiply-adds in millions; each from counting the reference
# implementation: torchvision and timm for ImageNet, the papers' layer tables for the others
PUBLISHED: dict[str, tuple[int, int | None, float | None]] = {
    "resnet18": (11_689_512, 9_600, 1_814),
    "resnet34": (21_797_672, 17_024, 3_664),
    "resnet50": (25_557_032, 53_120, 4_089),
    "resnet101": (44_549_160, 105_344, 7_801),
    "resnet152": (60_192_808, 151_424, 11_514),
    "resnet200": (64_673_832, None, 15_007),
    # options A and C of He 2015, Tables 2 and 3
    "plain18": (11_515_688, None, None),
    "plain34": (21_623_848, None, None),
    "resnet18_a": (11_515_688, None, None),
    "resnet34_a": (21_623_848, None, None),
    "resnet34_c": (22_716_840, None, None),
    # C, D, S and T stems
    "resnet50c": (25_576_264, 53_248, 4_329),
    "resnet50d": (25_576_264, 53_248, 4_329),
    "resnet50s": (25_680_808, 53_504, 5_444),
    "resnet50t": (25_573_728, 53_232, 4_297),
    "resnet18d": (11_708_744, 9_728, 2_054),
    "resnet34d": (21_816_904, 17_152, 3_903),
    "resnet26d": (16_014_408, 30_976, 2_582),
    "resnet101d": (44_568_392, 105_472, 8_041),
    "resnet152d": (60_212_040, 151_552, 11_753),
    "resnet200d": (64_693_064, 176_128, 15_247),
    "resnet10t": (5_435_488, 5_872, 699),
    "resnet14t": (10_081_632, 19_440, 1_068),
    # attention
    "seresnet18": (11_779_624, 9_600, 1_814),
    "seresnet34": (21_960_416, 17_024, 3_664),
    "seresnet50": (28_088_024, 53_120, 4_092),
    "seresnet101": (49_326_872, 105_344, 7_806),
    "seresnet152": (66_821_848, 151_424, 11_520),
    "seresnext50_32x4d": (27_559_896, 68_224, 4_233),
    "ecaresnet50d": (25_576_350, 53_248, 4_329),
    "ecaresnet101d": (44_568_563, 105_472, 8_041),
    # groups and width
    "resnext50_32x4d": (25_028_904, 68_224, 4_230),
    "resnext101_32x4d": (44_177_704, 137_856, 7_970),
    "resnext101_32x8d": (88_791_336, 202_880, 16_414),
    "resnext101_64x4d": (83_455_272, 202_880, 15_460),
    "wide_resnet50_2": (68_883_240, 68_224, 11_398),
    "wide_resnet101_2": (126_886_696, 137_856, 22_753),
    # anti-aliasing has no weights
    "resnetaa50": (25_557_032, 53_120, 5_130),
    "resnetblur50": (25_557_032, 53_120, 5_130),
    # ResNet-RS at the size it is trained with
    "resnetrs50": (35_691_912, 53_376, 2_279),
    "resnetrs101": (63_618_696, 105_600, 6_012),
    "resnetrs152": (86_621_576, 151_680, 15_528),
    "resnetrs200": (93_209_992, 176_256, 20_093),
    "resnetrs270": (129_861_448, 243_072, 26_950),
    "resnetrs350": (163_956_168, 312_192, 43_494),
    "resnetrs420": (191_891_656, 370_560, 63_942),
    # pre-activation, timm's layout; 200 layers by arithmetic: 7,680 weights of norms fewer
    "resnet50_v2": (25_549_352, 45_440, 4_089),
    "resnet101_v2": (44_541_480, 97_664, None),
    "resnet152_v2": (60_185_128, 143_744, None),
    "resnet200_v2": (64_673_832 - 7_680, 176_000 - 7_680, None),
    # keras.applications: biases on every convolution of v1, on three kinds of them in v2
    "resnet50_v1_keras": (25_583_592, 25_636_712 - 25_583_592, 3_858),
    "resnet101_v1_keras": (44_601_832, 44_707_176 - 44_601_832, 7_570),
    "resnet152_v1_keras": (60_268_520, 60_419_944 - 60_268_520, 11_282),
    "resnet50_v2_keras": (25_568_360, 25_613_800 - 25_568_360, 3_482),
    "resnet101_v2_keras": (44_577_896, 44_675_560 - 44_577_896, None),
    "resnet152_v2_keras": (60_236_904, 60_380_648 - 60_236_904, None),
    # twins: gates add their weights, a scaled block one number, stochastic depth nothing
    "highway18": (11_689_512 + _gates(3, *_basic_stages(2, 2, 2, 2)), 9_600, None),
    "highway34": (21_797_672 + _gates(3, *_basic_stages(3, 4, 6, 3)), 17_024, None),
    "highway50": (25_557_032 + _gates(1, *_GATES_OF_50), 53_120, None),
    "resnet18_scaled": (11_689_512 + 8, 9_600, 1_814),
    "resnet34_scaled": (21_797_672 + 16, 17_024, 3_664),
    "resnet50_scaled": (25_557_032 + 16, 53_120, 4_089),
    "resnet18_stochastic": (11_689_512, 9_600, 1_814),
    "resnet34_stochastic": (21_797_672, 17_024, 3_664),
    "resnet50_stochastic": (25_557_032, 53_120, 4_089),
    # CIFAR: He 2015, section 4.2, with shortcuts A, B and C
    "resnet8": (75_290, 480, 12.24),
    "resnet20": (269_722, 1_376, 40.55),
    "resnet32": (464_154, 2_272, 68.86),
    "resnet44": (658_586, 3_168, 97.17),
    "resnet56": (853_018, 4_064, 125.49),
    "resnet110": (1_727_962, 8_096, 252.89),
    "resnet1202": (19_421_274, 89_632, 2_829.2),
    "resnet8_b": (78_042, None, None),
    "resnet20_b": (272_474, None, None),
    "resnet32_b": (466_906, None, None),
    "resnet44_b": (661_338, None, None),
    "resnet56_b": (855_770, None, None),
    "resnet110_b": (1_730_714, None, None),
    "resnet1202_b": (19_424_026, None, None),
    "resnet8_c": (78_330, None, None),
    "resnet20_c": (283_962, None, None),
    "resnet32_c": (489_594, None, None),
    "resnet44_c": (695_226, None, None),
    "resnet56_c": (900_858, None, None),
    "resnet110_c": (1_826_202, None, None),
    "resnet1202_c": (20_538_714, None, None),
    "plain20": (269_722, 1_376, 40.55),
    "plain32": (464_154, 2_272, 68.86),
    "plain44": (658_586, 3_168, 97.17),
    "plain56": (853_018, 4_064, 125.49),
    "plain110": (1_727_962, 8_096, 252.89),
    "resnet18_cifar": (11_173_962, None, 555),
    "resnet34_cifar": (21_282_122, None, 1_159),
    "resnet9": (6_573_120, None, None),
    # He 2016: Table 1 on ResNet-110, Table 2 on 110 and 164, pre-activation
    "resnet110_half_shortcut": (1_727_962, 8_096, 252.89),
    "resnet110_half_both": (1_727_962, 8_096, 252.89),
    "resnet110_dropout_shortcut": (1_727_962, 8_096, 252.89),
    "resnet110_exclusive_gate_b6": (1_727_962 + _GATES_OF_110, 8_096, None),
    "resnet110_exclusive_gate_b7": (1_727_962 + _GATES_OF_110, 8_096, None),
    "resnet110_shortcut_gate_b0": (1_727_962 + _GATES_OF_110, 8_096, None),
    "resnet110_shortcut_gate_b6": (1_727_962 + _GATES_OF_110, 8_096, None),
    "resnet110_bn_after_add": (1_727_962, 8_096, 252.89),
    "resnet110_relu_before_add": (1_727_962, 8_096, 252.89),
    "resnet110_relu_only_pre": (1_727_962, 8_096, 252.89),
    "resnet110_v2": (1_727_962, 8_096, 252.89),
    "resnet110_stochastic": (1_727_962, 8_096, 252.89),
    "resnet1202_stochastic": (19_421_274, 89_632, 2_829.2),
    "resnet164": (1_704_154, None, None),
    "resnet164_bn_after_add": (1_704_154, None, None),
    "resnet164_relu_before_add": (1_704_154, None, None),
    "resnet164_relu_only_pre": (1_704_154, None, None),
    "resnet164_v2": (1_703_258, 24_224, 244.5),
    "resnet1001": (10_328_602, None, None),
    "resnet1001_v2": (10_327_706, 149_216, 1_487.8),
    # wide residual nets and ResNeXt
    "wrn16_2": (691_674, 1_824, 101),
    "wrn28_2": (1_467_610, 3_616, 214),
    "wrn40_2": (2_243_546, 5_408, 328),
    "wrn16_4": (2_748_890, 3_616, 393),
    "wrn40_4": (8_949_210, 10_784, 1_299),
    "wrn16_8": (10_961_370, 7_200, 1_548),
    "wrn22_8": (17_158_106, 10_784, 2_454),
    "wrn16_10": (17_116_634, 8_992, 2_412),
    "wrn28_10": (36_479_194, 17_952, 5_243),
    "wrn40_10": (55_841_754, 26_912, 8_074),
    "resnext29_1x64d": (4_914_250, None, None),
    "resnext29_8x64d": (34_426_698, None, None),
    "resnext29_16x64d": (68_155_210, None, None),
    # MLPerf Tiny
    "resnet8_mlperf": (78_186, 78_666 - 78_186, 12.501632),
    "resnet8_w40_mlperf": (481_530, 482_730 - 481_530, 76.47392),
    # highway
    "highway19_cifar10": (2_256_838, _MEAN_IMAGE, 330.8),
    "highway19_cifar100": (2_265_928, _MEAN_IMAGE, None),
    "highway10_w16_mnist": (38_986, 0, 8.03),
    "highway10_w32_mnist": (151_690, 0, 31.65),
    "highway_dense10_mnist": (85_660, 0, None),
    "highway_dense20_mnist": (136_660, 0, None),
    "highway_dense50_mnist": (289_660, 0, None),
    "highway_dense100_mnist": (544_660, 0, None),
    "plain_dense10_mnist": (102_463, 0, None),
    "plain_dense20_mnist": (153_583, 0, None),
    "plain_dense50_mnist": (306_943, 0, None),
    "plain_dense100_mnist": (562_543, 0, None),
}

# trainable weights with another number of classes
OTHER_CLASSES = {
    ("resnet50", 10): 23_528_522,
    ("resnet50d", 10): 23_547_754,
    ("resnext50_32x4d", 10): 23_000_394,
    ("seresnet50", 10): 26_059_514,
    ("wide_resnet50_2", 10): 66_854_730,
    ("resnet8", 100): 81_140,
    ("resnet20", 100): 275_572,
    ("resnet56", 100): 858_868,
    ("resnet110", 100): 1_733_812,
    ("resnet164_v2", 100): 1_726_388,
    ("resnet1001_v2", 100): 10_350_836,
    ("wrn16_2", 100): 703_284,
    ("wrn40_4", 100): 8_972_340,
    ("wrn16_8", 100): 11_007_540,
    ("wrn28_10", 100): 36_536_884,
    ("wrn40_10", 100): 55_899_444,
}

# nets that are a word away from one of the zoo: trainable weights and multiply-adds in millions
A_WORD_AWAY = {
    # He 2015 strides in the first 1x1 convolution
    ("resnet50", "block.stride_at=first"): (25_557_032, 3_858),
    ("resnet101", "block.stride_at=first"): (44_549_160, 7_570),
    ("resnet152", "block.stride_at=first"): (60_192_808, 11_282),
    ("seresnet50", "block.attention.bias=false"): (28_071_976, 4_092),
    # ECA as its authors released it: kernels 3, 5, 5, 7
    ("ecaresnet50d", "stages[0].attention={kind: eca, kernel: 3}"): (25_576_350 - 3 * 2, 4_329),
    ("resnetrs50", "input.shape=[224,224,3]"): (35_691_912, 4_454),
}


@cache
def zoo() -> Mapping[str, Mapping[str, Any]]:
    """The cost of every spec, counted once."""
    content = count_zoo()["specs"]
    assert isinstance(content, dict)
    return content


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_counts_are_met_exactly(name: str) -> None:
    parameters, statistics, millions = PUBLISHED[name]
    counted = zoo()[name]
    assert counted["parameters"] == parameters
    if statistics is not None:
        assert counted["other_parameters"] == statistics
    if millions is not None:
        digits = len(str(millions).partition(".")[2])
        assert round(counted["macs"] / 1e6, digits) == millions


@pytest.mark.parametrize(("name", "classes"), OTHER_CLASSES)
def test_published_counts_hold_for_other_classes(name: str, classes: int) -> None:
    counted = cost(load(name, [f"classes={classes}"]))
    assert counted.parameters == OTHER_CLASSES[name, classes]


@pytest.mark.parametrize("name", names_of("architecture"))
def test_a_spec_never_contradicts_the_numbers_it_publishes(name: str) -> None:
    published, counted = load(name).published, zoo()[name]
    if published and published.parameters:
        assert counted["parameters"] == published.parameters
    if published and published.macs:
        assert counted["macs"] == pytest.approx(published.macs, rel=1e-3)


def test_no_network_but_our_own_is_without_a_known_count() -> None:
    own = ("digits", "signals")
    others = [name for name in names_of("architecture") if family_of(name) not in own]
    assert sorted(PUBLISHED) == others


def test_the_golden_file_is_what_the_zoo_costs_now() -> None:
    """After a wanted change, run `python -m reszoo.planning.golden` and read the difference."""
    assert json.loads(golden_file().read_text(encoding="utf-8"))["specs"] == zoo()


def test_a_changed_spec_never_shows_an_old_number() -> None:
    spec = load("resnet20", ["stages[0].depth=5"])
    assert known_cost(spec) == cost(spec) != known_cost(load("resnet20"))


@pytest.mark.parametrize(
    "name", ["resnet50", "resnet20", "highway10_w16_mnist", "plain34", "resnet1001_v2", "resnet9"]
)
def test_depth_is_what_the_name_says(name: str) -> None:
    digits = "".join(letter for letter in name.split("_")[0] if letter.isdigit())
    assert zoo()[name]["depth"] == int(digits)


@pytest.mark.parametrize(("name", "override"), A_WORD_AWAY)
def test_published_counts_hold_a_word_away(name: str, override: str) -> None:
    counted = cost(load(name, [override]))
    assert (counted.parameters, round(counted.macs / 1e6)) == A_WORD_AWAY[name, override]


@pytest.mark.parametrize(("name", "biased"), [("resnet20", 270_410), ("resnet110", 1_732_010)])
def test_published_counts_hold_with_biases(name: str, biased: int) -> None:
    assert cost(load(name, ["block.bias=true", "stem.bias=true"])).parameters == biased
