"""What the model learns from: frames, the language about them, and its tokenizer."""
