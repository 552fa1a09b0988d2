"""The two-handed task: a wide tray is taken by its side walls and lifted level by two arms."""
