"""Options that several commands share, and the types of their values."""

from __future__ import annotations

from argparse import Action, ArgumentParser, ArgumentTypeError, _ArgumentGroup
from collections.abc import Callable

Options = ArgumentParser | _ArgumentGroup
"""What options are added to: a parser, or a group of its help."""


def add_spec(parser: ArgumentParser, *, optional: bool = False) -> None:
    """Adds NAME|FILE and --set."""
    parser.add_argument(
        "spec",
        metavar="NAME|FILE",
        nargs="?" if optional else None,
        help="a network of the zoo, or a YAML file",
    )
    add_overrides(parser, "a field, such as stages[2].depth=23")


def add_overrides(
    parser: ArgumentParser, field: str, option: str = "--set", dest: str = "overrides"
) -> None:
    """Adds --set FIELD=VALUE, or an option like it, which may be repeated."""
    text = f"change {field}; may be repeated"
    parser.add_argument(
        option, action="append", default=[], metavar="FIELD=VALUE", dest=dest, help=text
    )


def add_target(parser: ArgumentParser) -> None:
    """Adds RUN|MODEL|TFLITE, a network that predicts."""
    parser.add_argument(
        "target",
        metavar="RUN|MODEL|TFLITE",
        help="a run folder, a .keras file, a bundle or its .tflite file",
    )


def add_network(parser: ArgumentParser) -> None:
    """Adds RUN|FILE.keras, a network that can be changed."""
    parser.add_argument(
        "target", metavar="RUN|FILE.keras", help="a run folder, or a .keras file saved by reszoo"
    )


def add_weights(parser: Options) -> None:
    """Adds --weights SOURCE."""
    parser.add_argument(
        "--weights",
        metavar="SOURCE",
        help="initial weights: keras:imagenet, timm:TAG (such as timm:resnet50.a1_in1k), or a .h5, "
        ".weights.h5, .keras or .safetensors file (default: random)",
    )


def add_teacher(parser: Options, text: str) -> None:
    """Adds --teacher, which may be repeated."""
    parser.add_argument("--teacher", action="append", metavar="RUN|MODEL", help=text)


def add_data(parser: Options, *, default: str | None, text: str = "") -> None:
    """Adds --data and --skip-bad-images."""
    help_text = text or f"digits, folder:PATH, csv:FILE or tfds:NAME (default: {default})"
    parser.add_argument("--data", default=default, help=help_text)
    parser.add_argument(
        "--skip-bad-images",
        action="store_true",
        help="skip and report unreadable images instead of refusing the folder",
    )


def add_fast(parser: ArgumentParser, action: str | type[Action], default: str) -> None:
    """Adds --fast."""
    parser.add_argument(
        "--fast",
        action=action,
        help="fold normalisations into convolutions, compute in bfloat16 where the CPU supports "
        f"it, and report the agreement with the original network (default: {default})",
    )


def add_views(parser: ArgumentParser, default: str) -> None:
    """Adds --views."""
    parser.add_argument(
        "--views",
        metavar="1|flip|5|10|airbench",
        help="average the predictions for several views of each image: the image and its mirror "
        "image (flip), 5 crops, these and their mirror images (10), or shifted and mirrored copies "
        f"(airbench) (default: {default})",
    )


def add_output(
    parser: ArgumentParser, metavar: str, text: str, kind: Callable[[str], str] = str
) -> None:
    """Adds -o, --out."""
    parser.add_argument("-o", "--out", metavar=metavar, type=kind, help=text)


def add_json(parser: Options) -> None:
    """Adds --json."""
    parser.add_argument("--json", action="store_true", help="print machine-readable output")


def value_name(action: Action) -> str:
    """Returns the name of an action's value in help: its metavar, or one made from its name."""
    return str(action.metavar or action.dest.upper())


def split_words(text: str) -> tuple[str, ...]:
    """Returns comma-separated words; an argparse type."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def keras_file(word: str) -> str:
    """Returns the name of a `.keras` file; an argparse type, so it fails before any work."""
    if not word.endswith(".keras"):
        raise ArgumentTypeError(f"expected a name that ends in .keras, found '{word}'")
    return word


def positive_int(word: str) -> int:
    """Returns an integer from 1; an argparse type."""
    if not word.isdecimal() or int(word) < 1:
        raise ArgumentTypeError(f"expected a whole number from 1, found '{word}'")
    return int(word)


def positive_ints(example: str) -> Callable[[str], tuple[int, ...]]:
    """Returns an argparse type for comma-separated positive integers."""

    def numbers(text: str) -> tuple[int, ...]:
        try:
            return tuple(positive_int(word.strip()) for word in text.split(","))
        except ArgumentTypeError as error:
            raise ArgumentTypeError(
                f"expected numbers such as {example}, found '{text}'"
            ) from error

    return numbers


def nonnegative_int(word: str) -> int:
    """Returns an integer from 0; an argparse type."""
    if not word.isdecimal():
        raise ArgumentTypeError(f"expected a whole number from 0, found '{word}'")
    return int(word)


def default_texts(shown: bool) -> Callable[[str], str]:
    """Returns a function that writes a default for help: ` (default: 2)`, or nothing."""
    return lambda text: f" (default: {text})" if shown else ""
