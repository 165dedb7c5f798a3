"""The one base of every value in this folder."""

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A frozen value that refuses unknown fields, so that a misspelt key is an error and never a silent default."""

    model_config = ConfigDict(frozen=True, extra="forbid")
