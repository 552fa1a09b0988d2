# SPDX-License-Identifier: Apache-2.0
"""Runs every Python program of some folders on the embedded library, and writes a table of how each fared.

A program is a file with ``__main__`` in it, or one that a ``setup.py`` names as an entry point. Each is run for some
seconds as ``python -m wall_oss_ros.embedded`` would run it, and then told to end by SIGINT. What works is what ended
by itself with status 0, or ran until it was told to end, without a traceback until then. `PARTNERS` of
this file names the programs that only do something beside another one, `ARGUMENTS` those that want some. Interfaces in
the folders can be imported (WALL_OSS_INTERFACES).

  python benchmarks/rclpy_programs.py ~/ros2/examples ~/ros2/demos --table docs/embedded.md
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- programs: begin -->", "<!-- programs: end -->"
# Programs that ask something of another one, by what their names end in, and that other one.
PARTNERS = {
    "client": "server", "client_async": "server", "client_async_callback": "server", "client_cancel": "server",
    "client_async_member_function": "server", "client_not_composable": "server", "client_asyncio": "server",
    "minimal_client": "minimal_service",
}  # fmt: skip
# What programs are given that do nothing without arguments, by their names.
ARGUMENTS = {"deadline": ["600"], "incompatible_qos": ["durability"], "lifespan": ["1000"], "liveliness": ["1000"]}


@dataclass
class Program:
    """A program: its file, how Python is asked to run it, and where its packages are."""

    path: Path
    words: list[str]
    roots: list[Path]
    folder: Path


@dataclass
class Outcome:
    """How a program fared: ``runs``, ``refused`` (in one line), ``failed``; and what it said last."""

    name: str
    result: str
    words: str


def programs(folder: Path) -> Iterator[Program]:
    """The programs below a folder, without tests, launch files and set-up scripts."""
    roots = sorted({path.parent for path in folder.rglob("setup.py")} | {folder})
    entries = {module for path in folder.rglob("setup.py") for module in _entry_modules(path)}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).parts
        if (
            path.name == "setup.py"
            or {"test", "tests", "doc", "docs", "launch"} & set(parts)
            or ".launch." in path.name
        ):
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        root = max((root for root in roots if path.is_relative_to(root)), key=lambda root: len(root.parts))
        arguments = ARGUMENTS.get(path.stem, [])
        module = ".".join(path.relative_to(root).with_suffix("").parts)
        if module in entries:
            start = f"import sys, {module}; sys.exit({module}.main())"
            words = ["-c", f"import wall_oss_ros.embedded.auto\n{start}", *arguments]
            yield Program(path, words, roots, folder)
        elif ("__main__" in text and "import rclpy" in text) or ("from rclpy" in text and "__main__" in text):
            yield Program(path, ["-m", "wall_oss_ros.embedded", str(path), *arguments], roots, folder)


def _entry_modules(setup: Path) -> Iterator[str]:
    """Modules whose ``main`` a set-up script makes a command."""
    try:
        tree = ast.parse(setup.read_text(encoding="utf-8"))
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found = re.fullmatch(r"\s*[\w-]+\s*=\s*([\w.]+)\s*:\s*main\s*", node.value)
            if found:
                yield found[1]


def start(program: Program, home: str, name: str = "program") -> subprocess.Popen:
    """Starts it; what it says goes to a file in its home."""
    path = os.pathsep.join(map(str, [ROOT, *program.roots]))
    interfaces = os.pathsep.join(filter(None, (os.environ.get("WALL_OSS_INTERFACES"), str(program.folder))))
    environment = {**os.environ, "PYTHONPATH": path, "WALL_OSS_INTERFACES": interfaces, "ROS_HOME": home}
    with open(Path(home, name), "wb") as output:
        return subprocess.Popen(
            [sys.executable, "-u", *program.words],
            cwd=home, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip


def stop(process: subprocess.Popen) -> bool:
    """Whether it ended when it was told to."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if process.poll() is None:
            process.send_signal(number)
        try:
            process.wait(timeout=10)
            return True
        except subprocess.TimeoutExpired:
            continue
    process.kill()
    process.wait()
    return False


