"""Stored pixels for the page's own windowing: one answer an image, the facts that say how to read it, then the values.

The body is a JSON text behind its length (4 bytes, little-endian), filled up with spaces to a multiple of 8 bytes, and
then the pixels as stored, row by row, little-endian. A browser keeps both, so that an image crosses the wire once.
"""

import json
import struct
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from data_schemas.errors import NotFound, RefusedFile
from data_schemas.study import InstanceHeader, StoredInstance
from triage.images.display import full_range, inverted, modality_values
from triage.images.elements import texts
from triage.images.opening import ReadLimits, open_dataset
from triage.images.pixels import Lut, StoredPixels
from triage.store.studies import stored_instance
from triage.web.answers import whole
from triage.web.site import Site
from triage.web.stacks import CONTENT

KEPT_S = 3600
"""Longer than an image is read, shorter than a patient's pixels should lie in a browser."""
PROJECTIONS = frozenset({"CR", "DR", "DX", "IO", "MG", "PX", "RF", "RG", "XA", "XC"})
"""Modalities whose pixels lie at a detector, in front of which the patient is magnified."""
At = Literal["patient", "detector", "stated"]


class Spacing(NamedTuple):
    """Millimetres between rows, then columns, and where: in the patient, at the detector, or the file does not say."""

    mm: tuple[float, float]
    at: At


async def frame(site: Site, request: Request) -> Response:
    """One frame as stored, with what a browser must know to show it as `triage.images.display` does."""
    instance = await run_in_threadpool(stored_instance, site.store, request.path_params["sop_uid"])
    content = instance.sha256[:CONTENT]
    if request.query_params.get("v") != content:
        raise NotFound("the image has another content than the page knows; load the page again")
    place = whole(request, "frame", 0, 0, instance.header.frames - 1)
    tag = f'"{content}-{place}"'
    headers = {
        "ETag": tag,
        "Cache-Control": f"private, max-age={KEPT_S}, immutable",
        "Content-Encoding": "identity",  # the built-in compression takes half a second for ten megabytes
    }
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)

    def read() -> bytes:
        stored = site.pool.read(instance.path, instance.header, frame=place)
        return packed(stored, spacing_of(instance, place, site.pool.limits))

    return Response(await site.in_turn(read), media_type="application/octet-stream", headers=headers)


def packed(stored: StoredPixels, spacing: Spacing | None) -> bytes:
    """Facts and values as one block."""
    values = np.ascontiguousarray(stored.values)
    if values.dtype == np.int8:  # the browser reads u1, u2, i2 and i4
        values = values.astype(np.int16)
    values = values.astype(values.dtype.newbyteorder("<"), copy=False)
    text = json.dumps(facts(stored, values, spacing), allow_nan=False).encode()
    text += b" " * (-(len(text) + 4) % 8)
    return b"".join((struct.pack("<I", len(text)), text, values.tobytes()))


def facts(stored: StoredPixels, values: NDArray[Any], spacing: Spacing | None) -> dict[str, Any]:
    """How the values that follow become what a person sees."""
    look = stored.look
    low, high = full_range(modality_values(stored), stored)
    return {
        "rows": values.shape[0],
        "columns": values.shape[1],
        "kind": values.dtype.str[1:],
        "colour": values.ndim == 3,
        "stored": [int(values.min()), int(values.max())],
        "slope": look.slope,
        "intercept": look.intercept,
        "modality_lut": table(look.modality_lut) if look.modality_lut else None,
        "voi_luts": [table(lut) for lut in look.voi_luts],
        "windows": [{"center": one.center, "width": one.width, "words": one.explanation} for one in look.windows],
        "function": look.voi_function,
        "range": [float(low), float(high)],
        "inverted": inverted(stored.header),
        "padding": look.padding,
        "spacing": spacing._asdict() if spacing else None,
    }


def table(lut: Lut) -> dict[str, Any]:
    """A lookup table as JSON."""
    return {"first": lut.first, "bits": lut.bits, "entries": lut.entries.tolist()}


def spacing_of(instance: StoredInstance, frame: int, limits: ReadLimits) -> Spacing | None:
    """The frame's spacing; None where the file states none."""
    header = instance.header
    plane = header.planes[frame] if frame < len(header.planes) else None
    if plane is not None:
        return Spacing(plane.spacing_mm, "patient")
    if header.pixel_spacing_mm is None:
        return None
    if header.modality not in PROJECTIONS:
        return Spacing(header.pixel_spacing_mm, "patient")
    return Spacing(header.pixel_spacing_mm, projected(instance, header, limits))


def projected(instance: StoredInstance, header: InstanceHeader, limits: ReadLimits) -> At:
    """What a projection's spacing is of (PS3.3 10.7.1.3): corrected for magnification where Pixel Spacing differs from
    Imager Pixel Spacing or says how it was calibrated, else the detector's."""
    try:
        opened = open_dataset(instance.path, limits)
    except RefusedFile:
        return "stated"
    with opened.source:
        pixel, imager = texts(opened.dataset, "PixelSpacing"), texts(opened.dataset, "ImagerPixelSpacing")
        calibrated = bool(texts(opened.dataset, "PixelSpacingCalibrationType"))
    if not pixel or pixel == imager:
        return "detector"
    return "patient" if imager or calibrated else "stated"
