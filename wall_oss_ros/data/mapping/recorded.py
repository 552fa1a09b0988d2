# SPDX-License-Identifier: Apache-2.0
"""Recordings of a robot as a dataset that training reads."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from wall_oss_ros.data.dataset import ActingSample, Dataset, LanguageSample
from wall_oss_ros.data.mapping.branches import BranchReader
from wall_oss_ros.data.mapping.columns import Columns
from wall_oss_ros.data.mapping.language import EpisodeWords, Words, words_of
from wall_oss_ros.data.mapping.motion import Motion, MotionReader
from wall_oss_ros.data.mapping.pictures import KeptPictures, fits
from wall_oss_ros.data.mapping.spec import Mapping as MappingFile
from wall_oss_ros.data.mapping.spec import ViewColumn
from wall_oss_ros.data.outcome import marked_as_failed
from wall_oss_ros.data.summary import Summary
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.perception.framing import Framing
from wall_oss_ros.perception.pictures import PictureError
from wall_oss_ros.policy import prompts
from wall_oss_ros.policy.images import resize_view
from wall_oss_ros.policy.normalizer import Normalizer
from wall_oss_ros.robots.profile import RobotProfile

if TYPE_CHECKING:
    from wall_oss_ros.data.lerobot import LeRobotDataset

_KEPT_ROWS = 300_000  # of episodes whose motion is kept in memory
_LEAST_RANGE = 0.01  # m or rad


class RecordedDataset(Dataset):
    """Frames of a LeRobot dataset as a mapping reads them for a robot.

    Frames of held-out episodes come last: whole episodes, so that none is on both sides.

    Args:
        dataset: the recordings.
        mapping: which column is what, and ``file`` where it was read from.
        profile: the robot's.
        image_size: side of the square views; None for the released resizing.
        episodes: the indices of those that are used; all when None.
        held_out: share of the episodes that is kept for validation, or their indices.
        failed: whether episodes that say that they failed (see ``data/outcome.py``) are used as well.
        statistics: ``min_max``, ``quantiles`` or ``mean_std``.
        least_range: that an entry which moved less is normalised by, m or rad.
        seed: of which episodes are held out.

    Attributes:
        profile, mapping: as given.
        training, validation: indices of the episodes.
        kind, least_range: of statistics, as given.
        fps: rows a second.

    Raises:
        WallOSSError: mapping, dataset and profile do not fit together; the message names the mapping's field.
    """

    def __init__(
        self,
        dataset: LeRobotDataset,
        mapping: MappingFile,
        file: Path | str,
        profile: RobotProfile,
        image_size: int | None = None,
        episodes: Sequence[int] | None = None,
        held_out: float | Sequence[int] = 0.05,
        failed: bool = False,
        statistics: Literal["min_max", "quantiles", "mean_std"] = "min_max",
        least_range: float = _LEAST_RANGE,
        seed: int = 0,
    ):
        self.dataset, self.mapping, self.profile = dataset, mapping, profile
        columns = Columns(dataset.features, file, dataset.folder)
        self._motion = MotionReader(mapping, columns, profile, dataset.fps)
        self.fps = self._motion.fps
        self._words = Words(mapping.language, columns, dataset)
        self._branches = BranchReader(mapping, columns, dataset) if mapping.branches else None
        self._framings = _framings(mapping, columns, profile)
        self.robots, self.views, self.horizon = (profile.trained_as,), tuple(self._framings), profile.horizon
        self._size, self.kind, self.least_range = image_size, statistics, least_range
        self.training, self.validation = _split(dataset, episodes, held_out, failed, seed)
        lengths = {episode.index: episode.length for episode in dataset.episodes}
        self._episodes = [*self.training, *self.validation]
        self._ends = np.cumsum([lengths[index] for index in self._episodes])
        self.held_out = sum(lengths[index] for index in self.validation)
        self._kept: KeptPictures | None = None
        self._motions: OrderedDict[int, Motion] = OrderedDict()
        self._said: OrderedDict[int, EpisodeWords] = OrderedDict()

    def __len__(self) -> int:
        return int(self._ends[-1])

    def place(self, index: int) -> tuple[int, int]:
        """The episode and the row in it of a sample."""
        number = int(np.searchsorted(self._ends, index, side="right"))
        return self._episodes[number], int(index - (self._ends[number - 1] if number else 0))

    def samples(self, episode: int) -> np.ndarray:
        """The samples of an episode, in order."""
        number = self._episodes.index(episode)
        return np.arange(self._ends[number - 1] if number else 0, self._ends[number])

    def keep_pictures(self, folder: Path, most: float) -> None:
        """Keeps pictures in a folder once they are decoded, if they take no more than ``most`` bytes in all.

        Views of no fixed size are not kept.
        """
        if self._size is None:
            return
        shape = (len(self), len(self.views), self._size, self._size, 3)
        if not fits(folder, int(np.prod(shape)), most, str(self.dataset.folder)):
            return
        views = {name: self.mapping.views[name] for name in self.views}
        profile = {view.name: view.model_dump(mode="json") for view in self.profile.views if view.name in views}
        identity = {
            "dataset": str(self.dataset.folder),
            "written": info.stat().st_mtime_ns if (info := self.dataset.folder / "meta/info.json").exists() else 0,
            "episodes": [[number, int(end)] for number, end in zip(self._episodes, self._ends)],
            "views": {
                name: one if isinstance(one, str) else one.model_dump(mode="json") for name, one in views.items()
            },
            "profile": profile,
        }
        self._kept = KeptPictures(folder, identity, shape, self._ends, self._episode_pictures)

    def _episode_pictures(self, number: int) -> np.ndarray:
        shown = self._shown(self.samples(self._episodes[number]))
        assert isinstance(shown, np.ndarray)  # views of one size
        return shown

    def images(self, indices: np.ndarray) -> np.ndarray | list[np.ndarray]:
        return self._shown(indices) if self._kept is None else self._kept[np.asarray(indices)]

    def _shown(self, indices: np.ndarray) -> np.ndarray | list[np.ndarray]:
        views = []
        groups = self._by_episode(indices)
        for column, framing in self._framings.values():
            shown: list[np.ndarray] = [None] * len(indices)
            for episode, places, rows in groups:
                unique, back = np.unique(rows, return_inverse=True)
                pictures = self.dataset.pictures(column, episode, unique.tolist())
                fitted = [self._fitted(picture, framing, column, episode) for picture in pictures]
                for place, which in zip(places, back):
                    shown[place] = fitted[which]
            views.append(np.stack(shown))
        same = all(view.shape == views[0].shape for view in views)
        return np.stack(views, axis=1) if same else views

    def _fitted(self, picture: np.ndarray, framing: Framing, column: str, episode: int) -> np.ndarray:
        try:
            if self._size is not None:
                return framing.picture(picture, self._size)
            return resize_view(framing.picture(picture, 0), None)
        except PictureError as error:
            raise WallOSSError(
                f"{self.dataset.folder}, episode {episode}, {column}: {error}.", "Correct the view's crop."
            ) from error

    def _by_episode(self, indices: np.ndarray) -> list[tuple[int, np.ndarray, np.ndarray]]:
        """Episodes, where their samples stand in ``indices``, and their rows."""
        found: dict[int, tuple[list[int], list[int]]] = {}
        for at, index in enumerate(indices):
            episode, row = self.place(int(index))
            places, rows = found.setdefault(episode, ([], []))
            places.append(at)
            rows.append(row)
        return [(episode, np.array(places), np.array(rows)) for episode, (places, rows) in sorted(found.items())]

    def states(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        size = self._motion.layout.size
        states, known = np.zeros((len(indices), size), np.float32), np.zeros((len(indices), size), bool)
        for episode, places, rows in self._by_episode(indices):
            motion = self.motion(episode)
            states[places], known[places] = motion.states[rows], motion.known[rows]
        return states, known

    def language(
        self, rng: np.random.Generator, index: int, kinds: Mapping[str, float] | None = None
    ) -> LanguageSample | None:
        episode, row = self.place(int(index))
        called = () if self._branches is None else self._branches.called(episode, row)
        return self.words(episode).language(rng, row, kinds, called)

    def asked(self, index: int) -> Sequence[tuple[str, str]]:
        episode, row = self.place(int(index))
        return self.words(episode).questions.get(row, ())

    def acting(
        self, rng: np.random.Generator, index: int, count: int, paths: Mapping[str, float] | None = None
    ) -> list[ActingSample]:
        episode, row = self.place(int(index))
        if self._branches is not None:
            return self._branches.acting(rng, episode, row, count, self.words(episode), self.motion(episode), paths)
        ways = self.words(episode).acting(rng, row, count, paths)
        chunk, known = self.chunks(np.array([index]))
        return [ActingSample(text, chunk[0], known[0], said) for text, said in ways]

    def chunks(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The chunks from samples (B,) on: (B, H, A) float32, and which entries are known, (B, H, A) bool."""
        shape = (len(indices), self.horizon, self._motion.layout.size)
        chunks, known = np.zeros(shape, np.float32), np.zeros(shape, bool)
        for episode, places, rows in self._by_episode(indices):
            chunks[places], known[places] = self.motion(episode).chunks(rows)
        return chunks, known

    def motion(self, episode: int) -> Motion:
        """The motion of an episode, by its index."""
        if episode not in self._motions:
            self._motions[episode] = self._read(episode)
            while len(self._motions) > 1 and sum(len(one.states) for one in self._motions.values()) > _KEPT_ROWS:
                self._motions.popitem(last=False)
        self._motions.move_to_end(episode)
        return self._motions[episode]

    def _read(self, episode: int) -> Motion:
        names = self._motion.names or ["timestamp"]
        try:
            return self._motion.read(self.dataset.columns(episode, names))
        except WallOSSError as error:
            raise WallOSSError(f"{self.dataset.folder}, episode {episode}: {error.message}", error.hint) from error

    def words(self, episode: int) -> EpisodeWords:
        """What is said in an episode, by its index."""
        if episode not in self._said:
            self._said[episode] = self._words.read(episode)
            if len(self._said) > 2000:
                self._said.popitem(last=False)
        return self._said[episode]

    def statistics(self, others: Sequence[RecordedDataset] = ()) -> tuple[Normalizer, Normalizer]:
        """Over every frame that is trained on and all steps of all its chunks; no picture is read.

        Args:
            others: datasets of the same robot, whose frames count as well.
        """
        layout, quantiles = self._motion.layout, self.kind == "quantiles"
        states, actions = Summary(layout.size, quantiles), Summary(layout.size, quantiles)
        for data in (self, *others):
            data.summarize(states, actions)
        if self._motion.names and not actions.count.any():
            raise WallOSSError(
                f"{self.dataset.folder}: of no frame that is trained on it is known what the robot was told.",
                "Look at fps and delay of the mapping, at entries that are not finite, and at episodes of one frame.",
            )
        least = np.full(layout.size, self.least_range)
        least[[own.gripper for own in layout.arms]] = 0
        if (base := self.profile.base) is not None:  # where a base stands says nothing: odometry begins anywhere
            states.count[layout.slots[base.dof]] = 0
        return states.normalizer(self.kind, least=least), actions.normalizer(self.kind, least=least)

    def summarize(self, states: Summary, actions: Summary) -> None:
        """Adds all states and all steps of all chunks of the training episodes, episode by episode."""
        for episode in self.training:
            motion = self.motion(episode)
            states.add(motion.states, motion.known)
            if self._branches is None:
                chunks, known = motion.chunks(np.arange(len(motion.states)))
            else:
                chunks, known = self._branches.all_chunks(episode, motion)
            actions.add(chunks.reshape(-1, chunks.shape[-1]), known.reshape(-1, known.shape[-1]))

    def texts(self, rng: np.random.Generator, index: int) -> list[str]:
        episode, row = self.place(int(index))
        acted = [prompts.act_suffix(text) for text, _ in self.words(episode).acting(rng, row, 2)]
        return [*acted, *super().texts(rng, index)]

    def vocabulary(self) -> list[str]:
        said = self._words.vocabulary(self._episodes)
        if self._branches is None:
            return said
        return sorted({*said, *words_of([*self.dataset.tasks.values(), *self.dataset.subtasks.values()])})

    def after(self, earlier: Sequence[Dataset]) -> Dataset:
        raise WallOSSError(
            "DAgger needs a simulator, in which the model acts; recordings have none.",
            "Leave out dagger_episodes and dagger_share.",
        )


