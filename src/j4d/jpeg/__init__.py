"""JPEG bytes in and out, without PyTorch: parameters, encoding, transcoding, markers."""
