"""The page: its sections in order, a head, and how it was made.

Takes     an MDP, and what is known of it or was found on it.
Gives     one HTML document as text.
Not here  the sections themselves (`_model`, `_optimum`, `_verification`), writing files (`_save`).
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

import numpy as np

from ..certificates import Certificate
from ..checks import check_model
from ..errors import ConvergenceError, ModelError
from ..hardness import describe
from ..markup import Html, facts, tag
from ..model import MDP, sizes
from ..planning import Solution, solve
from ..verify import GradientReport, Verdict
from ..words import number, upper
from ._model import model_section, structure_section
from ._optimum import discounts_section, optimum_section
from ._style import POLICY, STYLE
from ._verification import GOOD, mark, report_section, verdicts_section

Verification = GradientReport | Verdict | Mapping[str, Verdict]


class Section(NamedTuple):
    """A part of the page."""

    anchor: str
    title: str
    body: list[Html]


def page(
    mdp: MDP,
    *,
    title: str = "",
    solution: Solution | None = None,
    verification: Verification | None = None,
    policy: str = "",
    seed: int | None = None,
    call: str = "",
    date: str = "",
    pictures: bool = True,
    progress: Callable[[str], object] | None = None,
) -> str:
    """A model, its optimum and perhaps a verification as one HTML document.

    Parameters
    ----------
    mdp : MDP
    title : str
        What the model is called.
    solution : Solution, optional
        Its optimum; `mdptools.solve` is asked if omitted.
    verification : GradientReport, Verdict, or dict of str to Verdict, optional
        What was found about estimators on this model.
    policy : str
        With which policy, in words.
    seed : int, optional
        With which seed.
    call, date : str
        What made the page, and when, if that is to be told: nobody looks at a clock here, so that
        the same call gives the same page.
    pictures : bool
        Whether to draw; without matplotlib, a line says so in their place.
    progress : function of str, optional
        Told what is being done.

    Returns
    -------
    str
        HTML with all styles and pictures inside. Its security policy forbids network and scripts.

    Raises
    ------
    ModelError
        If an argument is not what it must be.

    Notes
    -----
    Everything that comes from outside is escaped. What is left out of a large model is said where
    it would stand: tables end after 100 rows, graphs are drawn up to 12 states, discounts sought
    up to 12. Where no finite optimum exists, the page says why. Time is that of `mdptools.solve`
    and `hardness.describe`, and some tenths of a second for each picture.

    Examples
    --------
    >>> from mdptools.problems import line_world
    >>> text = page(line_world(), title="A line", pictures=False)
    >>> text[:15], "<h1>A line</h1>" in text, "<script" in text
    ('<!doctype html>', True, False)
    """
    check_model(mdp)
    say = progress or (lambda _: None)
    if solution is not None and not isinstance(solution, Solution):
        raise ModelError(f"solution is {solution!r:.80}; it must be a Solution, as of solve(mdp).")
    verdicts = _verdicts(verification)
    say("the optimum")
    found, missed, why = (solution, "", "") if solution is not None else _solved(mdp)
    say("its structure")
    description = describe(mdp)
    sections = [Section("model", "The model", list(model_section(mdp, description)))]
    if isinstance(verification, GradientReport):
        body = list(report_section(verification, policy, pictures=pictures))
        sections.append(Section("estimators", "Estimators", body))
    elif verdicts:
        sections.append(
            Section(
                "verdicts", "Verdicts", list(verdicts_section(verdicts, policy, pictures=pictures))
            )
        )
    body = list(structure_section(mdp, description, pictures=pictures))
    sections.append(Section("structure", "Structure", body))
    say("values and pictures")
    optimum = [tag("p", f"There is no finite optimum. {why}")]
    if found is not None:
        optimum = list(optimum_section(mdp, found, missed, pictures=pictures))
    sections.append(Section("optimum", "The optimum", optimum))
    if mdp.horizon is None:
        say("other discounts")
        body = list(discounts_section(mdp, pictures=pictures))
        sections.append(Section("discounts", "Other discounts", body))
    proofs = list(_certificates(found, verification))
    if proofs:
        sections.append(Section("certificates", "Certificates", [_proofs(proofs)]))
    made = [_made(seed, call, date, pictures)]
    sections.append(Section("made", "How this page was made", made))
    name = title or "A Markov decision process"
    glance = _glance(mdp, found, verification, verdicts)
    return _document(name, sizes(mdp), glance, sections)


def _verdicts(verification: object) -> dict[str, Verdict]:
    """Verdicts by name."""
    match verification:
        case None | GradientReport():
            return {}
        case Verdict():
            return {"The estimator": verification}
        case Mapping() if all(isinstance(one, Verdict) for one in verification.values()):
            return {str(name): one for name, one in verification.items()}
    raise ModelError(
        f"verification is of type {type(verification).__name__}; it must be a GradientReport, a "
        f"Verdict, or a dict of names to Verdicts."
    )


def _solved(mdp: MDP) -> tuple[Solution | None, str, str]:
    """The optimum; what it misses of the tolerance; why there is none."""
    try:
        found = solve(mdp)
        stopped = found.reason.partition("; stopped by ")[2]  # Ctrl-C ends the search, no more
        return found, f"The search was stopped by {stopped}." if stopped else "", ""
    except ConvergenceError as error:
        words = str(error).partition(" error.solution ")[0]
        if isinstance(error.solution, Solution):
            return error.solution, words, ""
        return None, "", words
    except ModelError as error:
        return None, "", str(error)


def _glance(
    mdp: MDP,
    found: Solution | None,
    verification: Verification | None,
    verdicts: Mapping[str, Verdict],
) -> Html:
    """The few numbers that a reader looks for first."""
    items: list[tuple[str, object]] = []
    if found is not None:
        kind, bound = found.certificate.kind, found.certificate.bound
        proof = f"{kind}, within {upper(bound)}" if bound < np.inf else "nothing is proved"
        label = "optimal gain J*" if mdp.objective == "average" else "optimal return J*"
        items.append((label, _two(number(found.J), proof)))
    items.append(("states", f"{mdp.n_states:,}"))
    items.append(("actions", f"{mdp.n_actions:,}"))
    words = {"discounted": f"gamma {mdp.gamma:.12g}", "finite": f"horizon {mdp.horizon}"}
    items.append(("objective", _two(mdp.objective, words.get(mdp.objective, ""))))
    if isinstance(verification, GradientReport):
        items.append(("estimators", mark(verification.holds, "as promised", "not as promised")))
    elif verdicts:
        good = sum(one.outcome in GOOD for one in verdicts.values())
        words_ = f"{good} of {len(verdicts)} right"
        items.append(("estimators", mark(good == len(verdicts), words_, words_)))
    cells = (tag("div", tag("dt", name), tag("dd", text)) for name, text in items)
    return tag("dl", *cells, class_="glance")


def _two(large: str, small: str) -> Html:
    """A number, and what belongs to it in small letters."""
    return Html(tag("span", large) + (tag("small", small) if small else ""))


def _certificates(
    found: Solution | None, verification: Verification | None
) -> Iterator[tuple[str, Certificate]]:
    """Every proof on the page, with what it is about."""
    if found is not None:
        yield ("optimal gain" if found.gain is not None else "optimal values"), found.certificate
    if isinstance(verification, GradientReport):
        evaluation = verification.gradient.evaluation
        yield "values of the policy", evaluation.certificate
        yield "J of the policy", evaluation.J_certificate
        yield "visits of the policy, all errors together", evaluation.visits_certificate
        yield "gradient, all errors together", verification.gradient.certificate


def _proofs(proofs: list[tuple[str, Certificate]]) -> Html:
    """What each certificate says, and why it holds."""
    parts = (
        tag("dt", name) + tag("dd", one.in_words) + tag("dd", one.theorem, class_="quiet")
        for name, one in proofs
    )
    return tag("dl", *(Html(part) for part in parts), class_="proofs")


def _made(seed: int | None, call: str, date: str, pictures: bool) -> Html:
    """Versions, seed and call."""
    package = sys.modules[__name__.partition(".")[0]]
    libraries = ["numpy", "scipy", *(["matplotlib"] if pictures else [])]
    return facts(
        [
            ("call", tag("code", call) if call else ""),
            ("date", date),
            ("seed", None if seed is None else str(seed)),
            ("mdptools", package.__version__),
            ("Python", platform.python_version()),
            *((name, _version(name)) for name in libraries),
        ]
    )


def _version(name: str) -> str:
    """Of an installed library; empty if it is not there."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _document(name: str, lead: str, glance: Html, sections: list[Section]) -> str:
    """The whole of it."""
    links = (tag("li", tag("a", one.title, href=f"#{one.anchor}")) for one in sections)
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", name),
        tag("style", Html(STYLE)),
    )
    body = tag(
        "body",
        tag("header", tag("h1", name), tag("p", lead, class_="lead"), glance),
        tag("nav", tag("ul", *links), aria_label="Contents"),
        tag(
            "main",
            *(tag("section", tag("h2", one.title), *one.body, id=one.anchor) for one in sections),
        ),
        tag(
            "footer",
            tag("p", "This file loads nothing and runs no script.", class_="quiet"),
        ),
    )
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"
