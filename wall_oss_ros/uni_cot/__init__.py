# SPDX-License-Identifier: Apache-2.0
"""Uni-CoT: from an instruction to subtasks to motion, all by the one model."""
