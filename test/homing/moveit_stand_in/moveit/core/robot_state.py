# SPDX-License-Identifier: Apache-2.0
"""As moveit_py/src/moveit/moveit_core/robot_state/robot_state.cpp."""


class RobotState:
    def __init__(self, robot_model, /):
        self._positions = dict.fromkeys(robot_model._joints, 0.0)
        self._model, self.dirty = robot_model, True

    def __copy__(self):
        copied = RobotState(self._model)
        copied._positions = dict(self._positions)
        return copied

    @property
    def robot_model(self):
        return self._model

    @property
    def joint_positions(self):
        """A copy, as of the bindings' std::map: writing into it changes nothing."""
        return dict(self._positions)

    @joint_positions.setter
    def joint_positions(self, values):
        for name, value in values.items():
            if name not in self._positions:
                raise RuntimeError(f"Variable '{name}' is not known to model")
            if not isinstance(value, (float, int)):
                raise TypeError("incompatible function arguments")
            self._positions[name] = float(value)
        self.dirty = True

    def update(self, force=False, type="all"):
        if type not in ("all", "links_only", "collisions_only"):
            raise ValueError("Invalid category")
        self.dirty = False
