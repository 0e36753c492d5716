"""Who is measured: default JPEG, profiles and rivals as the entries of a grid, rivals that learn fitted for each model.

A fit is kept in the cache as the codec's configuration, under what it was learned from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from j4d.codecs.chosen import ChosenJPEG
from j4d.codecs.default import DefaultJPEG
from j4d.codecs.learned import LearnedJPEG
from j4d.codecs.protocol import Codec
from j4d.errors import ParameterError, ProfileError
from j4d.evaluation.comparison import FEWEST_POINTS
from j4d.evaluation.grid import GridModel
from j4d.evaluation.identity import digest, software_identity
from j4d.evaluation.measurements import Measurements
from j4d.evaluation.measuring import GridCodec
from j4d.evaluation.metrics import short_name
from j4d.evaluation.stored import CHOSEN, UNADAPTED
from j4d.images.image_set import ImageSet
from j4d.profile.profile import Profile
from j4d.readers.encoder_judge import EncoderJudge
from j4d.readers.loading import SpecLoader
from j4d.rivals import registry as rivals
from j4d.support.specifications import parse_arguments
from j4d.support.versions import package_versions

ALL = "all"
OWN = "own"  # of judges: each model itself


@dataclass
class Contenders:
    """Entries of a grid, and what is to be recorded of each by name (`j4d.evaluation.stored` reads it)."""

    entries: list[GridCodec] = field(default_factory=list)
    roles: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def add(self, codec: Codec, role: Mapping[str, Any], models: frozenset[int] | None = None) -> None:
        self.entries.append(GridCodec(codec, models))
        self.roles[codec.name] = role

    def add_default(self, codec: DefaultJPEG) -> None:
        """The reference."""
        self.add(codec, {"role": "reference"})

    def add_profile(
        self, profile: Profile, name: str, *, seed: int = 0, deterministic: bool = False, adapt: str = "yes"
    ) -> None:
        """A profile, on all models: on its own, and on others; with points between where it has few.

        adapt: "yes" moves pictures along it if it has learned to, "no" does not, "both" measures it both ways.
        """
        source = profile.provenance
        learned = {"learned_on": short_name({"model": source.model}), "model_fingerprint": source.model_fingerprint}
        given: dict[str, Any] = {"seed": seed, "deterministic": deterministic, "at_least": FEWEST_POINTS}
        self.add(LearnedJPEG(profile, name=name, adapt=adapt != "no", **given), {"role": "profile", **learned})
        if adapt == "both" and profile.adaptation is not None:
            fixed = LearnedJPEG(profile, name=f"{name}, not adapted", adapt=False, **given)
            self.add(fixed, {"role": UNADAPTED, **learned})

    def add_chosen(self, profile: Profile, name: str, judges: Sequence[GridJudge]) -> list[str]:
        """A profile whose pictures' places are chosen by each of the judges that it knows; what was left out, and why.

        ProfileError where it knows none of them, and there are some.
        """
        source = profile.provenance
        learned = {"learned_on": short_name({"model": source.model}), "model_fingerprint": source.model_fingerprint}
        reasons = []
        for asked in judges:
            try:
                codec = ChosenJPEG(profile, asked.judge, name=f"{name}, chosen by {asked.name}", at_least=FEWEST_POINTS)
            except ProfileError as error:
                reasons.append(str(error))
                continue
            self.add(codec, {"role": CHOSEN, **learned}, asked.models)
        if judges and len(reasons) == len(judges):
            raise ProfileError(reasons[0])
        return reasons


@dataclass(frozen=True)
class GridJudge:
    """A judge, what it is called in names of codecs, and which models it is measured on; None: on all."""

    judge: EncoderJudge
    name: str
    models: frozenset[int] | None = None


def judges_of(specs: Sequence[str], models: Sequence[GridModel], options: Mapping[str, Any]) -> list[GridJudge]:
    """The judge that is the mean of the models with these specs; for OWN each model of the grid, measured on itself.

    Raises ModelError, and ParameterError for OWN among others.
    """
    if not specs:
        return []
    if OWN not in specs:
        judge = EncoderJudge.from_specs(specs, options)
        return [GridJudge(judge, judge.name)]
    if len(specs) > 1:
        raise ParameterError(f"--judge {OWN} is each model that is measured, alone; give it without others")
    found = []
    for number, model in enumerate(models):
        load = model.subject.load
        source = load if isinstance(load, SpecLoader) else load()  # a loader goes to other processes as its spec
        found.append(GridJudge(EncoderJudge([source], model.subject.name), "the model", frozenset([number])))
    return found


def rival_names(asked: Sequence[str]) -> tuple[list[str], list[str]]:
    """(names, reasons): which rivals are meant, "all" being those that can run here, and why others cannot.

    A name may have the rival's own options behind it, NAME?option=value.
    Default JPEG is not among all: it is the reference. ParameterError for one that is asked for and cannot run.
    """
    chosen: list[str] = []
    reasons: list[str] = []
    for name in asked:
        if name == ALL:
            others = [other for other in rivals.names() if other != DefaultJPEG.id]
            reasons += [reason for other in others if (reason := rivals.missing(other))]
            chosen += [other for other in others if not rivals.missing(other)]
        elif reason := rivals.missing(_asked(name)[0]):
            raise ParameterError(f"--rival {name}: {reason}")
        else:
            chosen.append(name)
    chosen = list(dict.fromkeys(chosen))
    for text in chosen:
        same = [other for other in chosen if _asked(other)[0] == _asked(text)[0]]
        if len(same) > 1:
            raise ParameterError(f"--rival {' and --rival '.join(same)} in one run: their curves would have one name")
    return chosen, reasons


def add_rivals(
    contenders: Contenders,
    names: Sequence[str],
    *,
    sampling: str,
    models: Sequence[GridModel],
    learning: ImageSet | None,
    points: int = 12,
    seed: int = 0,
    cache: Path | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> None:
    """The rivals `names`: on all models, or where they learn fitted for each and measured on it alone.

    learning: images, not those measured on. say: told what is being done. Raises ParameterError where one learns and
    there are none.
    """
    store = None if cache is None else Measurements(cache)
    try:
        for asked in names:
            name, _ = _asked(asked)
            if not rivals.learns(name):
                codec = _made(asked, sampling=sampling, points=points)
                contenders.add(codec, {"role": "rival", "rival": name})
                continue
            if learning is None:
                raise ParameterError(f"--rival {name} learns from images: name a folder with --learn-images")
            for number, model in enumerate(models):
                say(f"{name}: learning for {model.subject.name}")
                codec = _fitted(asked, model, learning, sampling, points, seed, store)
                contenders.add(codec, {"role": "rival", "rival": name}, frozenset([number]))
    finally:
        if store is not None:
            store.close()


def _asked(text: str) -> tuple[str, dict[str, Any]]:
    """A rival's name, and the options behind it. Raises ParameterError."""
    name, _, query = text.partition("?")
    try:
        return name, parse_arguments(query)
    except ValueError as error:
        raise ParameterError(f"--rival {text}: {error}") from None


def _made(asked: str, **given: Any) -> Codec:
    name, options = _asked(asked)
    try:
        made: Codec = rivals.make(name, **given, **options)
    except TypeError as error:
        if not options:
            raise
        raise ParameterError(f"--rival {asked}: {error}") from error  # a text where a number belongs
    return made


def _fitted(
    asked: str, model: GridModel, images: ImageSet, sampling: str, points: int, seed: int, store: Measurements | None
) -> Codec:
    key = None
    if store is not None and model.subject.identity is not None:
        labels = None if images.labels is None else images.labels.tolist()
        source = (model.subject.identity, images.fingerprint, labels, sorted(package_versions("torch").items()))
        key = digest("fit", asked, sampling, points, seed, *source, software_identity())
        config = store.get(key)
        if isinstance(config, dict):
            try:
                found: Codec = rivals.from_config(config)
                return found
            except (KeyError, TypeError, ValueError):  # not what was put there
                pass
    learning = rivals.Learning(model.subject.load(), images, seed=seed)
    fitted = _made(asked, sampling=sampling, learning=learning, points=points)
    if store is not None and key is not None:
        store.put(key, fitted.get_config())
    return fitted
