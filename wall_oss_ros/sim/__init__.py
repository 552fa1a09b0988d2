# SPDX-License-Identifier: Apache-2.0
"""The simulated robot at its table: scenes, physics, pictures, scripted experts, data to learn from, evaluation.

- task: its scenes, what may be asked for and how it is judged; ``registry`` knows all; each is a folder, with the same
  files
- scene: what stands on the table, and where; ``simulator``: the robot in it, by MuJoCo
- environment: a robot with random scenes, an expert and labels, from which frames are taken (``demonstrations``)
- language: the record that comes with each picture, and what is said about it; ``datasets``: many of them
- driver: a real driver's face on the simulator, for the nodes

MuJoCo reads ``MUJOCO_GL`` once, when it is first imported, so the off-screen back-end is chosen here, before any module
of this package imports it.
"""

from wall_oss_ros.sim.opengl import choose_backend

choose_backend()
