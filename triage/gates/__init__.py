"""May a model speak about it? One small file per gate."""
