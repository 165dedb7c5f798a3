"""What programs ask over HTTP: the door, uploads, pixels, maps, health."""
