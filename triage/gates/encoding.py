"""Is the image one grey plane whose numbers mean what the header says?"""

from data_schemas.bundle import Values
from data_schemas.gate import GateResult
from data_schemas.study import InstanceHeader
from triage.gates.verdicts import marked, passed, stopped

GREY = ("MONOCHROME1", "MONOCHROME2")


def colour_gate(header: InstanceHeader, values: Values = Values.DISPLAY) -> GateResult:
    """Photometric Interpretation (0028,0004) is grey.

    Captures of grey pictures are often stored as colour; what a person sees of them may be read, once `grey_gate` has
    looked. The modality's own values are lost in them.
    """
    value = header.photometric_interpretation or "absent"
    if header.photometric_interpretation in GREY and header.samples_per_pixel == 1:
        return passed("colour", "grey image", value)
    if values is Values.MODALITY:
        return stopped("colour", f"stored as colour ({value}), which holds no {header.modality} values", value)
    return marked("colour", f"stored as colour ({value}); its pixels say whether it is grey", value)


def frames_gate(header: InstanceHeader) -> GateResult:
    """Exactly one frame."""
    if header.frames == 1:
        return passed("frames", "single frame", 1)
    return stopped("frames", f"{header.frames} frames; the model reads single images", header.frames)


def bits_gate(header: InstanceHeader) -> GateResult:
    """Bits Stored, Bits Allocated and High Bit agree (PS3.3 C.7.6.3, PS3.5 8.1.1)."""
    value = f"{header.bits_stored} of {header.bits_allocated}, high bit {header.high_bit}"
    if not 1 <= header.bits_stored <= header.bits_allocated:
        return stopped("bits", f"{header.bits_stored} bits stored do not fit {header.bits_allocated} allocated", value)
    if header.bits_stored < 8:
        return stopped("bits", f"only {header.bits_stored} bits a pixel: too few grey levels", value)
    if header.high_bit != header.bits_stored - 1:
        return marked("bits", f"unusual high bit {header.high_bit} for {header.bits_stored} bits stored", value)
    sign = "signed" if header.pixel_representation else "unsigned"
    return passed("bits", f"{header.bits_stored} bits, {sign}", value)


def processing_gate(header: InstanceHeader) -> GateResult:
    """Presentation Intent Type (0008,0068): a raw detector image is marked."""
    intent = header.presentation_intent.upper()
    if intent == "FOR PROCESSING":
        return marked("processing", "raw detector image (FOR PROCESSING), rendered here with its own range", intent)
    return passed("processing", "image for presentation" if intent else "no presentation intent stated", intent)


def polarity_gate(header: InstanceHeader) -> GateResult:
    """Says when the header asks for inversion, which display and network then both honour (PS3.3 C.7.6.3.1.2)."""
    value = "/".join(part for part in (header.photometric_interpretation, header.presentation_lut_shape) if part)
    if header.photometric_interpretation == "MONOCHROME1" or header.presentation_lut_shape == "INVERSE":
        return passed("polarity", f"inverted as the header asks ({value})", value)
    return passed("polarity", "white is high", value)


def burned_in_gate(header: InstanceHeader) -> GateResult:
    """Burned In Annotation (0028,0301): YES is marked, since writing may hide or mimic a finding."""
    value = header.burned_in_annotation.upper()
    if value == "YES":
        return marked("burned-in text", "the header says that text is burned into the image", value)
    return passed("burned-in text", "none stated", value or "absent")
