#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes into a checkpoint what it understands, as evaluations found: all other sentences are then refused.

Forms of instruction are listed in config.json (known_sentences, docs/plans.md) where enough runs of `wall-oss eval`
were right, those in words that training does not show by runs of their own; kinds of questions by a file of
benchmarks/vqa.py. A changed config.json is another checkpoint: what is published is measured with it, on other scenes.

    wall-oss eval --model runs/train --forms all --unlisted --episodes 280 --seed 1 --output runs/a.jsonl
    wall-oss eval --model runs/train --forms all --unlisted --unseen-words --episodes 280 --seed 1 --output runs/b.jsonl
    python benchmarks/vqa.py runs/train --seed 1 --json runs/vqa.json
    python benchmarks/understood.py runs/train --runs runs/a.jsonl runs/b.jsonl --questions runs/vqa.json
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.json_files import read_json
from wall_oss_ros.policy.checkpoints import checkpoint_identity
from wall_oss_ros.policy.known_sentences import KnownSentences
from wall_oss_ros.sim.evaluate import DONE
from wall_oss_ros.sim.evaluation_summary import NEEDED
from wall_oss_ros.sim.registry import task_of
from wall_oss_ros.sim.results import read_together

FEWEST = 10
"""Runs of a form, or questions of a kind, below which nothing is known of it."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="its folder")
    parser.add_argument("--runs", type=Path, nargs="+", required=True, metavar="JSONL", help="of wall-oss eval --forms")
    parser.add_argument(
        "--questions", type=Path, metavar="JSON", help="of benchmarks/vqa.py; without, none are changed"
    )
    parser.add_argument("--least", type=float, default=0.75, help="share that must be right (default: %(default)s)")
    args = parser.parse_args()
    try:
        print(write(args.checkpoint, args.runs, args.questions, args.least))
    except WallOSSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def write(checkpoint: Path, runs: list[Path], questions: Path | None, least: float) -> str:
    """Writes config.json; what is listed and what is not, in lines.

    Raises:
        WallOSSError: results are of another checkpoint, or none are enough to say anything.
    """
    file = checkpoint / "config.json"
    config = read_json(file, "Name a checkpoint's folder.")
    shares, robots = instructed(checkpoint, runs)
    language = task_of(robots.pop()).language
    listed = [key for key, (hits, of) in shares.items() if hits >= least * of]
    if not listed:
        raise WallOSSError("No form of instruction is understood often enough.", "Train longer, or lower --least.")
    lines = [
        f"{_named(key)}: {hits} of {of}, {'listed' if key in listed else 'left out'}"
        for key, (hits, of) in shares.items()
    ]
    asked = None
    if questions is not None:
        answered = told(checkpoint, questions)
        kinds = [kind for kind in language.question_templates if answered.get(kind, 0.0) >= least]
        asked = [text for kind in kinds for text in language.question_templates[kind]]
        lines += [
            f"{kind}: {share:.0%} right, {'listed' if kind in kinds else 'left out'}"
            for kind, share in answered.items()
            if kind in language.question_templates
        ]
    sentences = language.sentences(listed, asked)
    KnownSentences(sentences)  # which refuses what it could not read
    file.write_text(json.dumps(config | {"known_sentences": sentences, "known_words": language.vocabulary()}, indent=2))
    return "\n".join(lines)


def instructed(checkpoint: Path, runs: list[Path]) -> tuple[dict[tuple[str, bool], tuple[int, int]], set[str]]:
    """By form and whether its words are new: how many were right, of how many; and the robots."""
    identity, shares, robots = checkpoint_identity(checkpoint).rpartition("@")[2], {}, set()
    for path in runs:
        about, found = read_together([path])
        if not all(one.keys() >= NEEDED for one in found.values()) or not about.get("unlisted"):
            raise WallOSSError(f"{path} is not of wall-oss eval --unlisted.", "Run that.")
        if about["checkpoint"].rpartition("@")[2] != identity:
            raise WallOSSError(f"{path} was run with {about['checkpoint']}, not with this checkpoint.", "Run it again.")
        robots.add(about["robot"])
        for one in found.values():
            if one["form"] and one["expected"] == DONE:
                key = one["form"], bool(one["unseen"])
                hits, of = shares.get(key, (0, 0))
                shares[key] = hits + bool(one["success"]), of + 1
    known = {key: counts for key, counts in shares.items() if counts[1] >= FEWEST}
    if not known:
        raise WallOSSError(f"No form was asked for {FEWEST} times.", "Add --forms all, and more --episodes.")
    return dict(sorted(known.items())), robots


def told(checkpoint: Path, questions: Path) -> dict[str, float]:
    """The share of right answers by kind, in training's words and look."""
    identity, found = checkpoint_identity(checkpoint).rpartition("@")[2], {}
    for kind, one in (
        read_json(questions, "Write it by benchmarks/vqa.py --json.").get("conditions", {}).get("plain", {}).items()
    ):
        for model, share in one["right"].items():
            if model.rpartition("@")[2] == identity and share["of"] >= FEWEST:
                found[kind] = share["share"]
    if not found:
        raise WallOSSError(f"{questions} has no answers of this checkpoint.", "Ask it by benchmarks/vqa.py.")
    return found


def _named(key: tuple[str, bool]) -> str:
    return f"{key[0]}, {'new words' if key[1] else 'known words'}"


if __name__ == "__main__":
    sys.exit(main())
