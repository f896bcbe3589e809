"""Networks of one kind in several depths and with several connections."""

from __future__ import annotations

from collections.abc import Sequence

from reszoo.errors import UserError, did_you_mean
from reszoo.planning.cost import cost
from reszoo.spec import registry
from reszoo.spec.architecture import MOST_BLOCKS, Architecture


def at_depth(base: Architecture, depth: int) -> Architecture:
    """Returns a network with equal blocks in every stage whose planned depth is `depth`.

    The depth is the one that `reszoo show` prints: layers with weights from the image to the
    logits.

    Raises:
      UserError: equal blocks cannot give that depth; the error names the nearest that they can.

    Examples:
      >>> from reszoo.spec import load
      >>> [stage.depth for stage in at_depth(load("resnet20"), 56).stages]
      [9, 9, 9]
    """
    first, second = (cost(_with_blocks(base, blocks)).depth for blocks in (1, 2))
    step = second - first
    blocks, rest = divmod(depth - first, step)
    if rest or blocks < 0:
        below = first + max(blocks, 0) * step
        nearest = f"{below} or {below + step}"
        raise UserError(
            f"equal blocks in every stage of {base.name} give no network of {depth} layers",
            where="--depths",
            expected=f"{first}, {first + step}, {first + 2 * step}, ...",
            found=str(depth),
            hint=f"take {nearest}",
        )
    if (blocks + 1) * len(base.stages) > MOST_BLOCKS:
        raise UserError(
            f"a network of {depth} layers has too many blocks",
            where="--depths",
            expected=f"at most {MOST_BLOCKS:,} blocks",
            found=f"{(blocks + 1) * len(base.stages):,}",
            hint="take a smaller depth",
        )
    return _with_blocks(base, blocks + 1)


def with_connection(base: Architecture, connection: str) -> Architecture:
    """Returns the network with one connection in all its blocks.

    Raises:
      UserError: there is no such connection.
    """
    known = ("plain", *registry.CONNECTIONS, *registry.registered_connections)
    if connection not in known:
        raise UserError(
            f"there is no connection '{connection}'",
            where="--connections",
            expected=", ".join(dict.fromkeys(known)),
            found=f"'{connection}'",
            hint=did_you_mean(connection, known) or "take plain, residual or highway",
        )
    stages = tuple(stage.model_copy(update={"connection": None}) for stage in base.stages)
    block = base.block.model_copy(update={"connection": connection})
    return base.model_copy(update={"block": block, "stages": stages})


def make_networks(
    base: Architecture, depths: Sequence[int], connections: Sequence[str]
) -> list[Architecture]:
    """Returns a network for each connection and depth, named after them and the base."""
    return [
        with_connection(at_depth(base, depth), connection).model_copy(
            update={
                "name": f"{connection}{depth}_{base.name}"[:100],
                "title": f"{base.name} with {depth} layers, {connection}",
                **dict.fromkeys(("source", "published", "weights")),
            }
        )
        for connection in connections
        for depth in depths
    ]


def _with_blocks(base: Architecture, blocks: int) -> Architecture:
    stages = tuple(stage.model_copy(update={"depth": blocks}) for stage in base.stages)
    return base.model_copy(update={"stages": stages})