def _framings(mapping: MappingFile, columns: Columns, profile: RobotProfile) -> dict[str, tuple[str, Framing]]:
    """By view, in the profile's order: its column, and how its pictures are cut, turned and fitted."""
    known = {view.name: view for view in profile.views}
    found = {}
    for name, given in mapping.views.items():
        view = ViewColumn(column=given) if isinstance(given, str) else given
        if name not in known:
            raise columns.error(
                f"views.{name}", f"the robot {profile.name} has no view of that name", f"Its own: {', '.join(known)}."
            )
        columns.picture(f"views.{name}", view.column)
        changes = {key: value for key in ("crop", "rotate", "fit") if (value := getattr(view, key)) is not None}
        found[name] = view.column, Framing(known[name].model_copy(update=changes))
    return {name: found[name] for name in known if name in found}


def _split(
    dataset: LeRobotDataset, episodes: Sequence[int] | None, held_out: float | Sequence[int], failed: bool, seed: int
) -> tuple[list[int], list[int]]:
    """Indices of the episodes to train on, and of those held out."""
    there = {episode.index: episode for episode in dataset.episodes}
    wanted = list(there) if episodes is None else list(dict.fromkeys(episodes))
    chosen = [] if isinstance(held_out, (int, float)) else list(dict.fromkeys(held_out))
    if strange := [index for index in [*wanted, *chosen] if index not in there]:
        raise WallOSSError(
            f"{dataset.folder} has no episode {strange[0]}.",
            f"Its episodes: {min(there, default='none')} to {max(there, default='none')}.",
        )
    good = [
        index for index in wanted if there[index].length > 0 and (failed or not marked_as_failed(there[index].extra))
    ]
    if isinstance(held_out, (int, float)):
        if not 0 <= held_out < 1:
            raise WallOSSError(f"A share of {held_out} cannot be held out.", "Give a share from 0 to below 1.")
        count = min(max(round(held_out * len(good)), 1), len(good) - 1) if held_out else 0
        order = np.random.default_rng([seed, 7]).permutation(len(good))
        chosen = sorted(good[i] for i in order[: max(count, 0)])
    training = [index for index in good if index not in set(chosen)]
    if not training:
        raise WallOSSError(
            f"{dataset.folder}: no episode is left to train on of {len(dataset.episodes)}.",
            "Hold out less, choose other episodes, or use failed ones, too.",
        )
    return training, chosen
