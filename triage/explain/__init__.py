"""Where did it look? One method per file."""
