"""Drawing models for property-based tests, against stated rates.

Takes     `mdps(max_states=6)` and a property that holds.
Gives     entries of the registry: seconds for one model, and for a test over 200 of them.
Not here  finding counterexamples: how long that takes is up to the claim.
"""

from __future__ import annotations

import time

from .common import Competitor, Contest, entry

MODELS_A_SECOND = 300
TEST_SECONDS = 5.0
N_MODELS = 200


def draw(n_models: int) -> float:
    """Seconds of CPU for a property test over so many models; imports are not counted."""
    from hypothesis import given, settings

    from mdptools.testing.strategies import mdps

    @settings(max_examples=n_models, database=None, deadline=None, derandomize=True)
    @given(mdps(max_states=6))
    def holds(mdp: object) -> None:
        assert mdp is not None

    start = time.process_time()
    holds()
    return time.process_time() - start


@entry("draw_models")
def draw_models() -> Contest:
    """One model of up to six states, of any kind, as Hypothesis draws it."""
    mine = Competitor("mdps", lambda: draw(N_MODELS) / N_MODELS, seconds=lambda seconds: seconds)
    rate = Competitor(
        f"{MODELS_A_SECOND} a second", lambda: None, seconds=lambda _: 1 / MODELS_A_SECOND
    )
    return Contest([mine], [rate], targets={(mine.name, rate.name): 1.0}, rounds=7)


@entry("property_200")
def property_200() -> Contest:
    """A property test over 200 models of up to six states."""
    mine = Competitor("given(mdps())", lambda: draw(N_MODELS), seconds=lambda seconds: seconds)
    limit = Competitor(f"{TEST_SECONDS:g} seconds", lambda: None, seconds=lambda _: TEST_SECONDS)
    return Contest([mine], [limit], targets={(mine.name, limit.name): 1.0}, rounds=7)
