"""The options that several commands share, worded once."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable


def add_spec(parser: ArgumentParser, *, optional: bool = False) -> None:
    """NAME|FILE and --set."""
    parser.add_argument(
        "spec",
        metavar="NAME|FILE",
        nargs="?" if optional else None,
        help="a network of the zoo, or a YAML file",
    )
    add_overrides(parser, "stages[2].depth=23")


def add_overrides(parser: ArgumentParser, example: str) -> None:
    """--set FIELD=VALUE, as often as wanted."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        dest="overrides",
        help=f"change a field, such as {example}; may be given several times",
    )


def add_weights(parser: ArgumentParser) -> None:
    """--weights SOURCE."""
    parser.add_argument(
        "--weights",
        metavar="SOURCE",
        help="weights to start from: keras:imagenet, timm:TAG (such as timm:resnet50.a1_in1k), or "
        "a .h5, .weights.h5, .keras or .safetensors file",
    )


def add_data(parser: ArgumentParser, *, default: str | None, text: str = "") -> None:
    """--data D and what goes with reading images."""
    shown = text or f"digits, folder:PATH or tfds:NAME (default: {default})"
    parser.add_argument("--data", metavar="D", default=default, help=shown)
    add_skip_bad_images(parser)


def add_skip_bad_images(parser: ArgumentParser) -> None:
    """--skip-bad-images."""
    parser.add_argument(
        "--skip-bad-images",
        action="store_true",
        help="leave unreadable images out and report them, instead of refusing the folder",
    )


def add_views(parser: ArgumentParser, default: str) -> None:
    """--views WORD."""
    parser.add_argument(
        "--views",
        metavar="1|flip|5|10|airbench",
        help="average the answers to several views of each image: with its mirror image (flip), 5 "
        "crops, these and their mirror images (10), or shifted and mirrored (airbench); "
        f"default: {default}",
    )


def add_output(
    parser: ArgumentParser, metavar: str, text: str, kind: Callable[[str], str] = str
) -> None:
    """-o, --out."""
    parser.add_argument("-o", "--out", metavar=metavar, type=kind, help=text)


def add_json(parser: ArgumentParser) -> None:
    """--json."""
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def keras_file(word: str) -> str:
    """The name of a Keras model, as an argparse type: told before minutes are spent on one."""
    if not word.endswith(".keras"):
        raise ArgumentTypeError(f"expected a name that ends in .keras, found '{word}'")
    return word


def positive(word: str) -> int:
    """A whole number above 0, as an argparse type."""
    if (number := whole(word)) < 1:
        raise ArgumentTypeError(f"expected 1 or more, found {word}")
    return number


def whole(word: str) -> int:
    """A whole number from 0, as an argparse type."""
    if not word.isdecimal():
        raise ArgumentTypeError(f"expected a whole number from 0, found '{word}'")
    return int(word)
