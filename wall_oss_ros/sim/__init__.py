# SPDX-License-Identifier: Apache-2.0
"""The simulated robot at its table: scenes, physics, pictures, scripted experts, data to learn from, evaluation.

- task: its scenes, what may be asked for and how it is judged; ``registry`` knows all; each is a folder, with the same
  files
- scene: what stands on the table, and where; ``simulator``: the robot in it, by MuJoCo
- environment: a robot with random scenes, an expert and labels, from which frames are taken (``demonstrations``)
- language: the record that comes with each picture, and what is said about it; ``datasets``: many of them
- driver: a real driver's face on the simulator, for the nodes
- engine: MuJoCo, and the library that draws; what is only said about scenes does without, and is imported in no time
"""
