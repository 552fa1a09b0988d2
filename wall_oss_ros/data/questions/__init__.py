# SPDX-License-Identifier: Apache-2.0
"""Questions about pictures, as vision-language models are tuned on: conversations, and a folder of pictures."""
