"""What rules have in common that move a table of logits.

Takes     the first logits.
Gives     start and policy.
Source    log pi is x but for a constant in each state (`_tables`).
Not here  rules whose x are the parameters of a family (`_family_rule`).
"""

from __future__ import annotations

from typing import Any

from ..arrays import FloatArray, FloatSA
from ..model import MDP
from ._rule import PolicyRule
from ._tables import check_table, start_table, table_policy


class TableRule(PolicyRule):
    """A rule whose x are logits, (S, A) or (H, S, A), the largest of each state 0."""

    __slots__ = ()

    logits0: Any

    def start(self, mdp: MDP) -> FloatArray:
        """The first logits."""
        return start_table(mdp, self.logits0, "logits0")

    def policy(self, mdp: MDP, x: Any) -> FloatSA:
        """The policy of the logits x."""
        return table_policy(mdp, check_table(mdp, x))
