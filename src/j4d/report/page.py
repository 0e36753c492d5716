"""One self-contained HTML page of one or several evaluations: no network, no build step, the same bytes each time.

The template, the style and the script lie in `assets/` as plain files. Style and script are put inline and allowed by
their hashes; the page's own policy forbids everything else, so that neither a name in a file nor the page itself can
load or send anything. Text is escaped by Jinja, data by its `tojson`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from j4d._version import __version__
from j4d.errors import DataError
from j4d.evaluation.results import Evaluation
from j4d.profile.profile import Profile
from j4d.report.page_data import view
from j4d.support.printable import printable_lines, printable_values

SCRIPTS = ("base.js", "chart.js", "curves.js", "tables.js", "photographs.js", "page.js")


def render_page(
    evaluations: Sequence[Evaluation],
    *,
    profiles: Mapping[str, Profile] | None = None,
    photographs: Mapping[int, Mapping[str, Any]] | None = None,
    command: str = "",
) -> bytes:
    """The page as UTF-8 HTML, the first evaluation shown first.

    profiles: by the path shown; each must be measured in one of the evaluations. photographs: what
    `page_photographs.photographs` gave, by the position of the evaluation it belongs to. command: what makes this
    page again, shown as it is. Raises DataError where there is no evaluation, one holds no codec, no image or a figure
    that is not finite, or a profile is in none.
    """
    if not evaluations:
        raise DataError("a page needs at least one evaluation, got none")
    for number, evaluation in enumerate(evaluations):
        if not evaluation.codecs or not len(evaluation.pixels):
            raise DataError(f"evaluation {number + 1} is empty: {len(evaluation.codecs)} codecs, no page to make")
        _check(evaluation)
    profiles = profiles or {}
    views = [view(evaluation, profiles) for evaluation in evaluations]
    for path in profiles:
        if not any(path == learning["path"] for one in views for learning in one["learning"]):
            raise DataError(f"{path}: this profile is not measured in any of the evaluations; leave it out")
    for number, shown in (photographs or {}).items():
        views[number]["photographs"] = shown
    views = [printable_values(one) for one in views]
    style, script = _asset("page.css"), "\n".join(_asset(name) for name in SCRIPTS)
    template = _environment().from_string(_asset("page.html"))
    page = template.render(
        views=views,
        data={"views": views},
        command=printable_lines(command),
        version=__version__,
        style=Markup(style),
        script=Markup(script),
        policy=content_policy(style, script),
    )
    return page.encode("utf-8", "replace")


def _check(evaluation: Evaluation) -> None:
    for codec in evaluation.codecs:
        for name, values in codec.metrics.items():
            if not np.isfinite(values).all():
                raise DataError(f"damaged evaluation: {name} of {codec.name!r} is not finite everywhere")


def content_policy(style: str, script: str) -> str:
    """The page's content security policy: this style, this script, embedded pictures, nothing else."""
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _asset(name: str) -> str:
    return (resources.files("j4d.report") / "assets" / name).read_text("utf-8")


def _environment() -> Environment:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.policies["json.dumps_kwargs"] = {
        "allow_nan": False,
        "separators": (",", ":"),
        "sort_keys": True,
    }
    return environment
