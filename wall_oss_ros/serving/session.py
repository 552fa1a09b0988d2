# SPDX-License-Identifier: Apache-2.0
"""One client's dealings with the policy: its plan, its episode, its noise. Nothing in it is another client's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy import prompts
from wall_oss_ros.policy.chunk import Chunk, make_chunk, previous_chunk
from wall_oss_ros.policy.known_sentences import normalise
from wall_oss_ros.policy.observation import Observation
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.serving.request import Request
from wall_oss_ros.uni_cot.judging import refusal
from wall_oss_ros.uni_cot.plan import Plan
from wall_oss_ros.uni_cot.planner import UniCoTPlanner
from wall_oss_ros.uni_cot.texts import readable


@dataclass(frozen=True)
class Answer:
    """What comes of a request.

    Attributes:
        targets: (horizon, A) absolute, where there is a chunk.
        state: (A,) that they were made from.
        words: further entries of the message: subtask, plan, answer.
    """

    targets: np.ndarray | None
    state: np.ndarray
    words: dict[str, Any]


class Session:
    """A client's state; called by one thread at a time.

    Args:
        policy: :class:`~wall_oss_ros.policy.policy.Policy`.
        layout: of the robot that it was loaded for.
        steps: Euler steps of the flow; None is the checkpoint's number.
        seed: of the first chunk's noise in each episode, the next one's is one more; None takes new ones.
    """

    def __init__(self, policy, layout: Layout, steps: int | None = None, seed: int | None = None):
        self._policy, self._layout, self._steps, self._seed = policy, layout, steps, seed
        self.reset()

    def reset(self) -> None:
        """Begins an episode."""
        self._planner = UniCoTPlanner(self._policy)
        self._instruction, self._doing, self._chunks = "", "", 0

    def answer(self, request: Request) -> Answer:
        """Has the model think and act.

        Raises:
            WallOSSError: the request cannot be met, and why.
        """
        if request.reset:
            self.reset()
        obs = request.observation
        if obs is None:
            return Answer(None, np.zeros(0), {"reset": True})
        if request.mode == "ask":
            return Answer(None, obs.state, {"answer": readable(self._policy.ask(obs, request.instruction))})
        self._check(request)
        text, words = self._task(request)
        targets = np.tile(obs.state, (self._policy.horizon, 1)) if text is None else self._act(request, obs, text)
        self._doing = text or ""
        return Answer(targets, obs.state, words)

    def _check(self, request: Request) -> None:
        fast = self._policy.fast is not None
        if request.fast is not None and request.fast != fast:
            has, not_has = ("FAST tokens", "flow head") if fast else ("flow head", "FAST tokens")
            raise WallOSSError(f"The checkpoint makes chunks by its {has}, not its {not_has}.", "Leave infer_mode out.")
        if request.previous is not None and fast:
            raise WallOSSError(
                "previous_actions came, of which chunks of FAST tokens take no notice.", "Leave them out."
            )
        if request.mode != "plan" and (unknown := self._policy.unknown_words(request.instruction)):
            words = ", ".join(f'"{word}"' for word in unknown[:5])
            raise WallOSSError(f"The model was not trained on {words}.", "Use other words.")

    def _task(self, request: Request) -> tuple[str | None, dict[str, Any]]:
        """What to move for, None for nothing; and what the answer says of it."""
        obs, instruction = request.observation, request.instruction
        if request.mode == "act":
            return instruction, {}
        if request.mode == "subtask":
            subtask = readable(self._policy.reason(obs, normalise(instruction)))
            still = not subtask or subtask == prompts.DONE or refusal(subtask)
            return None if still else subtask, {"subtask": subtask}
        if self._planner.plan is None or instruction != self._instruction:
            self._instruction = instruction
            plan = self._planner.start(obs, instruction)
        else:
            plan = self._planner.update(obs)
        return plan.active_text or None, {"subtask": plan.active_text, "plan": _told(plan)}

    def _act(self, request: Request, obs: Observation, text: str) -> np.ndarray:
        """(horizon, A) absolute targets; what the model does not decide stays as it is."""
        options: dict[str, Any] = {"steps": self._steps}
        if self._seed is not None:
            options["seed"] = self._seed + self._chunks
        if request.previous is not None and len(request.previous):
            # Of a chunk that was for something else, only what will be done whatever comes counts.
            same = not self._doing or text == self._doing
            rows = request.previous if same else request.previous[: request.committed]
            rate = self._layout.profile.rate_hz
            left = Chunk(0.0, np.asarray(obs.state, float), rows, rate) if len(rows) else None
            options["previous"] = previous_chunk(self._layout, left, request.committed / rate, 0.0, obs.state)
        actions = self._policy.act(obs, text, **options)
        self._chunks += 1
        chunk, problem = make_chunk(self._layout, obs.stamp, obs.state, actions)
        if chunk is None:
            raise WallOSSError(f"The model gave no chunk: {problem}.", "Look at the checkpoint: wall-oss inspect.")
        return np.where(self._policy.dof_mask, chunk.targets, obs.state)


def _told(plan: Plan) -> dict[str, Any]:
    subtasks = [{"text": subtask.text, "status": subtask.status.label} for subtask in plan.subtasks]
    return {
        "status": plan.status.label, "active": plan.active, "message": plan.message, "progress": plan.progress,
        "subtasks": subtasks,
    }  # fmt: skip
