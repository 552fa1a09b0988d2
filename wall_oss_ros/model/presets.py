# SPDX-License-Identifier: Apache-2.0
"""The released models' configurations as data: config/models/*.json, in the layout of a released config.json.

For building a model of that size without its weights: benchmarks, tests, training from the start. A checkpoint's own
config.json always wins. A file's ``_sources`` say where its values come from, ``_assumed`` what nobody has published.
"""

from __future__ import annotations

import json

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.model.config import WallOSSConfig
from wall_oss_ros.paths import data_path


def preset_names() -> list[str]:
    """The presets there are, such as ``wall-oss-flow``."""
    return sorted(file.stem for file in data_path("config/models").glob("*.json"))


def load_preset(name: str) -> WallOSSConfig:
    """The configuration of that name.

    Raises:
        WallOSSError: there is none.
    """
    if name not in preset_names():
        raise WallOSSError(f'There is no model preset "{name}".', f"Known ones: {', '.join(preset_names())}.")
    values = json.loads((data_path("config/models") / f"{name}.json").read_text(encoding="utf-8"))
    return WallOSSConfig.from_dict({key: value for key, value in values.items() if not key.startswith("_")})
