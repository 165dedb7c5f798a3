"""The values that pass between rooms: frozen, typed, and free of any other import of ours."""
