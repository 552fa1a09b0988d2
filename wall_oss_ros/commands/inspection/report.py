# SPDX-License-Identifier: Apache-2.0
"""All that ``wall-oss inspect`` shows, gathered without ever holding the weights."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from wall_oss_ros.commands.inspection import weights
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model import WallOSS, WallOSSConfig
from wall_oss_ros.model.checkpoint import is_statistic, locate, read_config, read_statistics
from wall_oss_ros.model.statistics import STATISTICS_FILES
from wall_oss_ros.model.weights import (
    INDEX,
    PICKLES,
    WEIGHT_TYPES,
    Header,
    adopt_vocabulary,
    compare,
    listing,
    read_headers,
    split_fused,
)
from wall_oss_ros.policy.choices import choose_for
from wall_oss_ros.policy.fit import TURN, mismatches
from wall_oss_ros.policy.known_sentences import KnownSentences
from wall_oss_ros.policy.normalizer import Normalizer
from wall_oss_ros.policy.prompts import VIEW_NAMES
from wall_oss_ros.policy.robot_statistics import never_set
from wall_oss_ros.policy.tokens import PROMPT_TOKENS, misplaced_tokens, read_tokenizer
from wall_oss_ros.robots.policy_robot import load_embodiment
from wall_oss_ros.robots.profile import RobotProfile, available_profiles, load_profile

UNITS = {  # the first whose key is in the degree of freedom's name; by the layout of the released models
    "rotation": "rad",
    "_rot": "rad",
    "head": "rad",
    "gripper": "m",
    "pos": "m",
    "height": "m",
}
MOST = {"rad": TURN, "m": 10.0, "gripper": 0.5}
"""Beyond these, a number is hardly in rad or m; a gripper that opens half a metre has not been seen."""
FINE = 1e-3
"""Below a range of 1 mm or 1 mrad, a model is mostly shown noise."""

Robots = dict[str, dict[str, Normalizer]]
"""By name, those for the ``state`` and the ``action`` as far as the checkpoint has them."""


@dataclass(frozen=True)
class Entry:
    """One number of a state or an action."""

    name: str
    unit: str
    low: float
    high: float
    note: str = ""  # why there is no range to speak of

    @property
    def used(self) -> bool:
        return not self.note


@dataclass
class Report:
    """What a checkpoint holds; ``suspicious`` is what a person should look at before a robot moves."""

    folder: str
    architecture: dict[str, Any] = field(default_factory=dict)
    parts: list[weights.Part] = field(default_factory=list)
    views: dict[str, str] = field(default_factory=dict)  # name and words in the prompt
    sentences: dict[str, list[str]] = field(default_factory=dict)  # templates by kind; a kind without any: all may be
    degrees_of_freedom: dict[str, int] = field(default_factory=dict)
    robots: dict[str, dict[str, Any]] = field(default_factory=dict)  # kind, state and action: lists of entries
    tokenizer: dict[str, Any] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)  # name and bytes
    computing: str = ""  # how nodes compute with it here, and why; empty where weights are not to be read
    suspicious: list[str] = field(default_factory=list)


def inspect(path, robot: str | None = None, read_weights: bool = True) -> Report:
    """Looks into a checkpoint.

    Args:
        path: a folder, or owner/name on the hub.
        robot: name or path of the profile that it is to be compared with; when None, the profiles of the names that its
            statistics have.
        read_weights: whether to read every number once; otherwise the files' headers alone.

    Raises:
        WallOSSError: it is no checkpoint, or so damaged that there is nothing to show.
    """
    folder = locate(path)
    config, headers = read_config(folder), read_headers(folder)
    report = Report(str(folder), parts=weights.parts(headers))
    report.files = {file.name: file.stat().st_size for file in sorted(folder.iterdir()) if file.is_file()}
    report.suspicious += _file_suspicions(report.files, config)
    report.suspicious += _shape_suspicions(config, headers, folder)
    report.architecture = architecture(config, headers)
    report.views = {view: VIEW_NAMES.get(view, "") for view in config.views}
    report.degrees_of_freedom = dict(config.dof_config)
    try:
        KnownSentences(known := config.extra.get("known_sentences", {}))
        report.sentences = {kind: known[kind] for kind in ("instructions", "questions") if kind in known}
    except WallOSSError as error:
        report.suspicious.append(error.message)
    report.suspicious += _config_suspicions(config)
    report.tokenizer, found = tokens(config, folder)
    report.suspicious += found
    try:
        actions, states = read_statistics(folder, config)
    except WallOSSError as error:
        report.suspicious.append(f"statistics: {error.message}")
    else:
        tables = {"state": states, "action": actions}
        robots: Robots = {
            name: {
                what: Normalizer.from_statistics(table, name) for what, table in tables.items() if name in table.names()
            }
            for name in sorted({*states.names(), *actions.names()})
        }
        for name, known in robots.items():
            shown = report.robots[name] = {}
            for what, normalizer in known.items():
                shown[f"{what} kind"] = normalizer.kind
                shown[what] = entries(config.agent_pos_config if what == "state" else config.dof_config, normalizer)
        report.suspicious += _statistic_suspicions(config, robots, headers, robot)
    if read_weights:
        report.computing = str(choose_for(folder, torch.device("cpu"), threads=1, disturbed=False))
        report.suspicious += [f"weights: {what}" for what in weights.suspicions(headers)]
    return report


def architecture(config: WallOSSConfig, headers: dict[str, Header]) -> dict[str, Any]:
    """The sizes that decide what a checkpoint computes and costs."""
    vision = config.vision
    return {
        "hidden size": config.hidden_size,
        "layers": config.num_hidden_layers,
        "heads": f"{config.num_attention_heads} queries, {config.num_key_value_heads} keys and values",
        "experts": ", ".join(str(expert.intermediate_size) for expert in config.experts),
        "projections by token type": "yes" if config.attention_moe else "no",
        "vision tower": f"{vision.depth} layers of {vision.hidden_size}, patches of {vision.patch_size} px",
        "vocabulary": config.vocab_size,
        "image size": f"{config.image_size} px square" if config.image_size else "released: longer side 256 px",
        "numbers in an action": config.action_dim,
        "numbers in a state": config.propri_dim,
        "chunk": f"{config.action_horizon} steps at {config.action_rate_hz:g} Hz",
        "actions see": "earlier ones" if config.causal_action_attention_mask else "each other, both ways",
        "flow steps": config.noise_scheduler.num_inference_timesteps,
        "tensors": len(headers),
    }


def _file_suspicions(files: dict[str, int], config: WallOSSConfig) -> Iterator[str]:
    if pickles := [name for name in files if name.endswith(PICKLES) and name not in STATISTICS_FILES]:
        yield f"files: {', '.join(pickles)} may hold pickles, which can run any code; they are never opened"
    if "auto_map" in config.extra:
        yield "config.json: asks for code of its own (auto_map), which is never run"
    if part := [name for name in files if name.endswith(".part")]:
        yield f"files: {', '.join(part)} is what an interrupted save left"
    if INDEX in files and "model.safetensors" in files:
        yield "files: both model.safetensors and an index of parts; the index decides"


def _shape_suspicions(config: WallOSSConfig, headers: dict[str, Header], folder: Path) -> Iterator[str]:
    """What loading would refuse. Tensors without memory stand for the weights."""
    with torch.device("meta"):
        found = {name: torch.empty(header.shape) for name, header in headers.items() if not is_statistic(name)}
        found = split_fused(found, config)
        vocab_size = config.vocab_size
        adopt_vocabulary(found, config, folder)
        expected = {name: tensor.shape for name, tensor in WallOSS(config, initialise=False).state_dict().items()}
    if whole := [f"{name} is {header.dtype}" for name, header in headers.items() if header.dtype not in WEIGHT_TYPES]:
        yield f"weights: {listing(whole, 6)}; such numbers say nothing by themselves, and are refused"
    if config.vocab_size != vocab_size:
        yield f"config.json: vocab_size {vocab_size}, but the weights have {config.vocab_size} tokens; theirs are used"
    if config.tie_word_embeddings:
        found.setdefault("lm_head.weight", found.get("model.embed_tokens.weight", torch.empty(0)))
    for line in compare(expected, {name: tensor.shape for name, tensor in found.items()}).lines(6):
        yield f"weights: {line}"


def _config_suspicions(config: WallOSSConfig) -> Iterator[str]:
    cell = config.vision.cell
    if config.image_size and config.image_size % cell:
        yield f"config.json: image_size {config.image_size} is no multiple of {cell}"
    if unknown := [view for view in config.views if view not in VIEW_NAMES]:
        yield f"config.json: views {', '.join(unknown)} have no words in the prompt"
    ids = {key: getattr(config, key) for key in sorted({key for key in PROMPT_TOKENS.values() if key})}
    if outside := [f"{key} {number}" for key, number in ids.items() if not 0 <= number < config.vocab_size]:
        yield f"config.json: {', '.join(outside)} is outside the vocabulary of {config.vocab_size}"
    if len(set(ids.values())) < len(ids):
        yield f"config.json: special tokens share an id: {ids}"


def tokens(config: WallOSSConfig, folder: Path) -> tuple[dict[str, Any], list[str]]:
    """The tokenizer's size and special tokens, and what is wrong with them."""
    try:
        tokenizer = read_tokenizer(folder)
    except WallOSSError as error:
        return {}, [f"tokenizer: {error.message} The model cannot be spoken to."]
    vocabulary = tokenizer.get_vocab(with_added_tokens=True)
    special = {token: vocabulary.get(token) for token in PROMPT_TOKENS}
    fast = sum(token.startswith("<|action_token_") for token in vocabulary)
    size = max(vocabulary.values(), default=-1) + 1
    found = [
        f"tokenizer: {token} is missing" if number is None
        else f"tokenizer: {token} is {number}, config.json's {PROMPT_TOKENS[token]} is {wanted}"
        for token, number, wanted in misplaced_tokens(tokenizer, config)
    ]  # fmt: skip
    if size > config.vocab_size:
        found.append(f"tokenizer: {size} tokens, but the weights know {config.vocab_size}")
    return {"tokens": size, "special": special, "FAST action tokens": fast}, found


