"""The command ``mdptools counterexample``: the smallest model on which a claim fails.

Takes     the name of a function of a model, and which models to try.
Gives     the model as code that can be pasted, or one JSON object; exit code 1 if there is one.
Not here  the search (testing.counterexample), what models there are (testing.strategies).
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Annotated, Any

import typer

from ..errors import ModelError
from ._options import AsJson, Debug
from ._terminal import busy, width, write, write_plain
from ._text import count, duration, labelled

INTERRUPTED = 130
Claim = Annotated[
    str,
    typer.Argument(
        metavar="CLAIM",
        show_default=False,
        help="py:package.module:function. It is called with a model, and fails where it returns "
        "False or raises an error.",
    ),
]
Objective = Annotated[
    str | None,
    typer.Option(
        "--objective",
        metavar="WORD",
        show_default=False,
        help="discounted, finite, total or average, or some of them with commas.",
    ),
]
Chain = Annotated[
    str | None,
    typer.Option(
        "--chain",
        metavar="CLASS",
        show_default=False,
        help="communicating, unichain, ergodic, multichain, absorbing, proper or improper.",
    ),
]
MaxStates = Annotated[int, typer.Option("--max-states", metavar="N", min=1)]
MaxActions = Annotated[int, typer.Option("--max-actions", metavar="N", min=1)]
WithPolicy = Annotated[
    bool, typer.Option("--policy", help="The claim is called with a model and a policy.")
]
Models = Annotated[
    int, typer.Option("--models", metavar="N", min=1, help="How many to try before giving up.")
]
Seed = Annotated[int, typer.Option("--seed", metavar="N", min=0)]


def counterexample(
    claim: Claim,
    objective: Objective = None,
    chain: Chain = None,
    max_states: MaxStates = 4,
    max_actions: MaxActions = 3,
    with_policy: WithPolicy = False,
    models: Models = 1000,
    seed: Seed = 0,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Find the smallest model on which a claim fails: a conjecture, a solver's promise.

    Ctrl-C shows the smallest so far; the exit code is 130 then.

    Example: mdptools counterexample py:my_claims:rewards_bound_values --objective discounted
    """
    from ..testing.counterexample import Search, run
    from ..testing.strategies import mdps
    from . import _json

    function = read_claim(claim)
    words = None if objective is None else [word.strip() for word in objective.split(",")]
    drawn = mdps(objective=words, chain=chain, max_states=max_states, max_actions=max_actions)
    began = perf_counter()
    search = Search()
    found = None
    try:
        with busy(f"trying {claim}") as say:
            found = run(search, function, drawn, with_policy, models, seed, say)
    except KeyboardInterrupt:  # before there was any: what was tried is still worth a word
        search.interrupted = True
    seconds = perf_counter() - began
    if as_json:
        result: dict[str, Any] = {
            "schema": 1,
            "command": "counterexample",
            "claim": claim,
            "found": found is not None,
            "why": None if found is None else found.why,
            "code": None if found is None else str(found),
            "n_states": None if found is None else found.mdp.n_states,
            "n_actions": None if found is None else found.mdp.n_actions,
            "objective": None if found is None else found.mdp.objective,
            "policy": None if found is None or found.pi is None else found.pi.tolist(),
            "tried": search.tried,
            "skipped": search.skipped,
            "interrupted": search.interrupted,
            "seed": seed,
            "seconds": seconds,
        }
        write_plain(_json.dumps(result))
    else:
        held = "none of these models is against it, which proves nothing"
        skipped = f", {search.skipped:,} skipped" if search.skipped else ""
        lines = [
            *labelled("claim", claim, width()),
            *labelled("fails", held if found is None else found.why, width()),
            *labelled(
                "work",
                f"{count(search.tried, 'model')} tried{skipped}, seed {seed}, in "
                f"{duration(seconds)}{', interrupted' * search.interrupted}",
                width(),
            ),
        ]
        write("\n".join(lines))
        if found is not None:
            write_plain(f"\n{found}")  # as it is: code may not be wrapped
    if search.interrupted:
        raise typer.Exit(INTERRUPTED)
    if found is not None:
        raise typer.Exit(1)


def read_claim(name: str) -> Callable[..., object]:
    """The function that ``py:package.module:function`` names; its module is run."""
    prefix, colon, path = name.partition(":")
    if prefix != "py" or not colon:
        raise ModelError(
            f"{name!r:.80} is no name of a claim; it must be py:package.module:function."
        )
    from ..interop import find_function  # which loads NumPy

    return find_function(path)
