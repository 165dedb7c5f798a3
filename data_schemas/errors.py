"""Errors that a person can cause: one small family, each with one sentence that names the fault and the way out.

TriageError
├── RefusedFile        a file that intake does not take
├── UnreadablePixels   a stored instance whose pixels cannot be decoded
├── BundleError        a model bundle that must not be used
├── NotFound           a study, finding or method that is not there
└── SettingsError      a setting that cannot work
"""


class TriageError(Exception):
    """A fault with a sentence for the person (`str(error)`) and plain fields for the trail.

    The sentence never holds patient data: it may name a file as the person named it, a DICOM attribute or a limit.
    """

    def __init__(self, sentence: str, **fields: str | int | float) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.fields = fields


class RefusedFile(TriageError):
    """Intake does not take this file; the rest of the upload goes on."""


class UnreadablePixels(TriageError):
    """The instance is stored, but its pixels cannot be decoded within the limits."""


class BundleError(TriageError):
    """The bundle must not be used, for exactly this reason."""


class NotFound(TriageError):
    """What was asked for is not there."""


class SettingsError(TriageError):
    """A setting cannot work as given."""
