# SPDX-License-Identifier: Apache-2.0
"""Observations and words to the model's tensors, and its tokens back to words."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.json_files import brief
from wall_oss_ros.model import WallOSSConfig
from wall_oss_ros.model.checkpoint import locate, read_config, read_statistics
from wall_oss_ros.policy import prompts
from wall_oss_ros.policy.images import image_patches, resize_view, resizings, video_patches
from wall_oss_ros.policy.normalizer import Normalizer
from wall_oss_ros.policy.observation import Observation, check_observation
from wall_oss_ros.policy.pictures import Picture
from wall_oss_ros.policy.robot_statistics import for_robot
from wall_oss_ros.policy.tokens import read_tokenizer
from wall_oss_ros.policy.words import CheckpointWords, checked_words


@dataclass(frozen=True)
class Prefix:
    """The part of a prompt that all questions about one observation share."""

    input_ids: torch.Tensor  # (1, P), image tokens expanded
    pictures: list[Picture]  # of the views, in their order

    @property
    def image_grid_thw(self) -> torch.Tensor:
        """(views, 3)."""
        return torch.tensor([picture.grid for picture in self.pictures])


KINDS = {
    "act": prompts.act_suffix,
    "fast": prompts.act_suffix,
    "reason": prompts.reason_suffix,
    "plan": prompts.plan_suffix,
    "ask": prompts.ask_suffix,
}
"""What can be asked: motion by the flow head, motion in FAST tokens, the subtask, the plan, a free question."""

VIDEO = " video: <|vision_start|><|video_pad|><|vision_end|>"
"""A clip, behind the views. How the released weights were shown clips is not public; this is in the manner of views."""


class WallOSSProcessor(CheckpointWords):
    """Tokenizer, image processing and units of one checkpoint.

    Called with observations and instructions, it gives a batch for :class:`~wall_oss_ros.model.WallOSS`::

        processor = WallOSSProcessor.from_pretrained(folder, robot="franka")
        batch = processor(Observation.of({"face_view": picture, ...}, state, mask), "put the red cube in the left tray")
        actions = processor.actions.denormalize(model.sample_actions(batch).numpy())

    Attributes:
        states, actions: normalisers of the robot; None where none was chosen, and then motion cannot be asked for.
    """

    def __init__(
        self,
        config: WallOSSConfig,
        tokenizer: Tokenizer,
        states: Normalizer | None = None,
        actions: Normalizer | None = None,
    ):
        """
        Raises:
            WallOSSError: the tokenizer lacks a special token, or has it at another id than the weights; or views of the
                checkpoint's size cannot be cut into its patches.
        """
        super().__init__(config, tokenizer)
        self.states, self.actions = states, actions
        vision = config.vision
        self._cells = vision.patch_size, vision.spatial_merge_size, vision.temporal_patch_size
        self._factor = vision.cell
        if config.image_size is not None and config.image_size % vision.cell:
            raise WallOSSError(
                f"config.json: image_size {config.image_size} is no multiple of {vision.cell}.",
                "Use the config.json that came with the weights.",
            )

    @classmethod
    def from_pretrained(cls, path: str | os.PathLike, robot: str | None = None) -> WallOSSProcessor:
        """Reads a checkpoint's config, tokenizer and statistics, not its weights.

        Args:
            path: a folder, or owner/name on the Hugging Face hub.
            robot: whose statistics to use; the only ones there are when None.

        Raises:
            WallOSSError: a file is missing or damaged, or the checkpoint does not know the robot.
        """
        folder = locate(path)
        config = read_config(folder)
        actions, states = read_statistics(folder, config)
        if robot is None and len(actions.names()) == 1:
            robot = actions.names()[0]
        tables = (states, config.agent_pos_config), (actions, config.dof_config)
        known = [
            for_robot(Normalizer.from_statistics(table, robot), dofs) for table, dofs in tables if robot is not None
        ]
        return cls(config, read_tokenizer(folder), *known)

    def __call__(
        self,
        observations: Observation | Sequence[Observation],
        instructions: str | Sequence[str],
        kind: str = "act",
        answers: Sequence[str] | None = None,
        views: Sequence[str] | None = None,
        padding_side: str = "left",
        videos: Sequence[np.ndarray] | None = None,
        frame_period: float = 0.5,
    ) -> dict[str, torch.Tensor]:
        """A batch of whole prompts, in the texts that the released weights were trained with.

        Args:
            observations: one, or B of them; views may differ in size between them.
            instructions: one for each observation, or one for all; with the kind ``ask``, questions.
            kind: of :data:`KINDS`. ``act`` ends in the action tokens, all others where the model is to go on.
            answers: what it should say, for training; with ``fast`` tokens such as ``<|action_token_7|>``, with all
                others words.
            views: in the order of the prompt; the checkpoint's own when None.
            padding_side: ``left`` or ``right``; to generate or sample from a padded batch, left.
            videos: a clip (T, H, W, 3) uint8 RGB for each observation, shown behind its views.
            frame_period: time between two frames of a clip, s.

        Returns:
            input_ids, attention_mask, moe_token_types (B, L); pixel_values (patches, 3*2*14*14), image_grid_thw
            (images, 3); with ``act`` and ``fast`` proprioception and agent_pos_mask (B, 1, A), with ``act`` dof_mask
            (B, horizon, A); with answers labels (B, L), which are the answer and its end, and -100 elsewhere; with
            videos pixel_values_videos, video_grid_thw and second_per_grid_ts, as for images.

        Raises:
            WallOSSError: views or statistics are missing, a state has another size than the checkpoint's, an
                instruction is empty, or the numbers of observations, instructions and answers differ.
        """
        if not isinstance(kind, str) or kind not in KINDS or padding_side not in ("left", "right"):
            raise WallOSSError(
                f"Kind {kind!r} or padding side {padding_side!r} is unknown.",
                f"Kinds are {', '.join(KINDS)}; sides are left and right.",
            )
        if kind == "act" and answers is not None:
            raise WallOSSError("Action tokens of the flow head take no answers.", "For FAST tokens, ask with fast.")
        observations = _listed("observations", observations, Observation)
        instructions = _listed("instructions", instructions, str)
        if len(instructions) == 1:
            instructions *= len(observations)
        answers = None if answers is None else _listed("answers", answers, str)
        videos = None if videos is None else _listed("videos", videos, np.ndarray)
        said = instructions if answers is None else answers
        if not observations or {len(instructions), len(said), len(videos or said)} != {len(observations)}:
            raise WallOSSError(
                f"{len(observations)} observations, {len(instructions)} instructions, {len(answers or [])} answers, "
                f"{len(videos or [])} videos: one of each that there are was expected for every sample.",
                "Give lists of one length.",
            )
        views = self._views(views)
        pictures = [self.images(observation, views) for observation in observations]
        pixel_values, grids = self.patches([picture for sample in pictures for picture in sample])
        batch = {"pixel_values": pixel_values, "image_grid_thw": grids}
        if videos:
            batch |= self._videos(videos, frame_period)
        rows, targets = [], []
        sizes = self._sizes(grids, batch.get("video_grid_thw"))
        tail = prompts.ACTION * self.config.action_horizon if kind == "act" else ""
        for index, instruction in enumerate(instructions):
            shown = self.opening(views) + (VIDEO if videos else "")
            asked = KINDS[kind](self.clean(instruction))
            if kind in ("act", "fast") and self.textual:
                asked = self.with_state(asked, *self._state(observations[index]))
            text = shown + asked + tail
            answer = [] if answers is None else self.encode(checked_words(answers[index]) + prompts.END)
            prompt = self._expand(text, sizes)
            rows.append(prompt + answer)
            targets.append([-100] * len(prompt) + answer)
        batch["input_ids"] = _pad(rows, self.config.pad_token_id, padding_side)
        batch["attention_mask"] = _pad([[1] * len(row) for row in rows], 0, padding_side)
        batch["moe_token_types"] = (batch["input_ids"] == self.config.action_token_id).long()
        if answers is not None:
            batch["labels"] = _pad(targets, -100, padding_side)
        if kind in ("act", "fast") and not self.textual:
            batch |= self._states(observations)
        if kind == "act":
            dof_mask = torch.from_numpy(self.actions.mask()).float()
            batch["dof_mask"] = dof_mask.expand(len(rows), self.config.action_horizon, -1).clone()
        return batch

    def _state(self, observation: Observation) -> tuple[np.ndarray, np.ndarray]:
        """The normalised state (A,) and its mask (A,) bool."""
        self._require_statistics()
        check_observation(observation, self.config.propri_dim)
        state = self.states.normalize(np.nan_to_num(observation.state), observation.state_mask)
        return state, self.states.mask(observation.state_mask)

    def _require_statistics(self) -> None:
        if self.states is None or self.actions is None:
            raise WallOSSError(
                "Motion was asked for, but the processor has no statistics of a robot.",
                "Name the robot: WallOSSProcessor.from_pretrained(path, robot=...).",
            )

    def _states(self, observations: Sequence[Observation]) -> dict[str, torch.Tensor]:
        states, masks = zip(*map(self._state, observations))
        return {
            "proprioception": torch.from_numpy(np.stack(states))[:, None],
            "agent_pos_mask": torch.from_numpy(np.stack(masks)).float()[:, None],
        }

    def _views(self, views: Sequence[str] | None) -> list[str]:
        """The views of a prompt; the checkpoint's own when None."""
        chosen = self.config.views if views is None else views
        names = isinstance(chosen, Sequence) and all(isinstance(view, str) for view in chosen)
        if isinstance(chosen, str) or not names or not chosen:
            raise WallOSSError(
                f"The views of the prompt are {chosen!r}; a list of at least one name was expected.",
                f"Leave views out to have the checkpoint's: {', '.join(self.config.views)}.",
            )
        return list(chosen)

    def images(self, observation: Observation, views: list[str]) -> list[np.ndarray]:
        """The views as the model takes them, in this order; errors as of :meth:`shown`."""
        return [resize_view(image, self.config.image_size, self._factor) for image in self.shown(observation, views)]

    @staticmethod
    def shown(observation: Observation, views: list[str]) -> list[np.ndarray]:
        """The views as cameras gave them, in this order.

        Raises:
            WallOSSError: the observation lacks a view, or is malformed.
        """
        check_observation(observation)
        missing = [view for view in views if view not in observation.images]
        if missing:
            raise WallOSSError(
                f"The observation has no {', '.join(missing)}; it has {', '.join(observation.images) or 'no views'}.",
                "Check the cameras in the robot's profile.",
            )
        return [observation.images[view] for view in views]

    def taken_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of what :meth:`images` makes of a view of this size."""
        sizes = resizings(height, width, self.config.image_size, self._factor)
        return sizes[-1] if sizes else (height, width)

    def patches(self, images: Sequence[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
        """Pictures as :meth:`images` gives them -> patches (patches, 3*2*14*14) and sizes (images, 3)."""
        values = np.concatenate([image_patches(image[None], *self._cells) for image in images])
        patch = self.config.vision.patch_size
        grids = [(1, image.shape[0] // patch, image.shape[1] // patch) for image in images]
        return torch.from_numpy(values), torch.tensor(grids)

    def prefix(self, pictures: list[Picture], views: list[str]) -> Prefix:
        """Args: pictures: one for each of ``views``."""
        grids = torch.tensor([picture.grid for picture in pictures])
        return Prefix(torch.tensor([self.expand(self.opening(views), grids)]), pictures)

    def _videos(self, videos: Sequence[np.ndarray], frame_period: float) -> dict[str, torch.Tensor]:
        if not isinstance(frame_period, (int, float)) or not 0 <= frame_period < float("inf"):
            raise WallOSSError(f"frame_period is {frame_period!r}; seconds were expected.", "Give such as 0.5.")
        patches, grids = [], []
        patch, _, temporal = self._cells
        if self.tokenizer.token_to_id("<|video_pad|>") != self.config.video_token_id:
            raise WallOSSError("The tokenizer has no <|video_pad|> where the checkpoint expects it.", "Show pictures.")
        for frames in videos:
            if frames.ndim != 4 or 0 in frames.shape or frames.shape[3] != 3 or frames.dtype != np.uint8:
                raise WallOSSError(
                    f"A video is {frames.dtype} of shape {frames.shape}; uint8 (T, H, W, 3) was expected.",
                    "Decode it to RGB first.",
                )
            clip = np.stack([resize_view(frame, self.config.image_size, self._factor) for frame in frames])
            patches.append(video_patches(clip, *self._cells))
            grids.append((-(-len(clip) // temporal), clip.shape[1] // patch, clip.shape[2] // patch))
        return {
            "pixel_values_videos": torch.from_numpy(np.concatenate(patches)),
            "video_grid_thw": torch.tensor(grids),
            "second_per_grid_ts": torch.full((len(grids),), frame_period * temporal),
        }


def _listed(what: str, given: Any, kind: type) -> list:
    """One of a kind, or several, as a list.

    Raises:
        WallOSSError: it is neither.
    """
    several = [given] if isinstance(given, kind) else given
    if isinstance(several, (str, bytes, Mapping)) or not isinstance(several, Iterable):
        raise WallOSSError(f"The {what} are {brief(given)}; a list was expected.", "Give one for each sample.")
    several = list(several)
    if wrong := [one for one in several if not isinstance(one, kind)]:
        raise WallOSSError(
            f"Among the {what} is {brief(wrong[0])}, which is {type(wrong[0]).__name__}, not {kind.__name__}.",
            "Give one for each sample.",
        )
    return several


def _pad(rows: list[list[int]], filler: int, side: str) -> torch.Tensor:
    """(B, longest), with the filler before or behind the shorter rows."""
    longest = max(map(len, rows))
    spare = [[filler] * (longest - len(row)) for row in rows]
    return torch.tensor([more + row if side == "left" else row + more for row, more in zip(rows, spare)])
