"""JPEG in PyTorch: transform, probabilistic quantizer, entropy of the indices."""
