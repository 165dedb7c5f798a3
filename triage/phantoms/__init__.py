"""Drawn studies, marked PHANTOM wherever a person looks.

For a machine without data: they show how the program works, never how well a model does.
"""
