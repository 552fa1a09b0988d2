# SPDX-License-Identifier: Apache-2.0
"""Positions in time, height and width, and how they turn queries and keys.

M-RoPE (arXiv 2409.12191, section 2.1) with Qwen2.5-VL's absolute time in the decoder; two axes in the vision tower.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

import torch
from torch import Tensor

from wall_oss_ros.errors import WallOSSError


@dataclass
class Pictures:
    """Images or videos in the order of their appearance in the text."""

    kind: str  # image or video
    grids: list[list[int]]  # frames, rows and columns of patches of each
    seconds: list[float]  # between two frames of each; 0 for images
    used: int = 0

    def next(self) -> tuple[list[int], float]:
        """The next one's grid and seconds."""
        if self.used == len(self.grids):
            raise WallOSSError(
                f"The text has room for more than the {len(self.grids)} {self.kind}s given.",
                f"Give every {self.kind} its grid.",
            )
        self.used += 1
        return self.grids[self.used - 1], self.seconds[self.used - 1]


def _pictures(kind: str, grid_thw: Tensor | None, seconds: Tensor | list[float] | None) -> Pictures:
    grids = [] if grid_thw is None else grid_thw.tolist()
    if seconds is None:
        seconds = [1.0 if kind == "video" else 0.0] * len(grids)  # the public code's default
    elif isinstance(seconds, Tensor):
        seconds = seconds.tolist()
    if len(seconds) != len(grids):
        raise WallOSSError(
            f"second_per_grid_ts has {len(seconds)} entries for {len(grids)} videos.", "Give one for each video."
        )
    return Pictures(kind, grids, list(seconds))


def _picture_positions(grid: list[int], seconds: float, merge: int, tokens_per_second: float) -> Tensor:
    """(3, frames * merged cells), from 0 on."""
    frames, height, width = grid[0], grid[1] // merge, grid[2] // merge
    time = (torch.arange(frames) * torch.tensor(seconds) * tokens_per_second).long()
    cell = torch.arange(height * width)
    return torch.stack(
        (time.repeat_interleave(len(cell)), (cell // width).repeat(frames), (cell % width).repeat(frames))
    )


def multimodal_positions(
    input_ids: Tensor,
    attention_mask: Tensor | None,
    merge: int,
    image_token_id: int,
    image_grid_thw: Tensor | None = None,
    video_token_id: int | None = None,
    video_grid_thw: Tensor | None = None,
    second_per_grid_ts: Tensor | list[float] | None = None,
    tokens_per_second: float = 2,
) -> Tensor:
    """Positions (3, B, L) of every token, int64.

    Text advances all three axes together; the tokens of an image share one time and carry their row and column; those
    of a video also carry their frame's time, at ``tokens_per_second``; what follows continues behind the largest of
    them. Padding gets 1 and is masked anyway.

    Args:
        input_ids: (B, L).
        attention_mask: (B, L), nonzero for real tokens; None for all.
        merge: side of a merged cell in patches.
        image_grid_thw, video_grid_thw: (images or videos, 3), frames, rows and columns of patches, in the order of
            appearance.
        second_per_grid_ts: (videos,), seconds between two frames of a video; 1 when None.

    Raises:
        WallOSSError: the image or video tokens in the text do not fit the grids.
    """
    batch, length = input_ids.shape
    pictures = {
        image_token_id: _pictures("image", image_grid_thw, None),
        video_token_id: _pictures("video", video_grid_thw, second_per_grid_ts),
    }
    ids = input_ids.tolist()
    valid = attention_mask.bool().tolist() if attention_mask is not None else [[True] * length] * batch
    positions = torch.ones(3, batch, length, dtype=torch.int64)
    for row in range(batch):
        columns = [i for i in range(length) if valid[row][i]]
        pieces: list[Tensor] = []
        start = 0
        for token, group in groupby((ids[row][i] for i in columns), key=lambda t: t if t in pictures else None):
            count = len(list(group))
            if token is None:
                pieces.append(torch.arange(start, start + count).expand(3, -1))
                start += count
            while token is not None and count:  # pictures may touch
                kind = pictures[token]
                piece = _picture_positions(*kind.next(), merge, tokens_per_second)
                if piece.shape[1] > count or not piece.shape[1]:
                    raise WallOSSError(
                        f"{kind.kind.capitalize()} {kind.used - 1} needs {piece.shape[1]} {kind.kind} tokens in a row; "
                        "the text has fewer.",
                        f"Expand each <|{kind.kind}_pad|> to the number of merged patches of its {kind.kind}.",
                    )
                pieces.append(piece + start)
                start = int(pieces[-1].max()) + 1
                count -= piece.shape[1]
        if pieces:
            positions[:, row, columns] = torch.cat(pieces, dim=1)
    for kind in pictures.values():
        if kind.used != len(kind.grids):
            raise WallOSSError(
                f"{len(kind.grids)} {kind.kind}s were given, the text has room for {kind.used}.",
                f"Give one grid for each {kind.kind} in the text.",
            )
    return positions.to(input_ids.device)


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
