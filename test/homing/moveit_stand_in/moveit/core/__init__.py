# SPDX-License-Identifier: Apache-2.0
"""As moveit.core: robot states and models."""