def _statistic_suspicions(
    config: WallOSSConfig, robots: Robots, headers: dict[str, Header], robot: str | None
) -> Iterator[str]:
    if not robots:
        yield "statistics: none, so the model's numbers have no units; fine-tune it, or add them"
    wanted = None if robot is None else load_embodiment(robot)
    if wanted is not None and wanted.statistics not in (None, *robots):
        yield f"statistics: none of {wanted.statistics}, which the profile {wanted.name} names; it cannot move it"
    types = {header.dtype for name, header in headers.items() if is_statistic(name)}
    if coarse := sorted(types - {"F32", "F64"}):
        yield f"statistics: kept as {', '.join(coarse)}; BF16 rounds half a metre by up to 2 mm"
    for name, known in robots.items():
        for what, layout in (("state", config.agent_pos_config), ("action", config.dof_config)):
            found = _range_suspicions(what, layout, known[what]) if what in known else [f"none for the {what}"]
            yield from (f"statistics of {name}: {line}" for line in found)
        for profile in _profiles(name, robots, wanted) if len(known) == 2 else []:
            for line in mismatches(config, known["state"], known["action"], profile):
                yield f"statistics of {name} against the profile {profile.name}: {line}"


def _profiles(name: str, names: Collection[str], wanted: RobotProfile | None) -> list[RobotProfile]:
    """The profile that statistics are compared with: the one of their name, or the one asked for."""
    if wanted is None:
        return [load_profile(name)] if name in available_profiles() else []
    return [wanted] if wanted.trained_as == name or not (wanted.statistics or wanted.name in names) else []


