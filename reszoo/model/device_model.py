"""How does a network of fast layers save itself? As the canonical one, whoever asks it to.

Keras writes a model layer by layer, by class: a file of fast layers would open only where reszoo
is, in the same build. So what writes and reads files here is a canonical twin with the same
weights, also for Keras's own callbacks (ModelCheckpoint, BackupAndRestore), which know nothing of
it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from reszoo.model.copy_weights import copy_weights


@keras.saving.register_keras_serializable("reszoo")
class DeviceModel(keras.Model):
    """A network built for a device; `canonical` makes its twin, without weights."""

    canonical: Callable[[], keras.Model] | None = None

    def save(self, filepath: Any, *args: Any, **options: Any) -> None:
        """As `keras.Model.save`, and the file opens in plain Keras."""
        if self.canonical is None:
            super().save(filepath, *args, **options)
        else:
            self._twin().save(filepath, *args, **options)

    def save_weights(self, filepath: Any, *args: Any, **options: Any) -> None:
        """As `keras.Model.save_weights`, and the file fits the canonical network."""
        if self.canonical is None:
            super().save_weights(filepath, *args, **options)
        else:
            self._twin().save_weights(filepath, *args, **options)

    def load_weights(self, filepath: Any, *args: Any, **options: Any) -> None:
        """As `keras.Model.load_weights`, from a file that fits the canonical network."""
        if self.canonical is None:
            super().load_weights(filepath, *args, **options)
            return
        twin = self._twin()
        twin.load_weights(filepath, *args, **options)
        copy_weights(twin, self)
        _copy_optimizer(twin, self)

    def _twin(self) -> keras.Model:
        """The canonical network with this one's weights, and its optimizer's if it is compiled."""
        if self.canonical is None:
            raise TypeError(f"{self.name} was not made by reszoo.build")
        twin = self.canonical()
        copy_weights(self, twin)
        if self.compiled:
            _compile_alike(self, twin)
        return twin


def _compile_alike(model: keras.Model, twin: keras.Model) -> None:
    try:
        twin.compile_from_config(model.get_compile_config())
    except (TypeError, ValueError):
        # A loss or metric of the user's own that Keras cannot make again: nor could it when it
        # opens the file, which therefore holds the network alone.
        return
    _copy_optimizer(model, twin)


def _copy_optimizer(source: keras.Model, target: keras.Model) -> None:
    """Gives the target's optimizer the state of the source's; both learn in the same order."""
    if not (source.compiled and target.compiled):
        return
    source.optimizer.build(source.trainable_variables)
    target.optimizer.build(target.trainable_variables)
    for old, new in zip(source.optimizer.variables, target.optimizer.variables, strict=True):
        new.assign(old.value)
