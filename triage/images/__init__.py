"""What does it show? DICOM to pixels with geometry: headers, decoders, display rendering."""