def judge(name: str, output: str, status: int, told_to_end: bool, ended: bool) -> Outcome:
    """What a program's output, until it was told to end, and its exit status mean."""
    lines = [line.strip() for line in output.strip().splitlines() if line.strip()]
    last = lines[-1] if lines else ""
    if any(line.startswith("error: ") for line in lines[-1:]):
        return Outcome(name, "refused", last.removeprefix("error: "))
    refusal = re.match(r"(?:[\w.]*NotOffered\w*): (.*)", last)
    if refusal:
        return Outcome(name, "refused", refusal[1])
    if "Traceback" in output or not ended or (not told_to_end and status):
        return Outcome(name, "failed", last if ended else "did not end when it was told to")
    return Outcome(name, "runs", "")


def partner_of(program: Program, all_programs: list[Program]) -> Program | None:
    """The program that another one needs, the nearest in the folders."""
    ending = next((end for end in sorted(PARTNERS, key=len, reverse=True) if program.path.stem.endswith(end)), None)
    if ending is None and "client" in str(program.path.parent.name):
        ending = "client"
    if ending is None:
        return None
    stem = program.path.stem.removesuffix(ending) + PARTNERS[ending]
    kinds = (stem, PARTNERS[ending], "service", "service_member_function")
    near = [other for other in all_programs if other.path.stem in kinds and other is not program]
    here = program.path.parent.parts
    shared = {id(other): sum(a == b for a, b in zip(other.path.parent.parts, here)) for other in near}
    return max(near, key=lambda other: (shared[id(other)], -kinds.index(other.path.stem)), default=None)


def try_all(folders: list[Path], seconds: float) -> Iterator[Outcome]:
    for folder in folders:
        found = list(programs(folder))
        for program in found:
            with tempfile.TemporaryDirectory() as home:
                partner = partner_of(program, found)
                beside = start(partner, home, "partner") if partner else None
                process = start(program, home)
                told = ended = False
                try:
                    # What asks somebody ends by itself, once both have started and it has its answer.
                    process.wait(timeout=8 * seconds if beside else seconds)
                    ended = True
                except subprocess.TimeoutExpired:
                    told = True
                output = Path(home, "program").read_text(encoding="utf-8", errors="replace")
                ended = ended or stop(process)
                if beside is not None:
                    stop(beside)
            name = str(program.path.relative_to(folder.parent))
            yield judge(name, output, process.returncode, told, ended)


def table(outcomes: list[Outcome]) -> str:
    """The outcomes as Markdown: a line for each folder, and each program that does not run with what it said."""
    folders: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        folders.setdefault(outcome.name.split("/")[0], []).append(outcome)
    lines = ["| programs | all | run unchanged | refused in a line | fail |", "|---|---|---|---|---|"]
    for folder, own in folders.items():
        counts = [sum(each.result == result for each in own) for result in ("runs", "refused", "failed")]
        lines.append(f"| {folder} | {len(own)} | {' | '.join(map(str, counts))} |")
    others = [each for each in outcomes if each.result != "runs"]
    if others:
        lines += ["", "| does not run | what it says |", "|---|---|"]
        for each in others:
            words = re.sub(r"(/[\w.+-]+){2,}/", "", each.words).replace("|", "\\|")
            lines.append(f"| `{each.name}` | {each.result}: {words[:160]} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, help="folders of programs")
    parser.add_argument("--seconds", type=float, default=8.0, help="how long each runs (default: %(default)g)")
    parser.add_argument("--table", type=Path, help="a page that gets the table between its two marks")
    args = parser.parse_args()
    outcomes = []
    for outcome in try_all([folder.resolve() for folder in args.folders], args.seconds):
        print(f"{outcome.result:8} {outcome.name}  {outcome.words[:200]}", flush=True)
        outcomes.append(outcome)
    made = table(outcomes)
    print(f"\n{made}")
    if args.table:
        text = args.table.read_text(encoding="utf-8")
        before, rest = text.split(BEGIN)
        args.table.write_text(f"{before}{BEGIN}\n{made}\n{END}{rest.split(END)[1]}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
