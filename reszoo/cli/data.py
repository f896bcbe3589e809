"""Describe a data set: splits, classes, image sizes, unusual and broken files."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from reszoo import spec
from reszoo.atomic_files import atomic_file
from reszoo.cli.early_checks import check_data
from reszoo.cli.options import add_json
from reszoo.cli.output import print_json, print_next
from reszoo.cli.start_tensorflow import start_tensorflow
from reszoo.errors import UserError
from reszoo.report.dataset_summary import dataset_text


def add_options(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("data", metavar="DATA", help="digits, folder:PATH, csv:FILE or tfds:NAME")
    add("--sheet", metavar="FILE.png", help="draw a contact sheet with some images of each class")
    add("--augment", metavar="RECIPE", help="draw images as this recipe augments them instead")
    add_json(parser)


def run(options: Namespace) -> None:
    if options.sheet and Path(options.sheet).suffix.lower() != ".png":
        raise UserError(
            f"cannot draw into {options.sheet}",
            expected="a file name that ends in .png",
            hint=f"--sheet {Path(options.sheet).with_suffix('.png')}",
        )
    if options.augment and not options.sheet:
        raise UserError(
            "--augment needs a file to draw into",
            expected="--sheet FILE.png",
            found="--augment alone",
            hint="--sheet augmented.png",
        )
    recipe = spec.load_recipe(options.augment) if options.augment else None
    check_data(options.data)
    start_tensorflow(debug=options.debug)
    from reszoo.data.open_data import open_data
    from reszoo.data.previews.augmentation_sheet import augmentation_sheet
    from reszoo.data.previews.contact_sheet import contact_sheet
    from reszoo.data.previews.describe import describe

    # Broken files are no reason to refuse here: this command is there to find them.
    data = open_data(options.data, skip_bad_images=True)
    description = describe(data)
    if options.json:
        print_json(description.to_dict())
    else:
        print(dataset_text(description))
    if options.sheet:
        split = "train" if "train" in data.splits else next(iter(data.splits))
        if recipe is None:
            sheet = contact_sheet(data, split)
        else:
            sheet = augmentation_sheet(data, split, recipe.augmentation)
        with atomic_file(options.sheet) as temporary:
            sheet.save(temporary, "PNG")
        if not options.json:
            print(f"\ndrew {options.sheet}")
    if not options.json:
        looked = ["list"] if options.sheet else [*options.command_line[1:], "--sheet", "sheet.png"]
        print_next(*looked)
