"""Start of quantization-aware training: checks, and the fake-quantized network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reszoo.data.images.resizing import training_format
from reszoo.errors import UserError
from reszoo.inference.calibration import draw_images
from reszoo.inference.find_network import require_trained_start
from reszoo.inference.trained import at_size
from reszoo.model.build import build_canonical
from reszoo.model.quantized_model import is_fake_quantized, quantized_model
from reszoo.planning.network import plan
from reszoo.spec.recipe import Recipe
from reszoo.spec.target import Calibration
from reszoo.training.freezing import option_or_place
from reszoo.training.initial_weights import InitialWeights
from reszoo.training.job import TrainingJob
from reszoo.training.options import InitialWeightsOptions


def require_quantizable(
    recipe: Recipe, options: InitialWeightsOptions, initial_weights: InitialWeights | None
) -> None:
    """Refuses quantization without a trained network, and float training of a quantized one.

    Raises:
      UserError: see above.
    """
    if recipe.quantize:
        place = option_or_place(recipe, "quantize")
        require_trained_start(place, options.start, options.weights)
    if initial_weights and not recipe.quantize and is_fake_quantized(initial_weights.model):
        raise UserError(
            f"{initial_weights.source} was trained with --quantize, and cannot be trained in float",
            expected="a network with its normalisations",
            found="norms folded into the kernels, and int8 ranges",
            hint="add --quantize int8 to train it further, or start from the float run that it was "
            "trained from",
        )


def quantized_weights(
    initial_weights: InitialWeights, new_layers: Sequence[str], job: TrainingJob
) -> InitialWeights:
    """Returns the fake-quantized form of a trained network, as initial weights.

    The ranges are initialised on some training images; those of a network that is fake-quantized
    already are kept.

    Raises:
      UserError: a layer is new, or the weights do not fit the architecture.
    """
    if new_layers:
        raise UserError(
            "the last layer is new, since the classes differ, and cannot be quantized untrained",
            where=option_or_place(job.recipe, "quantize"),
            expected=f"data with the classes of {initial_weights.source}",
            found=f"{len(job.data.classes)} classes of {job.data.name}, and a new "
            f"{', '.join(new_layers)}",
            hint="fine-tune on these data without --quantize first, and start from that run",
        )
    if is_fake_quantized(initial_weights.model):
        return initial_weights
    image_format = training_format(job.architecture.input)
    rows = plan(at_size(job.architecture, image_format))
    trained = build_canonical(rows)
    initial_weights.copy_to(trained, ())
    images, _ = draw_images(job.train_split, image_format, Calibration().images, job.seed)
    return replace(initial_weights, model=quantized_model(trained, rows, images))
