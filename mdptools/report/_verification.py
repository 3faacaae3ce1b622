"""A verification on a page: estimators beside the truth, verdicts with what they rest on.

Takes     a `GradientReport`, or verdicts by name.
Gives     sections of HTML.
Not here  computing them (verify).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .. import plots
from ..markup import Html, facts, listed, table, tag
from ..verify import REPORT_COLUMNS, REPORT_HEAD, GradientReport, Verdict
from ..words import bounded, count
from ._pictures import figure

GOOD = ("unbiased", "unbiased within tol")


def report_section(report: GradientReport, policy: str, *, pictures: bool) -> Iterator[Html]:
    """Every gradient estimator beside the exact gradient."""
    gradient = report.gradient
    yield tag(
        "p", mark(report.holds, "every row is as theory promises", "a row is not as promised")
    )
    yield facts(
        [
            ("policy", policy),
            ("J", bounded(gradient.J, gradient.evaluation.J_certificate.bound)),
            ("|gradient|", bounded(report.norm, gradient.certificate.bound)),
            (
                "sample",
                f"{count(report.n, 'trajectory/trajectories')} of "
                f"{count(report.n_transitions, 'transition')} in all",
            ),
            ("wrong critic", f"the values of {report.wrong_critic}"),
        ]
    )
    yield table(REPORT_HEAD, report.cells(), what="estimator", right=set(REPORT_HEAD[1:-1]))
    if report.stopped:
        yield tag("p", tag("strong", "Not all that was asked for: ", class_="bad"), report.stopped)
    yield tag("p", f"Columns: {REPORT_COLUMNS}.", class_="quiet")
    if report.notes:
        yield listed(report.notes)
    if pictures:
        yield figure(
            lambda: plots.estimators(report),
            alt="For each estimator its bias and its standard deviation; the table above has the "
            "numbers.",
            caption="Bias and standard deviation of one trajectory's row; both are exact.",
        )


def verdicts_section(
    verdicts: Mapping[str, Verdict], policy: str, *, pictures: bool
) -> Iterator[Html]:
    """What was found about estimators of one's own."""
    if policy:
        yield facts([("policy", policy)])
    for name, verdict in verdicts.items():
        good = verdict.outcome in GOOD
        lines = str(verdict).splitlines()[1:]
        yield tag("h3", name)
        yield tag("p", mark(good, verdict.outcome, verdict.outcome), ": ", verdict.claim)
        yield listed(line.strip() for line in lines)
        if pictures and verdict.sample is not None:
            yield _wealth(verdict)


def _wealth(verdict: Verdict) -> Html:
    """What a sequential test had won at each look."""
    return figure(
        lambda: plots.wealth(verdict),
        alt=f"The evidence of a sequential test over {count(verdict.n, 'row')}, with the line at "
        f"which it says that the estimator is biased.",
        caption="Evidence against the mean being right, and for its being within the tolerance, "
        "over the rows that were drawn.",
    )


def mark(holds: bool, good: str, bad: str) -> Html:
    """A word that is green or red, with a sign for those who see no colour."""
    if holds:
        return tag("span", f"\u2713 {good}", class_="good")
    return tag("span", f"\u2717 {bad}", class_="bad")
