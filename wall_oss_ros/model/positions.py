# SPDX-License-Identifier: Apache-2.0
"""Positions in time, height and width, and how they turn queries and keys.

M-RoPE (arXiv 2409.12191, section 2.1) with Qwen2.5-VL's absolute time in the decoder; two axes in the vision tower.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import groupby

import torch
from torch import Tensor

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model.config import VisionConfig, WallOSSConfig


class Pictures:
    """Hands out the positions of images or videos, in the order of their appearance in the text."""

    def __init__(self, kind: str, grid_thw: Tensor | None, seconds: Tensor | list[float] | None, vision: VisionConfig):
        self._kind, self._vision, self._used = kind, vision, 0
        self._grids = [] if grid_thw is None else grid_thw.tolist()
        if seconds is None:  # between two frames; the public code's default
            seconds = [1.0 if kind == "video" else 0.0] * len(self._grids)
        self._seconds = torch.as_tensor(seconds).tolist()
        if len(self._seconds) != len(self._grids):
            raise WallOSSError(
                f"second_per_grid_ts has {len(self._seconds)} entries for {len(self._grids)} videos.",
                "Give one for each video.",
            )

    def next(self, room: int) -> Tensor:
        """(3, frames * merged cells) of the next one, from 0 on; ``room``: tokens in a row that stand for it."""
        kind, index, merge = self._kind, self._used, self._vision.spatial_merge_size
        if index == len(self._grids):
            raise WallOSSError(
                f"The text has room for more than the {index} {kind}s given.", f"Give every {kind} its grid."
            )
        self._used += 1
        frames, height, width = self._grids[index][0], self._grids[index][1] // merge, self._grids[index][2] // merge
        cell = torch.arange(height * width)
        if not 0 < frames * len(cell) <= room:
            raise WallOSSError(
                f"{kind.capitalize()} {index} needs {frames * len(cell)} {kind} tokens in a row; the text has fewer.",
                f"Expand each <|{kind}_pad|> to the number of merged patches of its {kind}.",
            )
        time = (torch.arange(frames) * torch.tensor(self._seconds[index]) * self._vision.tokens_per_second).long()
        return torch.stack(
            (time.repeat_interleave(len(cell)), (cell // width).repeat(frames), (cell % width).repeat(frames))
        )

    def check_all_used(self) -> None:
        """Raises WallOSSError when some are left."""
        if self._used != len(self._grids):
            raise WallOSSError(
                f"{len(self._grids)} {self._kind}s were given, the text has room for {self._used}.",
                f"Give one grid for each {self._kind} in the text.",
            )


def multimodal_positions(
    config: WallOSSConfig,
    input_ids: Tensor,
    image_grid_thw: Tensor | None,
    attention_mask: Tensor | None = None,
    video_grid_thw: Tensor | None = None,
    second_per_grid_ts: Tensor | list[float] | None = None,
) -> Tensor:
    """Positions (3, B, L) of every token in time, height and width, int64.

    Text advances all three axes together; the tokens of an image share one time and carry their row and column; those
    of a video also carry their frame's time, at ``tokens_per_second``; what follows continues behind the largest of
    them. Padding gets 1 and is masked anyway.

    Args:
        input_ids: (B, L).
        image_grid_thw, video_grid_thw: (images or videos, 3), frames, rows and columns of patches, in the order of
            appearance.
        attention_mask: (B, L), nonzero for real tokens; None for all.
        second_per_grid_ts: (videos,), seconds between two frames of a video; 1 when None.

    Raises:
        WallOSSError: the image or video tokens in the text do not fit the grids.
    """
    batch, length = input_ids.shape
    pictures = {
        config.image_token_id: Pictures("image", image_grid_thw, None, config.vision),
        config.video_token_id: Pictures("video", video_grid_thw, second_per_grid_ts, config.vision),
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
                pieces.append(pictures[token].next(count) + start)
                start = int(pieces[-1].max()) + 1
                count -= pieces[-1].shape[1]
        if pieces:
            positions[:, row, columns] = torch.cat(pieces, dim=1)
    for kind in pictures.values():
        kind.check_all_used()
    return positions.to(input_ids.device)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turns the pairs (i, i + D/2) of the last axis. x: (..., D); cos, sin: tables (..., D), broadcast against x.

    Whole rows times tables take a third of the time of halves that are joined again.
    """
    return x * cos + x.roll(x.shape[-1] // 2, -1) * sin


def _tables(angle: Tensor) -> tuple[Tensor, Tensor]:
    """cos and sin (..., D), for :func:`rotate`: both halves of a row turn by the angles (..., D/2), and the second half
    counts negatively for the first."""
    cos, sin = angle.cos(), angle.sin()
    return torch.cat((cos, cos), dim=-1), torch.cat((-sin, sin), dim=-1)


# Tables that were made while sampling must serve training too, hence inference_mode(False) beneath each cache.
@lru_cache(maxsize=16)
@torch.inference_mode(False)
def _inverse_frequencies(half: int, theta: float, device: torch.device) -> Tensor:
    return theta ** -(torch.arange(half, dtype=torch.float32, device=device) / half)


@lru_cache(maxsize=16)
@torch.inference_mode(False)
def _axis_of_frequency(sections: tuple[int, ...], device: torch.device) -> Tensor:
    return torch.repeat_interleave(torch.arange(len(sections)), torch.tensor(sections)).to(device)


def decoder_rotation(config: WallOSSConfig, position_ids: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Tables of cos and sin, each (B, L, 1, D), of positions (3, B, L).

    The first ``mrope_section[0]`` frequencies turn with time, the next with height, the last with width
    (Qwen2-VL, arXiv 2409.12191, section 2.1).
    """
    device = position_ids.device
    axis = _axis_of_frequency(tuple(config.mrope_section), device)
    frequencies = _inverse_frequencies(config.head_dim // 2, config.rope_theta, device)
    angle = (position_ids.float()[axis].permute(1, 2, 0) * frequencies).unsqueeze(2)
    cos, sin = _tables(angle)
    return cos.to(dtype), sin.to(dtype)


def vision_rotation(rows: Tensor, columns: Tensor, head_dim: int) -> tuple[Tensor, Tensor]:
    """Tables of cos and sin, each (P, 1, D): half the frequencies turn with the patch's row, half with its column."""
    frequencies = _inverse_frequencies(head_dim // 4, 10000.0, rows.device)
    angle = torch.cat((rows[:, None] * frequencies, columns[:, None] * frequencies), dim=-1).unsqueeze(1)
    return _tables(angle)
