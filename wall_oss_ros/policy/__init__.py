"""From an observation and words to subtasks, answers and action chunks."""
