# SPDX-License-Identifier: Apache-2.0
"""The model's side in one process: nodes planner and action_expert on one copy of the weights."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial

from wall_oss_ros.nodes.action_expert import ActionExpertNode
from wall_oss_ros.nodes.parameters import load_policy
from wall_oss_ros.nodes.planner import PlannerNode
from wall_oss_ros.nodes.running import run


class SharedPolicies:
    """Loads each checkpoint once; who asks for it again gets a twin, which computes beside the first.

    Args:
        load: as :func:`load_policy`.
    """

    def __init__(self, load: Callable = load_policy):
        self._load, self._loaded = load, {}

    def __call__(self, *arguments):
        *settings, profile = arguments
        key = (*settings, profile.model_dump_json())
        if key in self._loaded:
            return self._loaded[key].twin()
        self._loaded[key] = self._load(*arguments)
        return self._loaded[key]


def main() -> int:
    policies = SharedPolicies()
    nodes = partial(PlannerNode, policies), partial(ActionExpertNode, policies)
    # The planner tells its clients how their instructions end, also when the process is told to.
    return run(*nodes, last_words=True)


if __name__ == "__main__":
    sys.exit(main())
