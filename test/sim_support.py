# SPDX-License-Identifier: Apache-2.0
"""The scripted expert in the model's place."""

from wall_oss_ros.sim.task import task_of
from wall_oss_ros.sim.tasks import parse_instruction


class Expert:
    """Answers as a model that is always right would: from the simulator's truth, not from the pictures."""

    def __init__(self, stage):
        self.stage, self.task, self.rate_hz = stage, task_of(stage.profile), stage.profile.rate_hz

    def knows(self, text):
        return []

    def plan(self, obs, instruction):
        return self.task.language.plan_text(self.stage.truth()[()], parse_instruction(instruction))

    def reason(self, obs, instruction):
        return self.task.language.active_subtask(self.stage.truth()[()], parse_instruction(instruction))

    def act(self, obs, subtask, steps, seed, previous):
        names, _ = self.task.subtasks(self.stage.truth()[()])
        return self.task.actions(self.stage.chunks()[names.index(subtask)])
