# SPDX-License-Identifier: Apache-2.0
"""What a robot's sensors say, brought together: synchronised views, the joints at that moment, and the age of both."""
