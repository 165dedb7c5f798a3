"""Who is next? Levels and the decision for one study."""
