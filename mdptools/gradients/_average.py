"""When the gain has a gradient: one recurrent class, decided from structure.

Takes     an MDP of average reward and pi.
Gives     nothing, or a ModelError that names the classes.
Source    ``dg = sum_s d(s) sum_a dpi(a | s) Q(s, a)``, Q differential: multiply the derivative of
          ``g + h = R_pi + P_pi h`` by d. More edges leave one class one class, so this holds in
          each direction in which pi can move.
Not here  the gradient itself (`_direct`, `_policy`).
"""

from __future__ import annotations

from ..arrays import FloatSA
from ..errors import ModelError
from ..model import MDP
from ..structure import recurrent_classes


def check_one_class(mdp: MDP, pi: FloatSA) -> None:
    """Pass if the model is not of average reward, or pi has one recurrent class.

    Parameters
    ----------
    mdp : MDP
    pi : (S, A) array
        Checked.

    Raises
    ------
    ModelError
        Naming the classes. With several the gain is differentiable only while they stay apart, and
        jumps where a direction joins them.
    """
    if mdp.objective != "average":
        return
    classes = recurrent_classes(mdp, pi)
    if len(classes) == 1:
        return
    named = []
    for members in classes[:4]:
        names = [mdp.name_of_state(int(s)) for s in members[:5]]
        named.append("{" + ", ".join(names) + (", ..." if len(members) > 5 else "") + "}")
    more = f" and {len(classes) - 4} more" if len(classes) > 4 else ""
    raise ModelError(
        f"the gain of this policy has no gradient: it has {len(classes)} recurrent classes, "
        f"{', '.join(named)}{more}, and would jump where a step of theta joins them. Start from a "
        f"policy with one class, or use gamma < 1."
    )
