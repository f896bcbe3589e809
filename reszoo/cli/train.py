"""Train a network on images, with fresh weights or from trained ones. Everything goes into a run
folder; Ctrl-C leaves a state that `reszoo resume` goes on from."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from reszoo import spec
from reszoo.cli.options import add_data, add_output, add_spec, add_weights, positive, whole
from reszoo.cli.placement import add_placement, add_precision, where
from reszoo.cli.start_tensorflow import start_tensorflow
from reszoo.cli.supervision import add_running, supervise_train
from reszoo.planning.network import plan
from reszoo.report.run_summary import run_text


def add_options(parser: ArgumentParser) -> None:
    """NAME|FILE, --set, --data, --recipe and the rest."""
    add_spec(parser, optional=True)
    _add_start(parser)
    add_data(parser, default="digits")
    parser.add_argument(
        "--recipe",
        metavar="R",
        help="a recipe, or a YAML file (default: the one for the image size)",
    )
    parser.add_argument(
        "--set-recipe",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="change a field of the recipe, such as schedule.peak=0.05",
    )
    parser.add_argument("--epochs", type=positive, metavar="N", help="instead of the recipe's")
    parser.add_argument("--seed", type=whole, default=0, metavar="S", help="default: 0")
    parser.add_argument(
        "--classes", type=positive, metavar="N", help="refuse data with another number of classes"
    )
    parser.add_argument(
        "--class-weights", choices=["balanced"], help="weigh rare classes up in the loss"
    )
    parser.add_argument(
        "--enlarge-small-images",
        action="store_true",
        help="take images smaller than the network's input instead of refusing the data",
    )
    add_output(parser, "RUN", "the run folder (default: runs/NETWORK-DATA-N)")
    add_running(parser)
    add_precision(parser)
    add_placement(parser)


def _add_start(parser: ArgumentParser) -> None:
    """--weights, --from, --freeze, --unfreeze-at."""
    add_weights(parser)
    parser.add_argument(
        "--from",
        metavar="RUN|FILE.keras",
        dest="start",
        help="go on from a trained network instead of NAME, its architecture included; its last "
        "layer is new where the classes are others",
    )
    parser.add_argument(
        "--freeze",
        type=_words,
        default=(),
        metavar="PART,...",
        help="parts that keep their trained weights: backbone, stem, stage1, or stem..stage2",
    )
    parser.add_argument(
        "--unfreeze-at", type=positive, metavar="EPOCH", help="when frozen parts begin to learn"
    )


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def run(options: Namespace) -> int | None:
    """Trains."""
    # What is wrong with the words is said before TensorFlow takes its seconds to start.
    architecture = None
    if options.spec is not None:
        architecture = spec.load(options.spec, options.overrides)
        if not options.weights:  # they may change the spec, to one for grey images for one
            plan(architecture)
    if options.precision is not None:
        options.set_recipe = [*options.set_recipe, f"precision={options.precision}"]
    if options.recipe is not None:
        spec.load_recipe(options.recipe, options.set_recipe)
    if options.supervise:
        return supervise_train(options, architecture.name if architecture else None)
    start_tensorflow(debug=options.debug)
    from reszoo.training.train import train

    trained = train(
        architecture,
        options.data,
        options.recipe,
        start=options.start,
        weights=options.weights,
        freeze=options.freeze,
        unfreeze_at=options.unfreeze_at,
        overrides=options.overrides if architecture is None else (),
        epochs=options.epochs,
        seed=options.seed,
        out=options.out,
        recipe_overrides=options.set_recipe,
        classes=options.classes,
        class_weights=options.class_weights,
        skip_bad_images=options.skip_bad_images,
        enlarge_small_images=options.enlarge_small_images,
        checkpoint_every=options.checkpoint_every,
        keep_checkpoints=options.keep_checkpoints,
        command=options.command_line,
        **where(options),
    )
    print(run_text(trained))
    return None
