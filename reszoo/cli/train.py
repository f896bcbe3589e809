"""Train a network on images, from random or from trained weights, into a run folder.

Ctrl-C saves a checkpoint, from which `reszoo resume` continues.
"""

from __future__ import annotations

import dataclasses
from argparse import ArgumentParser, Namespace
from typing import TypeVar

from reszoo import spec
from reszoo.cli.distribution import add_distribution, add_precision, distribution_arguments
from reszoo.cli.early_checks import (
    check_data,
    check_devices,
    check_network,
    check_quantize,
    check_teachers,
    check_weights,
)
from reszoo.cli.options import (
    add_data,
    add_output,
    add_overrides,
    add_spec,
    add_teacher,
    add_weights,
    nonnegative_int,
    positive_int,
    split_words,
)
from reszoo.cli.start_tensorflow import start_tensorflow
from reszoo.cli.supervision import add_checkpointing, supervise_train
from reszoo.planning.network import plan
from reszoo.report.run_summary import run_text
from reszoo.runs.checkpoint_policy import CheckpointPolicy

Group = TypeVar("Group")
"""A dataclass of options that belong together."""


def add_options(parser: ArgumentParser) -> None:
    add_spec(parser, optional=True)
    add = parser.add_argument
    add(
        "--recipe",
        help="a recipe of the zoo, or a YAML file (default: by size and number of images)",
    )
    field = "a field of the recipe, such as schedule.peak=0.05"
    add_overrides(parser, field, "--set-recipe", "set_recipe")
    add("--epochs", type=positive_int, metavar="N", help="number of epochs (overrides the recipe)")
    add(
        "--patience",
        type=positive_int,
        metavar="N",
        help="end after N epochs without a better validation accuracy (default: the recipe's)",
    )
    add("--seed", type=nonnegative_int, default=0, help="random seed (default: 0)")
    add_output(parser, "RUN", "the run folder (default: runs/NETWORK-DATA-N)")
    _add_data_options(parser)
    _add_initial_weights(parser)
    add_teacher(
        parser.add_argument_group("distillation (docs/distillation.md)"),
        "a trained network with the classes of the data, whose outputs the network learns as well "
        "as the labels; may be repeated to average several",
    )
    add_checkpointing(parser)
    add_precision(add_distribution(parser))


def _add_data_options(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("data")
    add_data(group, default="digits")
    add = group.add_argument
    add("--classes", type=positive_int, metavar="N", help="refuse data without exactly N classes")
    add("--class-weights", choices=["balanced"], help="weight rare classes higher in the loss")
    add(
        "--enlarge-small-images",
        action="store_true",
        help="accept images smaller than the network's input, and enlarge them",
    )


def _add_initial_weights(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("initial weights (docs/fine_tuning.md)")
    add_weights(group)
    add = group.add_argument
    add(
        "--from",
        metavar="RUN|FILE.keras",
        dest="start",
        help="start from a trained network and its architecture, instead of NAME; the last layer "
        "is replaced if the classes differ",
    )
    add(
        "--freeze",
        type=split_words,
        default=(),
        metavar="GROUP,...",
        help="layer groups to freeze: backbone, stem, stage1, a range such as stem..stage2, or a "
        "block such as stage2.block3",
    )
    add(
        "--unfreeze-at",
        type=positive_int,
        metavar="EPOCH",
        help="epoch from which these groups are trained (default: never)",
    )
    add(
        "--quantize",
        choices=["int8"],
        help="quantization-aware training of the network of --from, with the recipe quantize "
        "unless --recipe names another (docs/quantize_training.md)",
    )


def run(options: Namespace) -> int | None:
    # Invalid input is reported before TensorFlow takes its seconds to start.
    architecture = None
    if options.spec is not None:
        architecture = spec.load(options.spec, options.overrides)
        if not options.weights:  # they may change the spec, such as its channels
            plan(architecture)
    if options.precision is not None:
        options.set_recipe = [*options.set_recipe, f"precision={options.precision}"]
    if options.patience is not None:
        options.set_recipe = [*options.set_recipe, f"early_stopping={options.patience}"]
    recipe = None
    if options.recipe is not None:
        recipe = spec.load_recipe(options.recipe, options.set_recipe)
    check_devices(options.devices)
    if options.supervise:  # its child checks the rest, and its errors end both
        return supervise_train(options, architecture.name if architecture else None)
    check_quantize(options.quantize, recipe, options.start, options.weights)
    check_data(options.data)
    check_weights(options.weights)
    if options.start is not None:
        check_network(options.start)
    check_teachers(options.teacher, options.out)
    start_tensorflow(debug=options.debug)
    from reszoo.training.options import DataOptions, DistributionOptions, InitialWeightsOptions
    from reszoo.training.start_training import start_training
    from reszoo.training.training_arguments import TrainingArguments

    arguments = TrainingArguments(
        architecture,
        options.recipe,
        data=_group_of(DataOptions, options),
        initial=_group_of(InitialWeightsOptions, options),
        distribution=DistributionOptions().changed(**distribution_arguments(options)),
        policy=CheckpointPolicy().changed(
            checkpoint_every=options.checkpoint_every, keep_checkpoints=options.keep_checkpoints
        ),
        teacher=options.teacher,
        epochs=options.epochs,
        seed=options.seed,
        out=options.out,
        overrides=options.overrides if architecture is None else (),
        recipe_overrides=options.set_recipe,
    )
    trained = start_training(arguments, command=options.command_line)
    print(run_text(trained))
    return None


def _group_of(kind: type[Group], options: Namespace) -> Group:
    """Returns the dataclass of options whose fields have the names of parsed arguments."""
    names = (field.name for field in dataclasses.fields(kind))  # type: ignore[arg-type]
    return kind(**{name: getattr(options, name) for name in names if hasattr(options, name)})
