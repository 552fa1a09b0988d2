# SPDX-License-Identifier: Apache-2.0
"""Routing by token type: each token goes through the part of the network that serves its type."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wall_oss_ros.errors import WallOSSError

# Which tokens go to which expert: (expert, slice of the sequence) or (expert, indices into the flattened tokens).
Route = Sequence[tuple[int, "slice | Tensor"]]


def make_route(token_types: Tensor | int, length: int, experts: int) -> Route:
    """Decided once for all layers. A route of one expert covers the whole sequence.

    Args:
        token_types: (B, L) expert of each token, or an int n: the first n positions to expert 0, the rest to expert 1.

    Raises:
        WallOSSError: a type has no expert.
    """
    if isinstance(token_types, int):
        pieces = [(0, slice(0, min(token_types, length))), (1, slice(token_types, length))]
        return [(expert, part) for expert, part in pieces if part.start < part.stop]
    flat = token_types.reshape(-1)
    chosen = [(expert, (flat == expert).nonzero().squeeze(1)) for expert in range(experts)]
    chosen = [(expert, index) for expert, index in chosen if len(index)]
    if sum(len(index) for _, index in chosen) != len(flat):
        raise WallOSSError(
            f"moe_token_types holds types other than 0 to {experts - 1}.", "Give 0 for words and images, 1 for actions."
        )
    return [(chosen[0][0], slice(0, length))] if len(chosen) == 1 else chosen


def routed(parts: Sequence[nn.Module], x: Tensor, route: Route, widths: Sequence[int] | None = None) -> Tensor:
    """Each token through the part of its type.

    Args:
        parts: one for each type.
        x: (B, L, W).
        widths: how many of the W numbers the part of each type reads; all when None.

    Returns:
        (B, L, widest result among the parts used); a narrower result has zeros behind it.
    """

    def apply(expert: int, tokens: Tensor) -> Tensor:
        return parts[expert](tokens if widths is None else tokens[..., : widths[expert]])

    if len(route) == 1:
        return apply(route[0][0], x)
    sliced = isinstance(route[0][1], slice)
    tokens = x if sliced else x.reshape(-1, x.shape[-1])
    outputs = [apply(expert, tokens[:, part] if sliced else tokens[part]) for expert, part in route]
    widest = max(out.shape[-1] for out in outputs)
    outputs = [out if out.shape[-1] == widest else F.pad(out, (0, widest - out.shape[-1])) for out in outputs]
    if sliced:
        return torch.cat(outputs, dim=1)
    result = outputs[0].new_zeros(len(tokens), widest)
    for (_, index), out in zip(route, outputs):
        result = result.index_copy(0, index, out)
    return result.view(*x.shape[:2], widest)
