"""Training in WALL-OSS's two stages: Inspiration (language about what is seen), then Integration (motion)."""
