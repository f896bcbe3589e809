"""Models built for a device, saved as their canonical counterpart.

Keras saves a model layer by layer, by class: a file of fused layers would open only where the same
version of reszoo is installed. A `DeviceModel` therefore reads and writes files through a canonical
model with the same weights, also for Keras's own callbacks (ModelCheckpoint, BackupAndRestore).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from reszoo.model.copy_weights import copy_weights


@keras.saving.register_keras_serializable("reszoo")
class DeviceModel(keras.Model):
    """A model built for a device; `canonical_factory` builds its counterpart in stock layers."""

    canonical_factory: Callable[[], keras.Model] | None = None

    def save(self, filepath: Any, *args: Any, **options: Any) -> None:
        """Saves as `keras.Model.save` does, to a file that stock Keras opens."""
        keras.Model.save(self._canonical_copy(), filepath, *args, **options)

    def save_weights(self, filepath: Any, *args: Any, **options: Any) -> None:
        """Saves as `keras.Model.save_weights` does, for the canonical model."""
        keras.Model.save_weights(self._canonical_copy(), filepath, *args, **options)

    def load_weights(self, filepath: Any, *args: Any, **options: Any) -> None:
        """Loads as `keras.Model.load_weights` does, from a file of the canonical model."""
        canonical = self._canonical_copy()
        keras.Model.load_weights(canonical, filepath, *args, **options)
        if canonical is not self:
            copy_weights(canonical, self)
            _copy_optimizer(canonical, self)

    def _canonical_copy(self) -> keras.Model:
        """Returns a canonical model with these weights, compiled alike; without factory, itself."""
        if self.canonical_factory is None:
            return self
        canonical = self.canonical_factory()
        copy_weights(self, canonical)
        if self.compiled:
            _compile_like(self, canonical)
        return canonical


def _compile_like(source: keras.Model, target: keras.Model) -> None:
    try:
        target.compile_from_config(source.get_compile_config())
    except (TypeError, ValueError):
        # Keras cannot deserialize a loss or metric of the user's own, here or when it opens the
        # file, which therefore holds the network alone.
        return
    _copy_optimizer(source, target)


def _copy_optimizer(source: keras.Model, target: keras.Model) -> None:
    """Copies the optimizer's variables; both models have their weights in the same order."""
    if not (source.compiled and target.compiled):
        return
    source.optimizer.build(source.trainable_variables)
    target.optimizer.build(target.trainable_variables)
    for old, new in zip(source.optimizer.variables, target.optimizer.variables, strict=True):
        new.assign(old.value)
