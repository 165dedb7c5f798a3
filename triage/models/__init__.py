"""What does the model say? Bundle, chain and its inverse, runtimes, calibration, distance to the training data."""
