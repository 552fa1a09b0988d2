# SPDX-License-Identifier: Apache-2.0
"""An embodiment as data: what a robot has, where it may go, how it is commanded."""
