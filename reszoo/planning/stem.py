"""The stem: normalisation of the image, convolutions or dense layers, and a pool."""

from __future__ import annotations

from reszoo.errors import UserError
from reszoo.planning.builder import PlanBuilder, Scope
from reszoo.planning.pools import NONNEGATIVE, write_pool
from reszoo.planning.rows import Ref, Tags
from reszoo.spec.architecture import Architecture, Stem


def write_input(builder: PlanBuilder) -> Ref:
    """Adds the input and its normalisation."""
    config = builder.spec.input
    x = builder.add("image", "input", (), Tags("stem", "image"), {"shape": config.shape})
    if config.contrast.kind == "global":
        tags, contrast = Tags("stem", "contrast"), {"epsilon": config.contrast.epsilon}
        x = builder.add("contrast", "contrast", (x,), tags, contrast, "float32")
    if config.mean == "image":
        x = builder.add("mean_image", "mean_image", (x,), Tags("stem", "mean_image"), {}, "float32")
    mean = _per_channel(builder.spec, "mean", 0.0 if config.mean == "image" else config.mean)
    std = _per_channel(builder.spec, "std", config.std)
    if config.contrast.kind == "global":
        std = tuple(value / config.contrast.scale for value in std)
    if any(mean) or any(value != 1.0 for value in std):
        tags, normalization = Tags("stem", "normalize"), {"mean": mean, "std": std}
        x = builder.add("normalize", "normalize", (x,), tags, normalization, "float32")
    if config.dropout:
        tags, dropout = Tags("stem", "dropout"), {"rate": config.dropout, "each": "value"}
        x = builder.add("input_dropout", "dropout", (x,), tags, dropout)
    return x


def _per_channel(
    spec: Architecture, name: str, value: float | tuple[float, ...]
) -> tuple[float, ...]:
    channels = spec.input.shape[2]
    values = value if isinstance(value, tuple) else (value,) * channels
    if len(values) != channels:
        raise UserError(
            f"{spec.name}: input.{name} does not fit the input's channels",
            where=spec.where("input", name),
            expected=f"one number, or {channels}",
            found=f"{len(values)} numbers",
            hint=f"give one {name} per channel",
        )
    return tuple(float(number) for number in values)


def write_stem(scope: Scope, x: Ref) -> Ref:
    """Adds the convolutions or dense layers of the stem, and its pool."""
    stem = scope.spec.stem
    if stem.kind == "none":
        return x
    if stem.kind == "dense":
        return _dense_stem(scope, x, stem)
    x = _stem_convolutions(scope, x, stem)
    return write_pool(
        scope, x, stem.pool, role="stem", nonnegative=stem_activation(scope) in NONNEGATIVE
    )


def stem_activation(scope: Scope) -> str:
    """Activation after the last layer of the stem."""
    return scope.spec.stem.activation or scope.spec.activation


def _stem_convolutions(scope: Scope, x: Ref, stem: Stem) -> Ref:
    spec = scope.spec
    widths = stem.filters if isinstance(stem.filters, tuple) else (stem.filters,)
    for number, filters in enumerate(widths, start=1):
        last = number == len(widths)
        norm = stem.norm if last and stem.norm is not None else spec.norm
        suffix = "" if len(widths) == 1 else str(number)
        x = scope.conv(
            x,
            filters,
            stem.kernel,
            role="stem",
            part=f"conv{suffix}",
            stride=stem.stride if number == 1 else 1,
            bias=stem.bias
            if stem.bias is not None
            else norm.kind == "none" and spec.norm.kind == "none",
            padding=stem.padding,
            initializer=spec.initializers.stem,
        )
        x = scope.norm(x, norm, role="stem", part=f"norm{suffix}")
        activation = stem_activation(scope) if last else spec.activation
        x = scope.activation(x, activation, role="stem", part=f"activation{suffix}")
    return x


def _dense_stem(scope: Scope, x: Ref, stem: Stem) -> Ref:
    if len(scope.shape(x)) == 3:
        x = scope.add("flatten", x, role="stem", part="flatten")
    units = stem.filters if isinstance(stem.filters, tuple) else (stem.filters,)
    norm = stem.norm or scope.spec.norm
    for number, count in enumerate(units, start=1):
        suffix = "" if len(units) == 1 else str(number)
        bias = stem.bias if stem.bias is not None else norm.kind == "none"
        part, initializer = f"dense{suffix}", scope.spec.initializers.stem
        x = scope.dense(x, count, role="stem", part=part, bias=bias, initializer=initializer)
        x = scope.norm(x, norm, role="stem", part=f"norm{suffix}")
        x = scope.activation(x, stem_activation(scope), role="stem", part=f"activation{suffix}")
    return x
