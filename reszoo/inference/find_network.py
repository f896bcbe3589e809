"""The run or file that a path names as a trained network, found without TensorFlow."""

from __future__ import annotations

from pathlib import Path

from reszoo.data.images.image_files import SUFFIXES
from reszoo.errors import Place, UserError
from reszoo.runs import Run
from reszoo.spec import names_of
from reszoo.tflite.contract_file import is_bundle

_WEIGHTS = (".h5", ".safetensors")


def find_network(target: str | Path) -> Run | Path:
    """Returns the run in a folder, or the path of a file.

    Raises:
      UserError: there is nothing, or a file that is not a `.keras` file, or no run in the folder.
    """
    path = Path(target)
    if is_bundle(path) or (path.suffix == ".tflite" and path.is_file()):
        raise UserError(
            f"{path} is already exported",
            expected="a run folder or a .keras file",
            found="a bundle" if path.is_dir() else "a .tflite file",
            hint="use the run or the .keras file that it was exported from (`predict` and "
            "`evaluate` take a .tflite file, or a bundle that holds one)",
        )
    if path.is_dir():
        return Run.open(path)
    if not path.exists():
        raise UserError(
            f"there is no run folder or model {path}",
            expected="a run folder or a .keras file",
            hint=f"{path} is a network of the zoo: `reszoo train {path}` makes a run of it"
            if str(path) in names_of("architecture")
            else "`reszoo train` makes a run, `reszoo build -o` a .keras file",
        )
    if path.suffix != ".keras":
        is_image = path.suffix.lower() in SUFFIXES
        raise UserError(
            f"{path} is not a trained network",
            expected="a run folder or a .keras file",
            found="an image" if is_image else f"a name that ends in {path.suffix or path.name}",
            hint=_other_file_hint(path),
        )
    return path


def _other_file_hint(path: Path) -> str:
    """Returns the command that takes a file which is no trained network, or makes one of it."""
    suffix = path.suffix.lower()
    if suffix in SUFFIXES:
        return f"name the network first: `reszoo predict RUN {path}`"
    if suffix in _WEIGHTS:
        return (
            f"`reszoo build SPEC --weights {path} -o {path.name.split('.')[0]}.keras`, with the "
            "spec of its network, makes a .keras file of these weights"
        )
    if suffix in (".yaml", ".yml"):
        return f"`reszoo train {path}` makes a run of it"
    return "`reszoo train` makes a run, `reszoo build -o` a .keras file"


def require_trained_start(where: Place | str | None, start: object, weights: str | None) -> None:
    """Raises a `UserError` if a quantization-aware training has no trained network to start from.

    `start` and `weights` are those of `reszoo.train`; `where` asked for the quantization.
    """
    if start is None:
        raise UserError(
            "quantization-aware training starts from a trained network",
            where=where,
            expected="--from RUN or --from FILE.keras",
            found=f"published weights ({weights})" if weights else "random initial weights",
            hint="train the network without --quantize first, then pass that run to --from; "
            "`reszoo build NAME --weights SOURCE -o FILE.keras` makes a file of published weights",
        )


def has_lost_model(run: Run) -> bool:
    """Returns whether a run has finished, but no longer has the network that it saved."""
    return run.state == "finished" and not run.model_path.is_file()


def require_model(run: Run) -> None:
    """Raises a `UserError` for a run without its network: not saved yet, or lost."""
    if has_lost_model(run):
        require_model_or_checkpoint(run)
        raise UserError(
            f"the run {run.path} has no model.keras any more",
            found="a finished run without the file",
            hint=f"`reszoo resume {run.path}` writes it again from a checkpoint",
        )
    if not run.model_path.is_file():
        raise UserError(
            f"the run {run.path} has no model.keras yet",
            found=f"its state is {run.state}",
            hint=f"`reszoo resume {run.path}` resumes it",
        )


def require_model_or_checkpoint(run: Run) -> None:
    """Raises a `UserError` for a run from which no network can be had any more."""
    if not run.model_path.is_file() and run.newest_checkpoint() is None:
        raise UserError(
            f"the run {run.path} has no model.keras any more, and no checkpoint",
            found="a finished run without them",
            hint="copy them again from where the run was trained, or train it again with the "
            "command in run.json",
        )
