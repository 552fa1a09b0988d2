# SPDX-License-Identifier: Apache-2.0
"""Questions about simulated scenes to trained models, and how their answers are judged."""
