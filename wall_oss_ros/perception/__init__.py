# SPDX-License-Identifier: Apache-2.0
"""What a robot's sensors say, brought together: views that belong together, joint states, and the age of both."""
