# SPDX-License-Identifier: Apache-2.0
"""The scripted expert in the model's place."""

from wall_oss_ros.sim.registry import task_of


class Expert:
    """Answers as a model that is always right would: from the simulator's truth, not from the pictures."""

    def __init__(self, environment):
        self.environment, self.task, self.rate_hz = (
            environment,
            task_of(environment.profile),
            environment.profile.rate_hz,
        )

    lists_instructions = False
    judges_plans = False

    def understood(self, text, kind):
        return text, ""

    def plan(self, obs, instruction):
        return self.task.language.plan_text(self.environment.truth()[()], self.task.language.parse(instruction))

    def reason(self, obs, instruction):
        return self.task.language.active_subtask(self.environment.truth()[()], self.task.language.parse(instruction))

    def act(self, obs, subtask, steps, seed, previous):
        names, _ = self.task.subtasks(self.environment.truth()[()])
        return self.task.actions(self.environment.chunks()[names.index(subtask)])
