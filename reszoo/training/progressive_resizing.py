"""Progressive resizing: the size of the training images grows over the epochs.

The networks for all sizes share one set of variables, so nothing is carried over when the size
changes or a run is resumed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import keras

from reszoo.data import ImageFormat
from reszoo.data.images.resizing import training_format
from reszoo.errors import UserError
from reszoo.inference.trained import at_size
from reszoo.planning.network import plan
from reszoo.planning.rows import Plan
from reszoo.spec.architecture import Architecture
from reszoo.spec.recipe import Recipe


def training_format_in(architecture: Architecture, recipe: Recipe, epoch: int) -> ImageFormat:
    """Returns the format of the training images in an epoch (from 0)."""
    image_format = training_format(architecture.input)
    sides = [side for share, side in recipe.sizes if share * recipe.epochs <= epoch + 1e-9]
    return replace(image_format, height=sides[-1], width=sides[-1]) if sides else image_format


def training_formats(architecture: Architecture, recipe: Recipe) -> tuple[ImageFormat, ...]:
    """Returns all formats of the training images, in order of their epochs."""
    epochs = range(recipe.epochs) if recipe.sizes else (0,)
    return tuple(dict.fromkeys(training_format_in(architecture, recipe, epoch) for epoch in epochs))


def require_any_size(architecture: Architecture, recipe: Recipe) -> None:
    """Refuses several sizes for a network whose weights fit one size only."""
    if not recipe.sizes:
        return
    counts = _weight_counts(plan(architecture))
    for image_format in training_formats(architecture, recipe):
        resized = _weight_counts(plan(at_size(architecture, image_format)))
        if other := [name for name, count in counts.items() if resized.get(name) != count]:
            raise UserError(
                f"{architecture.name} cannot train on images of several sizes: the weights of "
                f"{other[0]} fit one size only",
                where=recipe.where("sizes"),
                expected="convolutions and a head that pools (`head.pool: average`), no mean image",
                found=f"other weights at {image_format.height}x{image_format.width}: "
                f"{', '.join(other)}",
                hint="leave out `sizes`, or take a network that pools",
            )


class ProgressiveResizing:
    """The networks of a training, one for each size of its images, built on first use."""

    def __init__(
        self,
        architecture: Architecture,
        recipe: Recipe,
        model: keras.Model,
        build: Callable[[ImageFormat], keras.Model],
    ) -> None:
        self._architecture = architecture
        self._recipe = recipe
        self._model = model
        self._build = build
        self._latest = training_format(architecture.input), model

    def image_format(self, epoch: int) -> ImageFormat:
        """Returns the format of the training images in an epoch (from 0)."""
        return training_format_in(self._architecture, self._recipe, epoch)

    def network(self, epoch: int) -> keras.Model:
        """Returns the network of an epoch (from 0), trainable where the model is."""
        image_format = self.image_format(epoch)
        if image_format != self._latest[0]:
            own = image_format == training_format(self._architecture.input)
            self._latest = image_format, self._model if own else self._build(image_format)
        network = self._latest[1]
        if network is not self._model:
            for layer in network.layers:
                if layer.weights:
                    layer.trainable = self._model.get_layer(layer.name).trainable
        return network


def _weight_counts(network: Plan) -> dict[str, tuple[int, int]]:
    """Returns the numbers of trainable and other weights by row, where there are any."""
    counts = {row.name: (row.parameters, row.other_parameters) for row in network.rows}
    return {name: count for name, count in counts.items() if any(count)}
