"""Claims about several ranks, run by tests/support/test_ranks.py in one process and, with torchrun, in two."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from changes import changed
from toys import Frequencies, Toy

from j4d import SimulatedJPEG, learn
from j4d.images.image_set import ImageSet
from j4d.jpeg.parameters import EncodingParameters
from j4d.learning.optimizer import Optimizer
from j4d.learning.recipe import Recipe
from j4d.learning.start import sensitivity
from j4d.learning.task import Classification
from j4d.learning.validation import FileEvaluator
from j4d.rate.model import RateModel
from j4d.rate.spectrum import Spectrum
from j4d.support import ranks


def everything(images: list[np.ndarray], out: str | None = None) -> dict[str, np.ndarray]:
    """Each part of learning by itself, and a whole run with a checkpoint named after `out`."""
    pictures = ImageSet.from_arrays(images, np.arange(len(images)) % 6)
    models = [Toy().eval(), Frequencies([(0, 1), (3, 3)])]
    tasks = [Classification(models[0], pictures.labels.tolist()), Classification(models[1])]
    parameters = [EncodingParameters.from_quality(q) for q in (10, 40)]
    spectrum = Spectrum.of(images, "4:2:0")
    rate_model = RateModel.fit(spectrum, images, parameters)
    jointly = changed(parameters[1], trellis=30.0, masking=302.0, dc_trellis=8.0)
    found = {
        "trellis shares": np.array([spectrum.trellis_share(jointly), spectrum.dc_share(jointly)]),
        "bits": torch.stack([t.ac for t in spectrum.bits([torch.full((8, 8), 9.0)] * 2, 8.0)]).numpy(),
        "symbols": torch.stack(list(vars(spectrum.symbol_bits([torch.full((8, 8), 9.0)] * 2, 8.0)).values())).numpy(),
        "rate model": np.array([rate_model.ac, rate_model.dc, rate_model.block, rate_model.file]),
        "sensitivity": sensitivity(pictures, tasks[1], parameters[1]).numpy(),
    }
    for combine in ("mean", "worst"):
        recipe = Recipe(steps=12, batch_size=5, combine=combine)
        optimizer = Optimizer(pictures, tasks, spectrum, rate_model, recipe, weights=[1, 3])
        judge = FileEvaluator(models, pictures, None, rate_model, "4:2:0", torch.device("cpu"), optimizer.objective)
        jpeg = SimulatedJPEG(parameters[0], forward="soft", learn_sharpness=True)
        *_, last = optimizer.run(jpeg, 1, 0.5, 0.8)
        found[f"steps, {combine}"] = jpeg.steps.detach().numpy()
        found[f"course, {combine}"] = np.array([last.loss, last.bpp, last.lagrangian])
        found[f"files, {combine}"] = judge.files(parameters[1])
    checkpoint = None if out is None else Path(f"{out}.rank{ranks.rank()}.checkpoint")
    options = {"rates": [0.6, 1.2], "steps": 4, "batch_size": 5, "trial_pictures": 8, "holdout": 0.3}
    profile = learn(Toy(), images, **options, checkpoint=checkpoint)
    found["tables"] = np.array([(p.parameters.luma.steps, p.parameters.chroma.steps) for p in profile.points], float)
    found["measured"] = np.array([list(p.measured.values()) for p in profile.points])
    found["date"] = np.array(profile.provenance.date)
    return found


if __name__ == "__main__":
    with ranks.joined():
        result = everything(list(np.load(sys.argv[1])), sys.argv[2])
        np.savez(f"{sys.argv[2]}.rank{ranks.rank()}", size=ranks.size(), **result)
