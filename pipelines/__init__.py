"""For those who make models: train, calibrate, evaluate, benchmark."""
