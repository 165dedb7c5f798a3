"""What arrived? Bytes to instances: sniff, unpack, limits, duplicates, conflicts."""
