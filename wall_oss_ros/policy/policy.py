# SPDX-License-Identifier: Apache-2.0
"""The policy that robots use: an observation and words in; a subtask, an answer or an action chunk out."""

from __future__ import annotations

import threading
from contextlib import suppress
from copy import copy
from pathlib import Path

import numpy as np
import torch

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model import WallOSS
from wall_oss_ros.model.arguments import as_device, check_dtype, flow_steps, generator, whole_number
from wall_oss_ros.model.attention import check_backend
from wall_oss_ros.model.checkpoint import locate
from wall_oss_ros.model.fast import NotAChunk
from wall_oss_ros.model.sampling import Likelihood, TokenChoice
from wall_oss_ros.policy import eight_bits, prompts
from wall_oss_ros.policy.answer import Answer
from wall_oss_ros.policy.checkpoints import checkpoint_identity
from wall_oss_ros.policy.choices import Choice, choose_for
from wall_oss_ros.policy.engine import Engine
from wall_oss_ros.policy.fast_actions import FastActions
from wall_oss_ros.policy.fit import require_fit, views_of
from wall_oss_ros.policy.known_sentences import Kind
from wall_oss_ros.policy.normalizer import Normalizer, default_robot
from wall_oss_ros.policy.observation import Observation, PreviousChunk, check_observation
from wall_oss_ros.policy.pictures import Picture, Pictures
from wall_oss_ros.policy.processor import WallOSSProcessor
from wall_oss_ros.policy.real_time_chunking import guidance
from wall_oss_ros.policy.robot_statistics import for_robot
from wall_oss_ros.policy.tokens import read_tokenizer
from wall_oss_ros.policy.ways import usual_way
from wall_oss_ros.robots.profile import RobotProfile

SUBTASK_TOKENS, PLAN_TOKENS, ANSWER_TOKENS, THOUGHT_TOKENS = 48, 256, 128, 192
WARM_TOKENS = 512
"""Of a prompt and what is said behind it, up to which all is recorded at the start: a plan with its thought."""


