# SPDX-License-Identifier: Apache-2.0
"""Training in WALL-OSS's two stages: Inspiration (language about what is seen), then Integration (motion)."""
