"""Rotary positions: the vision tower's two axes, and the decoder's three (time, height, width: M-RoPE)."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from wall_oss_ros.errors import WallOSSError


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turns the pairs (i, i + D/2) of the last axis. x: (..., D); cos, sin: (..., D/2), broadcast against x."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


# Tables that were made while sampling must serve training too, hence inference_mode(False) beneath each cache.
@lru_cache(maxsize=16)
@torch.inference_mode(False)
def _inverse_frequencies(half: int, theta: float, device: torch.device) -> Tensor:
    return theta ** -(torch.arange(half, dtype=torch.float32, device=device) / half)


@lru_cache(maxsize=16)
@torch.inference_mode(False)
def _axis_of_frequency(sections: tuple[int, ...], device: torch.device) -> Tensor:
    return torch.repeat_interleave(torch.arange(len(sections)), torch.tensor(sections)).to(device)


def decoder_rotation(position_ids: Tensor, head_dim: int, theta: float, sections: list[int], dtype: torch.dtype):
    """cos and sin, each (B, L, 1, D/2), of positions (3, B, L).

    The first ``sections[0]`` frequencies turn with time, the next with height, the last with width
    (Qwen2-VL, arXiv 2409.12191, section 2.1).
    """
    device = position_ids.device
    axis = _axis_of_frequency(tuple(sections), device)
    angle = position_ids.float()[axis].permute(1, 2, 0) * _inverse_frequencies(
        head_dim // 2, theta, device
    )  # (B, L, D/2)
    angle = angle.unsqueeze(2)
    return angle.cos().to(dtype), angle.sin().to(dtype)


def vision_rotation(rows: Tensor, columns: Tensor, head_dim: int) -> tuple[Tensor, Tensor]:
    """cos and sin, each (P, 1, D/2): half the frequencies turn with the patch's row, half with its column."""
    frequencies = _inverse_frequencies(head_dim // 4, 10000.0, rows.device)
    angle = torch.cat((rows[:, None] * frequencies, columns[:, None] * frequencies), dim=-1).unsqueeze(1)
    return angle.cos(), angle.sin()


def multimodal_positions(
    input_ids: Tensor, image_grid_thw: Tensor | None, attention_mask: Tensor | None, image_token_id: int, merge: int
) -> Tensor:
    """Positions (3, B, L) of every token, int64.

    Text advances all three axes together; the tokens of an image share one time and carry their row and column; what
    follows continues behind the largest of them. Padding gets 1 and is masked anyway.

    Args:
        input_ids: (B, L).
        image_grid_thw: (images, 3), frames, rows and columns of patches, in the order of appearance.
        attention_mask: (B, L), nonzero for real tokens; None for all.

    Raises:
        WallOSSError: the image tokens in the text do not fit the grids.
    """
    batch, length = input_ids.shape
    grids = [] if image_grid_thw is None else image_grid_thw.tolist()
    ids = input_ids.tolist()
    alive = attention_mask.bool().tolist() if attention_mask is not None else [[True] * length] * batch
    positions = torch.ones(3, batch, length, dtype=torch.int64)
    image = 0
    for row in range(batch):
        columns = [i for i in range(length) if alive[row][i]]
        tokens = [ids[row][i] for i in columns]
        pieces: list[Tensor] = []
        start, i = 0, 0
        while i < len(tokens):
            end = i
            if tokens[i] != image_token_id:
                while end < len(tokens) and tokens[end] != image_token_id:
                    end += 1
                piece = torch.arange(end - i).expand(3, -1)
            else:
                if image >= len(grids):
                    raise WallOSSError(
                        f"The text has room for more than the {len(grids)} images given.", "Give every image its grid."
                    )
                frames, height, width = grids[image]
                height, width, image = height // merge, width // merge, image + 1
                end = i + frames * height * width
                if end > len(tokens) or any(token != image_token_id for token in tokens[i:end]):
                    raise WallOSSError(
                        f"Image {image - 1} needs {end - i} image tokens in a row; the text has fewer.",
                        "Expand each <|image_pad|> to the number of merged patches of its image.",
                    )
                cell = torch.arange(height * width).repeat(frames)
                piece = torch.stack((torch.zeros_like(cell), cell // width, cell % width))
            pieces.append(piece + start)
            start = int(pieces[-1].max()) + 1
            i = end
        if pieces:
            positions[:, row, columns] = torch.cat(pieces, dim=1)
    if image != len(grids):
        raise WallOSSError(
            f"{len(grids)} images were given, the text has room for {image}.",
            "Give one grid for each image in the text.",
        )
    return positions.to(input_ids.device)
