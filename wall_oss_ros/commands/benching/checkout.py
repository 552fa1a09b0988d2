# SPDX-License-Identifier: Apache-2.0
"""The checkout whose code is measured."""

from __future__ import annotations

import subprocess
from pathlib import Path

from wall_oss_ros.errors import WallOSSError

ROOT = Path(__file__).resolve().parents[3]


def commit(root: Path = ROOT) -> str:
    """The commit's short name; ``+changes`` behind it where code differs from it.

    Raises:
        WallOSSError: this is no checkout of git, so nobody could say which code it is.
    """

    def git(*words: str) -> str:
        try:
            return subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True).stdout.strip()
        except (OSError, subprocess.CalledProcessError) as error:
            raise WallOSSError(f"git does not say which code this is: {error}.", "Run it in a checkout.") from None

    changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs", ":!*.md")
    return git("rev-parse", "--short=7", "HEAD") + ("+changes" if changed else "")


def benchmarks(root: Path = ROOT) -> Path:
    """The folder of benchmarks.

    Raises:
        WallOSSError: there is none: the project was installed without it.
    """
    folder = root / "benchmarks"
    if not (folder / "result_form.py").is_file():
        raise WallOSSError(
            "The benchmarks are not part of an installation.", "Run ./wall-oss bench in a clone of the project."
        )
    return folder
