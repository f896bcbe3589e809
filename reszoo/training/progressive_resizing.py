"""On images of which size does a network train in which epoch? Progressive resizing.

A network for images of another size is built on the variables of the first, so that there is one
set of weights, and nothing to carry over when the size changes or a run goes on.
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


def geometry_in(architecture: Architecture, recipe: Recipe, epoch: int) -> ImageFormat:
    """The image format of the training images in an epoch (from 0)."""
    image_format = training_format(architecture.input)
    begun = [side for share, side in recipe.sizes if share * recipe.epochs <= epoch + 1e-9]
    return replace(image_format, height=begun[-1], width=begun[-1]) if begun else image_format


def geometries(architecture: Architecture, recipe: Recipe) -> tuple[ImageFormat, ...]:
    """All geometries that training images have, in order."""
    epochs = range(recipe.epochs) if recipe.sizes else (0,)
    return tuple(dict.fromkeys(geometry_in(architecture, recipe, epoch) for epoch in epochs))


def require_any_size(architecture: Architecture, recipe: Recipe) -> None:
    """Refuses to train a network on several sizes whose weights fit one size only.

    Raises:
      UserError: such as a head that flattens its map, or a mean image.
    """
    own = _weights(plan(architecture))
    for image_format in geometries(architecture, recipe) if recipe.sizes else ():
        found = _weights(plan(at_size(architecture, image_format)))
        if other := [name for name, count in own.items() if found.get(name) != count]:
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
    """The networks of a training, one for each size of its images, made when they are needed.

    Args:
      architecture: what trains.
      recipe: says the sizes.
      model: for the architecture's own training size; it has the weights.
      build: makes the network for an image format on the weights of `model`.
    """

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
        """Of the training images in an epoch (from 0)."""
        return geometry_in(self._architecture, self._recipe, epoch)

    def network(self, epoch: int) -> keras.Model:
        """What they train in an epoch (from 0); its layers learn where those of the model do."""
        image_format = self.image_format(epoch)
        if image_format != self._latest[0]:
            own = image_format == training_format(self._architecture.input)
            self._latest = image_format, self._model if own else self._build(image_format)
        network = self._latest[1]
        for layer in network.layers if network is not self._model else ():
            if layer.weights:
                layer.trainable = self._model.get_layer(layer.name).trainable
        return network


def _weights(rows: Plan) -> dict[str, tuple[int, int]]:
    """By row: how many weights it has, trainable and others."""
    counts = {row.name: (row.parameters, row.other_parameters) for row in rows.rows}
    return {name: count for name, count in counts.items() if any(count)}
