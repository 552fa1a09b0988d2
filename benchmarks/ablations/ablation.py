# SPDX-License-Identifier: Apache-2.0
"""What an ablation is, as data, and the recipe that it makes of another."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from wall_oss_ros import strict_yaml
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.robots.checked import checked, explain
from wall_oss_ros.sim.datasets import shared_task
from wall_oss_ros.sim.goals import INSTRUCTED
from wall_oss_ros.training.recipe import Recipe

BASE = "base"
MEASURES = ("success", "long", "plans", "judgements", "grounding")
"""Shares of runs that succeed, of those of three subtasks and more that do, of plans and judgements of progress that
are right, and of things that are pointed to and boxed rightly."""
Reasoning = Literal["full", "subtask", "none"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Change(_Strict):
    """What is done to a recipe, in the order of the fields."""

    drop: Literal["language"] | None = Field(
        default=None, description="leaves out stages that train language alone; the others get their steps"
    )
    robots: int | None = Field(default=None, gt=0, description="keeps so many of the robots")
    recipe: dict[str, Any] = Field(default_factory=dict, description="fields of the recipe; objects are merged")
    stages: dict[str, Any] = Field(default_factory=dict, description="fields of all stages; objects are merged")
    acting_stages: dict[str, Any] = Field(
        default_factory=dict, description="fields of stages that train motion, which replace what is there"
    )
    kinds_without: tuple[str, ...] = Field(default=(), description="kinds of language that no stage asks about")
    questions: bool = Field(default=True, description="whether stages that train motion ask about what is seen")
    fast: bool = Field(default=False, description="motion is said in FAST tokens, in place of the flow")


class Expected(_Strict):
    """What should come of it.

    Attributes:
        paper: what the paper reports of the kind; empty where the expectation is this project's own.
    """

    measure: Literal[MEASURES]  # type: ignore[valid-type]
    is_: Literal["lower", "higher"] = Field(alias="is")
    paper: str = ""


class How(_Strict):
    """The reasoning that each is evaluated with."""

    base: Reasoning = "subtask"
    variant: Reasoning = "subtask"


class Ablation(_Strict):
    change: Change
    reasoning: How = How()
    expected: tuple[Expected, ...] = Field(min_length=1)

    @field_validator("expected")
    @classmethod
    def _require_each_once(cls, value: tuple[Expected, ...]) -> tuple[Expected, ...]:
        if len({one.measure for one in value}) < len(value):
            raise ValueError("a measure is expected to be two things")
        return value


class _File(_Strict):
    ablations: dict[str, Ablation] = Field(min_length=1)


def read_ablations(path: Path) -> dict[str, Ablation]:
    """Ablations by name.

    Raises:
        WallOSSError: the file is not there or not valid.
    """
    text = strict_yaml.read_text(path, "The file of ablations")
    content = strict_yaml.load(text, f"The file of ablations {path}")
    try:
        found = checked(_File, {"ablations": content}).ablations
    except ValidationError as error:
        problems = "; ".join(explain(one) for one in error.errors())
        raise WallOSSError(f"{path} is not valid: {problems}.", "Correct these fields.") from None
    if BASE in found:
        raise WallOSSError(
            f"{path} calls an ablation {BASE}, as the recipe is called that all differ from.", "Rename it."
        )
    return found


def derived(base: Recipe, change: Change, steps: int | None = None) -> Recipe:
    """The base recipe with a change, and with as many steps in all.

    Args:
        steps: in all; as many as the base has when None. Each stage keeps its share, warm-up and decay theirs of it.

    Raises:
        WallOSSError: the change does not apply to this recipe; the message says why.
    """
    content = base.model_dump()
    stages = content["stages"]
    if change.drop:
        stages = [stage for stage in stages if stage["trains"] != change.drop]
        if not stages or len(stages) == len(content["stages"]):
            raise WallOSSError(f"{base.name} has no stage of {change.drop} alone beside others, to leave out.")
    if change.robots is not None:
        if change.robots >= len(content["robots"]):
            raise WallOSSError(
                f"{base.name} trains {len(content['robots'])} robot{'s' * (len(content['robots']) > 1)}."
            )
        content["robots"] = content["robots"][: change.robots]
    content["stages"] = [_changed(base, stage, change) for stage in stages]
    content = _merged(content, change.recipe)
    if change != Change() and content == base.model_dump():
        raise WallOSSError(f"It changes nothing in {base.name}.")
    usual = sum(stage.steps for stage in base.stages)
    _share_out(content["stages"], steps or usual)
    if steps:
        _shorten(content, steps / usual)
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        raise WallOSSError(
            f"It makes no recipe of {base.name}: {'; '.join(explain(one) for one in error.errors())}."
        ) from None


def _changed(base: Recipe, stage: dict[str, Any], change: Change) -> dict[str, Any]:
    stage = _merged(stage, change.stages)
    if stage["paths"] is not None and not sum(stage["paths"].values()):
        stage["paths"] = None
    acts = bool(stage["acting_branches"])
    if acts:
        stage = stage | change.acting_stages
    unwanted = {*change.kinds_without}
    if stage["language_branches"] and (unwanted or (acts and not change.questions)):
        kinds = stage["kinds"] or _all_kinds(base)
        kept = {
            kind: share
            for kind, share in kinds.items()
            if kind not in unwanted and (change.questions or not acts or kind in INSTRUCTED)
        }
        if not kept:
            raise WallOSSError(f"Stage {stage['name']} of {base.name} would have no kind of language left.")
        stage["kinds"] = kept if kept != kinds else stage["kinds"]
    if change.fast and acts:
        stage |= {"fast_branches": stage["acting_branches"], "acting_branches": 0, "flow_weight": 0.0}
        if stage["trains"] == "action_expert":  # which says no tokens
            stage["trains"] = "language"
    return stage


def _all_kinds(base: Recipe) -> dict[str, float]:
    """The shares that a stage without ``kinds`` has.

    Raises:
        WallOSSError: the recipe is on recordings, whose kinds nobody lists.
    """
    if base.data is None:
        raise WallOSSError(f"{base.name} is on recordings, whose kinds of language are as its mapping has them.")
    return {kind: share for kind, (share, _) in shared_task(base).language.material.items()}


def _share_out(stages: list[dict[str, Any]], total: int) -> None:
    """Gives stages their shares of the steps, at least one each."""
    before = [stage["steps"] for stage in stages]
    if total < len(stages):
        raise WallOSSError(f"{total} steps are too few for {len(stages)} stages.", "Give --steps more.")
    ends, given = 0, 0
    for number, (stage, steps) in enumerate(zip(stages, before)):
        ends += steps
        left = len(stages) - number - 1
        now = min(max(round(total * ends / sum(before)) - given, 1), total - given - left)
        for key in ("warmup", "decay"):
            stage[key] = min(round(stage[key] * now / steps), now)
        stage["steps"], given = now, given + now


def _shorten(content: dict[str, Any], factor: float) -> None:
    """What takes time beside steps: the vision tower's pretraining, and what the model acts to learn from."""
    if content["vision"] is not None:
        content["vision"]["steps"] = max(1, round(content["vision"]["steps"] * factor))
    for stage in content["stages"]:
        if stage["dagger_episodes"]:
            stage["dagger_episodes"] = max(1, round(stage["dagger_episodes"] * factor))


def _merged(content: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Objects are merged, all else replaced; of an object that is not there nothing is made."""
    made = dict(content)
    for key, value in changes.items():
        if isinstance(value, dict):
            if made.get(key) is not None:
                made[key] = _merged(made[key], value)
        else:
            made[key] = value
    return made
