#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""MetaWorld, the whole road: an environment, demonstrations, data check, training, evaluation over `wall-oss serve`.

    python benchmarks/metaworld/run.py --suite mt10 --output runs/metaworld/mt10
    python benchmarks/metaworld/run.py --suite mt10 --output runs/metaworld/practised --practice 20
    python benchmarks/metaworld/run.py --suite mt50 --output runs/metaworld/mt50 --device cuda --steps 20000
    python benchmarks/metaworld/run.py --output runs/try --demonstrations 2 --minutes 3 --episodes 1 --evaluate-at ""

Each part leaves what it made in the output folder, and the same command goes on where it was. Training stops for an
evaluation at the minutes of --evaluate-at, which are minutes of training alone; report.md, report.json and success.png
are written after each. Run it by the project's own Python; MetaWorld has an environment of its own, made here.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import yaml
from report import report
from suite import DEMONSTRATIONS

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.json_files import read_json
from wall_oss_ros.training.record import machine

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WALL_OSS = [sys.executable, "-m", "wall_oss_ros.commands.main"]
SUITES = ("mt10", "mt50")
_TYPES = """
import sys, time, torch
a, b = torch.randn(2048, 512, device=sys.argv[1]), torch.randn(512, 512, device=sys.argv[1])
def seconds(kind):
    x, y = a.to(kind), b.to(kind)
    best = []
    for _ in range(8):
        began = time.monotonic()
        (x @ y)[0, 0].item()  # a GPU is done with it then
        best.append(time.monotonic() - began)
    return min(best)
print("bfloat16" if 1.5 * seconds(torch.bfloat16) < seconds(torch.float32) else "float32")
"""


def call(command: list, log: Path | None = None, **options) -> int:
    """Runs a command, its output into a file where one is given; its exit status."""
    words = [str(word) for word in command]
    print("$", " ".join(words), flush=True)
    if log is None:
        return subprocess.call(words, **options)
    with open(log, "a") as file:
        return subprocess.call(words, stdout=file, stderr=subprocess.STDOUT, **options)


def must(command: list, what: str, log: Path | None = None, **options) -> None:
    """Runs a command.

    Raises:
        WallOSSError: it failed.
    """
    if status := call(command, log, **options):
        where = f"; see {log}" if log else ""
        raise WallOSSError(f"{what} ended with status {status}{where}.", "Mend that, and give the same command again.")


