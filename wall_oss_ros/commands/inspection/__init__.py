# SPDX-License-Identifier: Apache-2.0
"""What is in a checkpoint, and what in it looks wrong."""