class Policy:
    """One checkpoint on one robot. Its calls wait for each other; those of a :meth:`twin` do not.

    Attributes:
        horizon: steps of an action chunk.
        rate_hz: steps of it a second.
        views: the robot's views, in the order of the prompt.
        image_size: side in pixels of the square views that the checkpoint takes; None for the released resizing.
        robot: whose statistics are in use.
        temperature: standard deviation of the noise that a chunk starts from; the checkpoint's
            ``sampling_temperature``, else 1.
            At 0 the flow starts from the noise's mean: the same observation then always gives the same chunk.
        checkpoint: its name, and a digest of its files; empty where it comes from no folder.
        fast: makes chunks from the language head's FAST tokens; None where they come from the flow head.
        choice: how it computes, and why.
    """

    def __init__(
        self,
        model: WallOSS,
        processor: WallOSSProcessor,
        robot: str | None = None,
        folder: Path | None = None,
        accelerate: bool = True,
        profile: RobotProfile | None = None,
        choice: Choice | None = None,
    ):
        """
        Args:
            folder: the checkpoint's, where its FAST tokenizer is.
            accelerate: on a GPU, compile and record CUDA graphs; see :class:`~wall_oss_ros.policy.engine.Engine`.
            profile: the robot's; see :func:`~wall_oss_ros.policy.robot_statistics.for_robot`.
            choice: how to compute; the usual for the model's type and device when None.

        Raises:
            WallOSSError: the checkpoint knows several robots and none was named, or not this one; or it says its
                actions in FAST tokens and their tokenizer is missing or does not fit.
        """
        statistics = model.action_preprocessor
        known = statistics.normalizer_action.names()
        if robot is None:
            robot = default_robot(statistics.normalizer_action, statistics.normalizer_propri)
        if robot is None:
            raise WallOSSError(
                f"The checkpoint has statistics for {', '.join(known) or 'no robot'}; exactly one was expected, or "
                "several with the same.",
                "Name the robot whose units it should use." if known else "Fine-tune it on a robot's data first.",
            )
        self.robot = robot
        states = Normalizer.from_statistics(statistics.normalizer_propri, self.robot)
        actions = Normalizer.from_statistics(statistics.normalizer_action, self.robot)
        self._states = for_robot(states, model.config.agent_pos_config, profile)
        self._actions = for_robot(actions, model.config.dof_config, profile)
        processor.tell(robot, profile is not None and profile.action_mode == "relative")
        processor.opening(views_of(model.config, robot))  # which refuses views that there are no words for
        self.model, self.processor, self.config = model, processor, model.config
        self.horizon: int = model.config.action_horizon
        self.rate_hz: float = model.config.action_rate_hz
        self.views: list[str] = views_of(model.config, self.robot)
        self.image_size: int | None = model.config.image_size
        self.temperature = float(model.config.extra.get("sampling_temperature", 1.0))
        self.fast = FastActions.from_checkpoint(model.config, processor.tokenizer, folder, actions)
        self.checkpoint = "" if folder is None else checkpoint_identity(folder)
        self.choice = choice or Choice(usual_way(model.dtype, model.device), None, "the usual, given with the network")
        self._engine, self._accelerate = Engine(model, accelerate=accelerate, way=self.choice.way), accelerate
        self._pictures = Pictures(model.config.vision, model.config.image_size, model.device)  # one for all twins
        self._seen: list[Picture] = []
        self._lock = threading.Lock()

    @classmethod
    def from_pretrained(
        cls,
        path,
        device="cpu",
        dtype: torch.dtype | None = None,
        threads: int | None = None,
        robot: str | None = None,
        profile: RobotProfile | None = None,
        accelerate: bool = True,
        attention: str = "auto",
    ) -> Policy:
        """Loads config.json, model.safetensors and tokenizer.json.

        Args:
            path: a checkpoint's folder, or owner/name on the Hugging Face hub.
            device: torch device.
            dtype: of the weights; when None, bfloat16 on a GPU, and on a CPU float32 unless bfloat16 is measured to be
                clearly faster; see :func:`~wall_oss_ros.policy.choices.choose`. torch.int8, on a CPU and with torchao,
                makes the large weights of images and words half as large as bfloat16; see ``eight_bits.py``.
            threads: torch threads, for the whole process. None leaves them, unless a measurement finds fewer clearly
                faster and the environment has no ``OMP_NUM_THREADS``: then it sets that many.
            robot: whose statistics to use, where the checkpoint has several; the profile's when None.
            profile: the robot that it is to move; its layout and units are compared with the checkpoint's.
            accelerate: on a GPU, compile and record CUDA graphs.
            attention: the decoder's attention kernel: auto, sdpa or flash; see ``model/attention.py``.

        Raises:
            WallOSSError: flash was asked for and cannot be used, there is no such device or type, or the checkpoint is
                incomplete, damaged, foreign or not for this robot; one sentence says why.
        """
        device = as_device(device)
        if small := dtype == torch.int8:
            eight_bits.require(device)
        else:
            check_dtype(dtype)
        if threads is not None:
            torch.set_num_threads(whole_number("threads", threads, 1, 4096, "Give a number of cores, or None."))
        folder: Path = locate(path)
        if not isinstance(profile, RobotProfile | None):
            raise WallOSSError(f"The profile is {type(profile).__name__}.", "Give robots.profile.load_profile(name).")
        if profile is not None:  # before the weights, which may take minutes
            robot = require_fit(folder, profile, robot)
        usual = torch.float32 if device.type == "cpu" else torch.bfloat16
        check_backend(attention, device, usual if dtype is None or small else dtype)
        choice = choose_for(folder, device, dtype, threads)
        if threads is None and choice.threads not in (None, torch.get_num_threads()):
            torch.set_num_threads(choice.threads)
        model = WallOSS.from_pretrained(folder, device, eight_bits.STORED if small else choice.way.weights)
        if small:
            eight_bits.quantise(model, choice.way.weights)
        model.set_attention_backend(attention)
        processor = WallOSSProcessor(model.config, read_tokenizer(folder))
        return cls(model, processor, robot, folder, accelerate, profile, choice)

    def twin(self) -> Policy:
        """Another policy on the same weights, with an observation of its own: it may compute at the same time."""
        other = copy(self)
        other._engine = Engine(self.model, accelerate=self._accelerate, twin=self._engine)
        other._seen, other._lock = [], threading.Lock()
        return other

    @property
    def dof_mask(self) -> np.ndarray:
        """(A,) bool: the entries of an action that the model decides for this robot."""
        return self._actions.mask()

    def taken_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the picture that a view of this size becomes, in whose pixels the model points."""
        return self.processor.taken_size(height, width)

    def unknown_words(self, text: str) -> list[str]:
        """The words of the text that this checkpoint was not trained on; empty when it may understand."""
        return self.processor.unknown_words(text)

    @property
    def lists_instructions(self) -> bool:
        """Whether the checkpoint lists the sentences that it understands as instructions; if not, it is told any."""
        return self.processor.lists("instructions")

    @property
    def judges_plans(self) -> bool:
        """Whether the checkpoint was trained to judge progress by a plan's lines, rather than by the instruction."""
        return self.config.extra.get("judged_by", "instruction") == "plan"

    @property
    def thinks(self) -> bool:
        """Whether the checkpoint was trained to write a thought before plans, judgements and motion."""
        return self.config.extra.get("thinks", False)

    def understood(self, text: str, kind: Kind) -> tuple[str, str]:
        """A sentence as this checkpoint was trained on it, and why it is not understood, empty where it may be.

        Args:
            kind: "instructions" or "questions".
        """
        return self.processor.understood(text, kind)

    def unlist(self) -> None:
        """Lets it be asked other sentences than those that the checkpoint lists as understood: to find out what it
        understands, or to teach it more."""
        self.processor.unlist()

    def warm_up(self) -> None:
        """Throw-away acts and answers, so that the first real ones take no longer than the rest.

        On a GPU this records prompts of every usual length, for pictures of 640 x 480 where the checkpoint takes views
        of any size; another shape or length is slow twice, then recorded, too.
        """
        blank = np.zeros((self.image_size or 480, self.image_size or 640, 3), np.uint8)
        width = self.config.propri_dim
        nothing = Observation(0.0, dict.fromkeys(self.views, blank), np.zeros(width, np.float32), np.zeros(width, bool))
        with suppress(NotAChunk):  # a blank picture may well make no sense
            self.act(nothing, "wait")
        if self._engine.graphs.capture:
            pictures = [self._pictures.make(image) for image in self.processor.shown(nothing, self.views)]
            prefix = self.processor.prefix(pictures, self.views)
            with self._lock:
                self._seen = []
                self._engine.warm_up(prefix, WARM_TOKENS)
        with self._lock:
            self._engine.generate(self.processor.encode(prompts.ask_suffix("ready")), 2)

    def reason(self, obs: Observation, instruction: str, thought: bool = False) -> Answer:
        """The subtask that the instruction calls for now, in words; ``done`` when nothing is left of it.

        Args:
            thought: have the model first write what it sees that matters, which is the answer's ``thought``: for
                checkpoints that were trained so (``thinks``).
        """
        return self._speak(
            obs, prompts.reason_suffix(self.processor.clean(instruction), thought), SUBTASK_TOKENS, thought
        )

    def plan(self, obs: Observation, instruction: str, thought: bool = False) -> Answer:
        """All subtasks of the instruction, one a line; ``thought`` as for :meth:`reason`."""
        return self._speak(obs, prompts.plan_suffix(self.processor.clean(instruction), thought), PLAN_TOKENS, thought)

    def ask(self, obs: Observation, question: str) -> Answer:
        """An answer to a free question about what the views show."""
        return self._speak(obs, prompts.ask_suffix(self.processor.clean(question)), ANSWER_TOKENS)

    def act(
        self,
        obs: Observation,
        subtask: str,
        steps: int | None = None,
        seed: int | None = None,
        previous: PreviousChunk | None = None,
    ) -> np.ndarray:
        """An action chunk. A checkpoint that was trained so (``acts_aloud``) says first what :meth:`act_aloud` gives.

        Args:
            obs: what the robot sees and feels.
            subtask: the active subtask, or the instruction itself.
            steps: Euler steps of the flow; the checkpoint's own number when None. FAST tokens need none.
            seed: of the noise that the chunk starts from; a new one each time when None. FAST tokens are the likeliest.
            previous: what the robot does meanwhile, for the flow to go on from; FAST tokens take no notice of it.

        Returns:
            (horizon, A) float32 in physical units, in the profile's ``action_mode``; entries that the robot does not
            have are 0.

        Raises:
            WallOSSError: an argument does not fit the checkpoint, the result is not finite, or FAST tokens make no
                chunk (:class:`~wall_oss_ros.model.fast.NotAChunk`).
        """
        aloud = self.config.extra.get("acts_aloud", False)
        return self._act(obs, subtask, steps, seed, previous, aloud)[1]

    def act_aloud(
        self,
        obs: Observation,
        instruction: str,
        steps: int | None = None,
        seed: int | None = None,
        previous: PreviousChunk | None = None,
    ) -> tuple[Answer, np.ndarray]:
        """What the model says before it moves, a subtask or a thought and a subtask, and the action chunk behind it.

        Instruction, words and motion are one sequence, as training with the paths ``spoken`` and ``thought`` has it,
        and the motion is that for what was just said. Arguments, chunk and errors as of :meth:`act`; it also refuses
        checkpoints whose actions are FAST tokens, which are themselves what the language head says.
        """
        if self.fast is not None:
            raise WallOSSError("This checkpoint says its actions in FAST tokens.", "Use act, and reason for words.")
        return self._act(obs, instruction, steps, seed, previous, aloud=True)

    def _act(
        self,
        obs: Observation,
        text: str,
        steps: int | None,
        seed: int | None,
        previous: PreviousChunk | None,
        aloud: bool,
    ) -> tuple[Answer, np.ndarray]:
        steps = flow_steps(steps, self.config)
        if not isinstance(previous, PreviousChunk | None):
            raise WallOSSError(f"The previous chunk is {type(previous).__name__}.", "Give a PreviousChunk, or None.")
        check_observation(obs, self.config.propri_dim)
        state = self._states.normalize(np.nan_to_num(obs.state), obs.state_mask)
        state_mask = self._states.mask(obs.state_mask)
        noise = self.temperature * torch.randn(self.horizon, self.config.action_dim, generator=generator(seed))
        asked = prompts.act_suffix(self.processor.clean(text))
        felt: tuple[torch.Tensor | None, torch.Tensor | None] = torch.from_numpy(state), torch.from_numpy(state_mask)
        if self.processor.textual:
            asked, felt = self.processor.with_state(asked, state, state_mask), (None, None)
        suffix, answer = self.processor.encode(asked), Answer("")
        with self._lock:
            self._observe(obs)
            if self.fast is not None:
                chunk = self.fast.act(self._engine, suffix, *felt)
            else:
                if aloud:
                    answer, words = self._generate(suffix, THOUGHT_TOKENS + SUBTASK_TOKENS, True, *felt)
                    suffix = [*suffix, *words, self.config.eos_token_id]
                guide = None
                if previous is not None:
                    guide = guidance(previous, self._actions.normalize, self.dof_mask, self.horizon)
                chunk = self._engine.act(suffix, *felt, torch.from_numpy(self.dof_mask), noise, steps, guide).numpy()
        return answer, np.where(self.dof_mask, self._actions.denormalize(chunk), np.float32(0))

    def _speak(self, obs: Observation, suffix: str, limit: int, thought: bool = False) -> Answer:
        ids = self.processor.encode(suffix)
        with self._lock:
            self._observe(obs)
            return self._generate(ids, limit + THOUGHT_TOKENS * thought, thought)[0]

    def _generate(
        self,
        suffix: list[int],
        limit: int,
        thought: bool,
        state: torch.Tensor | None = None,
        state_mask: torch.Tensor | None = None,
    ) -> tuple[Answer, list[int]]:
        """An answer, which may begin with a thought, and its tokens without the end."""
        choice = Likelihood(TokenChoice())
        ids = self._engine.generate(suffix, limit, state, state_mask, choice)
        if not thought:
            return Answer(self.processor.decode(ids), choice.probability()), ids
        thinking, answer, count = self.processor.split_thought(ids)
        return Answer(answer, choice.probability(count), thinking), ids

    def _observe(self, obs: Observation) -> None:
        """Keeps what was computed for these very pictures, whoever asked for it."""
        owns = self._seen or [None] * len(self.views)
        shown = zip(self.views, self.processor.shown(obs, self.views), owns)
        pictures = [self._pictures.take(view, image, own) for view, image, own in shown]
        if pictures != self._seen:
            self._seen = []  # should this fail half way, nothing is as it was
            self._engine.observe(self.processor.prefix(pictures, self.views))
            self._seen = pictures