def unit_of(name: str) -> str:
    """rad, m, or nothing where the name does not tell."""
    return next((unit for key, unit in UNITS.items() if key in name), "")


def entries(layout: Mapping[str, int], normalizer: Normalizer) -> list[Entry]:
    """One for each number, in the order of the layout."""
    low, high = normalizer.bounds()
    found, unset = [], never_set(normalizer, layout)
    for name, size in layout.items():
        for index in range(size):
            at = len(found)
            note = "" if normalizer.varies[at] else "no range"
            if unset[at] or (size > 1 and normalizer.kind == "min_max" and (low[at], high[at]) == (0, 1)):
                note = "0 to 1: never set"  # what the public code writes where its data had no such entry
            label = name if size == 1 else f"{name}[{index}]"
            found.append(Entry(label, unit_of(name), float(low[at]), float(high[at]), note))
    return found


def _range_suspicions(what: str, layout: Mapping[str, int], normalizer: Normalizer) -> Iterator[str]:
    """Args: what: ``state`` or ``action``, to begin the sentences with."""
    found, start = entries(layout, normalizer), 0
    if not any(entry.used for entry in found):
        yield f"{what}: nothing has a range"
    for name, size in layout.items():
        group, start = found[start : start + size], start + size
        used = [entry for entry in group if entry.used]
        if used and len(used) < size:
            yield f"{what} {name}: {size - len(used)} of {size} entries have no range"
        most = MOST.get("gripper" if "gripper" in name else unit_of(name), float("inf"))
        for entry in used:
            span = f"{entry.low:.4g} to {entry.high:.4g} {entry.unit}"
            if max(abs(entry.low), abs(entry.high)) > most:
                units = "degrees?" if entry.unit == "rad" else "millimetres, or a unit of its own?"
                yield f"{what} {entry.name}: {span}; {units}"
            elif entry.high - entry.low < FINE:
                yield f"{what} {entry.name}: {span} is so narrow that noise is blown up"
