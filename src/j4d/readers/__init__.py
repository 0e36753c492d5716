"""Vision models: their sources, their preprocessing, their answers, and judges made of them."""