def own_environment() -> dict[str, str]:
    """Of the project's processes: OpenMP's threads sleep while they wait, or two programs starve each other."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path, "OMP_WAIT_POLICY": "PASSIVE"}


def environment(folder: Path) -> Path:
    """The Python of MetaWorld's environment, which is made where it is missing or the requirements have changed.

    Raises:
        WallOSSError: it cannot be made.
    """
    requirements = HERE / "requirements.txt"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    mark, python = folder / "made_by", folder / "bin" / "python"
    if not (python.exists() and mark.exists() and mark.read_text() == wanted):
        if folder.exists() and not (folder / "pyvenv.cfg").exists():
            raise WallOSSError(f"{folder} is in the way: it is no environment.", "Name another one: --environment DIR.")
        must([sys.executable, "-m", "venv", "--clear", folder], "Making MetaWorld's environment")
        must([python, "-m", "pip", "install", "-q", "-r", requirements], "Installing MetaWorld")
        mark.write_text(wanted)
    return python


def precision(device: str) -> str:
    """bfloat16 where matrix products take less than two thirds of the time in it, measured; else float32."""
    command = [sys.executable, "-c", _TYPES, device]
    return subprocess.run(command, env=own_environment(), capture_output=True, text=True, check=True).stdout.strip()


def prepare_recipe(suite: str, output: Path, kind: str, steps: int | None = None, start: str | None = None) -> Path:
    """The recipe beside its data, for a suite and a precision; a run's own stays as it was begun. Without pictures of
    scenes, it asks about demonstrations alone. Layers are compiled where there is a compiler.

    Args:
        steps: of training in all: the stages are longer or shorter in proportion, their decay as well.
        start: the checkpoint whose weights it starts from, instead of the recipe's.
    """
    file = output / "recipe.yaml"
    if not file.exists():
        recipe = yaml.safe_load((HERE / "recipe.yaml").read_text())
        recipe.update(name=f"metaworld-{suite}", precision=kind, compile=shutil.which("g++") is not None)
        recipe["datasets"][0]["name"] = suite
        if start is not None:
            recipe["start"] = os.path.relpath(start, output) if Path(start).exists() else start
            del recipe["vision"]  # its tower can see already
        if not (output / "scenes").exists():
            del recipe["questions"]
        stages = recipe["stages"]
        factor = steps / sum(stage["steps"] for stage in stages) if steps else 1.0
        for stage in stages:
            stage.update({key: max(round(stage[key] * factor), 1) for key in ("steps", "decay") if key in stage})
        file.write_text(yaml.safe_dump(recipe, sort_keys=False))
        shutil.copy(HERE / "sawyer.yaml", output / "sawyer.yaml")
    return file


def trained(checkpoint: Path) -> float:
    """Minutes that a run has trained for."""
    progress = checkpoint / "run" / "progress.json"
    return read_json(progress, "Begin anew.")["seconds"] / 60 if progress.exists() else 0.0


def train(recipe: Path, checkpoint: Path, until: float, device: str) -> None:
    """Trains until so many minutes are spent on it, evaluations not counted, or to the recipe's end.

    Raises:
        WallOSSError: training failed.
    """
    minutes = min(until - trained(checkpoint), 1e6)
    if minutes > 0.05 or not (checkpoint / "training.json").exists():
        begun = (checkpoint / "run" / "progress.json").exists()
        command = [
            *WALL_OSS,
            "train",
            "--recipe",
            recipe,
            "--output",
            checkpoint,
            "--minutes",
            f"{max(minutes, 0.01):.2f}",
            "--device",
            device,
        ]
        must([*command, *(["--resume"] if begun else [])], "Training", cwd=recipe.parent, env=own_environment())


def practice_recipe(output: Path, checkpoint: Path, steps: int) -> Path:
    """The recipe that goes on from a checkpoint with what it practised beside all that it was trained on; a run's own
    stays. It is the last stage once more, of so many steps."""
    file = output / "practice.yaml"
    if not file.exists():
        recipe = yaml.safe_load((output / "recipe.yaml").read_text())
        recipe.update(
            name=f"{recipe['name']}-practised", start=f"./{os.path.relpath(checkpoint, output)}"
        )  # a name alone is one of models/
        recipe.pop("vision", None)
        known = recipe["datasets"][0]
        recipe["datasets"].append({**known, "source": "practice", "name": "practice", "held_out": 0.0, "weight": 2.0})
        last = recipe["stages"][-1]
        recipe["stages"] = [{**last, "name": "practised", "steps": steps, "decay": max(2 * steps // 3, 1)}]
        file.write_text(yaml.safe_dump(recipe, sort_keys=False))
    return file


def evaluate(
    python: Path,
    checkpoint: Path,
    folder: Path,
    suite: str,
    episodes: int,
    processes: int,
    device: str,
    before: float = 0.0,
) -> None:
    """Serves the checkpoint and runs the episodes that are still missing.

    Args:
        before: minutes for which the checkpoint that this one started from was trained.

    Raises:
        WallOSSError: server or evaluation failed.
    """
    folder.mkdir(exist_ok=True)
    training = read_json(checkpoint / "training.json", "Train first.")
    training["minutes"] = round(training["minutes"] + before, 1)
    (folder / "training.json").write_text(json.dumps(training, indent=1))
    with serving(checkpoint, folder / "serve.log", device) as uri:
        command = [python, HERE / "evaluate.py", "--tasks", suite, "--uri", uri, "--output", folder / "episodes.jsonl"]
        must([*command, "--episodes", episodes, "--processes", processes], "Evaluation", folder / "evaluate.log")


@contextmanager
def serving(checkpoint: Path, log: Path, device: str) -> Iterator[str]:
    """Within it, the checkpoint is served; where.

    Raises:
        WallOSSError: the server does not start.
    """
    command = [
        *WALL_OSS,
        "serve",
        checkpoint,
        "--robot",
        checkpoint.parent / "sawyer.yaml",
        "--mapping",
        "metaworld",
        "--device",
        device,
    ]
    with open(log, "w") as file:
        words = [str(word) for word in (*command, "--port", 0, "--threads", 1)]
        server = subprocess.Popen(words, env=own_environment(), stdout=file, stderr=subprocess.STDOUT)
    try:
        yield address(server, log)
    finally:
        server.terminate()
        server.wait()


def practise(args: argparse.Namespace, python: Path, output: Path, checkpoint: Path) -> None:
    """The trained model acts, the expert corrects it; it is trained on with that, and evaluated once more.

    Raises:
        WallOSSError: a part failed.
    """
    file, data = HERE / "practice.py", output / "practice"
    log = output / "practice.log"
    with serving(checkpoint, log, args.device) as uri:
        command = [python, file, "--tasks", args.suite, "--uri", uri, "--output", data, "--episodes", args.practice]
        must([*command, "--processes", args.processes], "Practice")
    practised, before = output / "checkpoint-practised", trained(checkpoint)
    recipe = practice_recipe(output, checkpoint, args.practice_steps)
    train(recipe, practised, float("inf"), args.device)
    folder = output / f"evaluation-{before + trained(practised):07.1f}-practised"
    evaluate(python, practised, folder, args.suite, args.episodes, args.processes, args.device, before)
    report(output)


def address(server: subprocess.Popen, log: Path, patience: float = 300.0) -> str:
    """Where the server listens, once it says so.

    Raises:
        WallOSSError: it ended, or says nothing.
    """
    until = time.monotonic() + patience
    while time.monotonic() < until:
        if found := re.search(r"ws://[\w.:\[\]]+\d", log.read_text()):
            return found[0]
        if server.poll() is not None:
            break
        time.sleep(0.2)
    raise WallOSSError(f"The server did not start; its last words: {log.read_text()[-300:].strip()}", f"See {log}.")


def moments(text: str, minutes: float) -> list[float]:
    """Minutes at which to evaluate, the end among them.

    Raises:
        ValueError: they are no positive numbers.
    """
    found = {float(part) for part in text.split(",") if part.strip()} | {minutes}
    if any(not 0 < one < float("inf") for one in found):
        raise ValueError("minutes are numbers above 0")
    return sorted(one for one in found if one <= minutes)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--suite", choices=SUITES, default="mt10", help="(default: %(default)s)")
    add("--output", type=Path, required=True, metavar="DIR")
    add("--environment", type=Path, metavar="DIR", help="MetaWorld's (default: OUTPUT/environment)")
    add("--demonstrations", type=int, metavar="N", help="of each task (default: 50 with the episodes of --practice)")
    add("--practice", type=int, default=0, metavar="N", help="episodes of each task in which the trained model acts and"
        " the expert corrects it, before it is trained on (default: none)")  # fmt: skip
    add("--practice-steps", type=int, default=900, metavar="N", help="of training behind that (default: %(default)s)")
    add("--scenes", type=int, default=900, metavar="N", help="of each task, to point in (default: %(default)s)")
    add("--minutes", type=float, default=180.0, metavar="M", help="of training (default: %(default)s)")
    add("--evaluate-at", default="30,60,120", metavar="M,...", help="minutes beside the end (default: %(default)s)")
    add("--episodes", type=int, default=10, metavar="N", help="of each task in an evaluation (default: %(default)s)")
    add("--precision", choices=("auto", "float32", "bfloat16"), default="auto", help="auto takes the faster one")
    add("--steps", type=int, metavar="N", help="of training in all (default: the recipe's, for MT10 on a CPU)")
    add(
        "--start", metavar="CHECKPOINT", help="whose weights it starts from, a folder or a name (default: the recipe's)"
    )
    add("--device", default="cpu", help="that computes, such as cuda (default: %(default)s)")
    add("--processes", type=int, default=2, metavar="N", help="of demonstrations and evaluations")
    add("--until", choices=("environment", "data", "check"), help="stop after this part")
    args = parser.parse_args(arguments)
    if (args.steps is not None and args.steps < 1) or args.scenes < 0 or args.practice_steps < 1:
        parser.error("--steps and --practice-steps are 1 or more, --scenes 0 or more")
    if not 0 <= args.practice < DEMONSTRATIONS:
        parser.error(f"--practice is 0 to {DEMONSTRATIONS - 1}")
    if args.demonstrations is None:
        args.demonstrations = DEMONSTRATIONS - args.practice
    try:
        stops = moments(args.evaluate_at, args.minutes)
    except ValueError:
        parser.error("--minutes and --evaluate-at are minutes above 0, the latter by commas")
    output = args.output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    python = environment((args.environment or output / "environment").resolve())
    if args.until == "environment":
        return 0
    data, checkpoint = output / "demonstrations", output / "checkpoint"
    command = [python, HERE / "collect.py", "--tasks", args.suite, "--output", data, "--processes", args.processes]
    must([*command, "--demonstrations", args.demonstrations], "Collecting demonstrations")
    if args.scenes and not (output / "recipe.yaml").exists():
        command = [python, HERE / "scenes.py", "--tasks", args.suite, "--output", output / "scenes"]
        must([*command, "--scenes", args.scenes, "--processes", args.processes], "Taking pictures of scenes")
    if args.until == "data":
        return 0
    (output / "data_check.txt").unlink(missing_ok=True)
    found = call([*WALL_OSS, "data", "check", data], output / "data_check.txt", env=own_environment())
    if found not in (0, 1):
        raise WallOSSError(f"The demonstrations cannot be read; see {output / 'data_check.txt'}.", "Collect them anew.")
    if args.until == "check":
        return 0
    kind = precision(args.device) if args.precision == "auto" else args.precision
    recipe = prepare_recipe(args.suite, output, kind, args.steps, args.start)
    (output / "machine.json").write_text(json.dumps(machine(), indent=1) + "\n")
    for number, minutes in enumerate(stops):
        if number + 1 < len(stops) and trained(checkpoint) > minutes + 0.5:
            continue  # training went on behind it, and this moment's checkpoint is gone
        train(recipe, checkpoint, minutes, args.device)
        folder = output / f"evaluation-{minutes:07.1f}"
        evaluate(python, checkpoint, folder, args.suite, args.episodes, args.processes, args.device)
        report(output)
    if args.practice:
        practise(args, python, output, checkpoint)
    print((output / "report.md").read_text())
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except WallOSSError as problem:
        print(problem, file=sys.stderr)
        sys.exit(2)
