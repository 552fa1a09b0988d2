# SPDX-License-Identifier: Apache-2.0
"""The model card of a checkpoint: what ``training.json`` says, for people.

It stands in the checkpoint's README.md between two comments; what is written around them stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.json_files import read_json

BEGIN, END = "<!-- card -->", "<!-- end of card -->"
_HINT = "Give the folder that wall-oss train has written."


def write_card(folder: Path, more: str = "") -> None:
    """Writes a checkpoint's card into its README.md, or makes one; a README.md without a place for it is left alone.

    Args:
        more: Markdown that follows, such as results.

    Raises:
        WallOSSError: ``training.json`` is missing, or is none.
    """
    page, text = folder / "README.md", card(folder, more)
    if not page.exists():
        page.write_text(f"# {folder.name}\n\n{text}\n")
    elif has_place(old := page.read_text()):
        page.write_text(f"{old.split(BEGIN)[0]}{text}{old.split(END)[1]}")


def has_place(page: str) -> bool:
    """Whether a page has a place for a card, exactly one."""
    return page.count(BEGIN) == page.count(END) == 1 and page.index(BEGIN) < page.index(END)


def card(folder: Path, more: str = "") -> str:
    """A checkpoint's card, with the comments around it; what its ``training.json`` does not know is left out.

    Raises:
        WallOSSError: ``training.json`` is missing, or is none.
    """
    training = read_json(folder / "training.json", _HINT)
    try:
        size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
        facts = "\n".join(f"| {what} | {said} |" for what, said in _facts(training, size) if said)
        stages = "\n".join(_stages(training["recipe"]["stages"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise WallOSSError(f"{folder / 'training.json'} is no record of a training: {error!r}.", _HINT) from None
    parts = [BEGIN, f"| | |\n|---|---|\n{facts}", stages, more.strip(), END]
    return "\n\n".join(part for part in parts if part)


def _facts(training: Mapping[str, Any], size: int) -> Iterator[tuple[str, str]]:
    recipe = training["recipe"]
    planned, start = sum(stage["steps"] for stage in recipe["stages"]), recipe.get("start")
    yield "recipe", f"{recipe['name']}, seed {recipe['seed']}"
    yield "starts from", PurePath(start).name if start else ""
    yield "parameters", f"{training['parameters'] / 1e6:.2f} million; weights of {size / 1e6:.1f} MB"
    yield "learnt from", _data(training)
    yield "robots", ", ".join(recipe["robots"]) if recipe.get("data") else ""
    of = "" if training["steps"] == planned else f" of {planned}"
    ended = f", ended on {training['ended']}" if "ended" in training else ""
    yield "training", f"{training['steps']}{of} steps in {training['minutes']:g} minutes{ended}"
    vision = recipe.get("vision")
    yield "vision tower first", f"{vision['steps']} steps of {vision['batch']}" if vision else ""
    if known := training.get("machine"):
        several = f"{known['processes']} processes, " if known["processes"] > 1 else ""
        versions = f"PyTorch {known['torch']}, Python {known['python']}"
        yield "machine", f"{known['processor']}, {known['cores']} cores; {several}{known['device']}; {versions}"


def _data(training: Mapping[str, Any]) -> str:
    recipe, frames = training["recipe"], f"{training['frames']:,} frames"
    collected = training.get("dagger_frames") or []
    if collected:
        frames += f", {' + '.join(f'{count:,}' for count in collected)} of them from DAgger"
    if data := recipe.get("data"):
        return (
            f"simulation: {frames}; {data['episodes']:,} demonstrations and {data['posed_frames']:,} poses, seed "
            f"{data['seed']}; {data['held_out']:,} frames held out"
        )
    names = [one["name"] or PurePath(one["source"]).name for one in recipe["datasets"]]
    names += [one["name"] or PurePath(one["file"]).stem for one in recipe.get("questions") or ()]
    return f"recordings: {frames}; {', '.join(names)}"


def _stages(stages: list[Mapping[str, Any]]) -> Iterator[str]:
    yield "| stage | trains | steps | batch | learning rate | asked and acting a picture | DAgger |"
    yield "|---|---|---|---|---|---|---|"
    for one in stages:
        episodes = one.get("dagger_episodes", one.get("practice", 0))  # as it was called before
        branches = f"{one['language_branches']} + {one['acting_branches'] + one.get('fast_branches', 0)}"
        yield (
            f"| {one['name']} | {one['trains'].replace('_', ' ')} | {one['steps']} | {one['batch']} "
            f"| {one['learning_rate']:g} | {branches} | {episodes or '-'} |"
        )
