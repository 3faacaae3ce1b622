"""Networks as families: adapters for torch and JAX.

Takes     a torch.nn.Module with its features, or a JAX function with its first parameters.
Gives     a `Callable` over flat parameters in float64, with exact first and second derivatives by
          automatic differentiation, and the first theta.
Not here  training them with anything but exact gradients.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from ..arrays import FloatArray, as_numbers
from ..checks import check_model
from ..errors import MissingExtraError, ModelError
from ..model import MDP
from ._callable import Callable


def from_torch(mdp: MDP, module: Any, features: Any) -> tuple[Callable, FloatArray]:
    """A torch module that gives logits, as a family.

    Parameters
    ----------
    mdp : MDP
    module : torch.nn.Module
        Called once with all features; it must return (S, A), or (S, A, 1). A copy is taken, in
        float64 and in its evaluation mode (no dropout); the module itself is not changed.
    features : (S, ...) array_like
        What it is called with: a row for each state, or (S, A, k) for each pair. Integers stay
        integers, for embeddings; all else becomes float64.

    Returns
    -------
    family : Callable
        Over theta (D,), all parameters in the order of ``module.parameters()``.
    theta : (D,) array
        The parameters as the module has them.

    Raises
    ------
    MissingExtraError
        If torch is not installed.
    ModelError
        If the module has no parameters or returns another shape.

    Notes
    -----
    To write an improved theta back: ``torch.nn.utils.vector_to_parameters(torch.tensor(theta),
    module.parameters())``. The Jacobian costs S A backward passes, vectorised.

    Examples
    --------
    >>> family, theta = from_torch(mdp, torch.nn.Linear(4, 2), np.eye(4))  # doctest: +SKIP
    >>> policy_gradient(mdp, family, theta).value.shape  # doctest: +SKIP
    (10,)
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("torch", "torch") from error
    check_model(mdp)
    net = copy.deepcopy(module).double().eval()
    raw = as_numbers(features, "features")
    x = torch.as_tensor(raw.astype(np.int64 if raw.dtype.kind in "biu" else np.float64))
    names = [name for name, _ in net.named_parameters()]
    first = [parameter.detach() for parameter in net.parameters()]
    if not names:
        raise ModelError("the module has no parameters: there is nothing to differentiate by.")
    sizes = [parameter.numel() for parameter in first]
    shape = mdp.allowed.shape

    def logits(theta: Any) -> Any:
        parts = torch.split(theta, sizes)
        named = {n: p.reshape(f.shape) for n, p, f in zip(names, parts, first, strict=True)}
        returned = torch.func.functional_call(net, named, (x,))
        if tuple(returned.shape) not in (shape, (*shape, 1)):
            raise ModelError(
                f"module(features) has shape {tuple(returned.shape)}; it must be (S, A) = {shape}."
            )
        return returned.reshape(shape)

    def tensor(array: Any) -> Any:
        return torch.tensor(np.asarray(array, dtype=np.float64))

    def function(theta: Any) -> Any:
        with torch.no_grad():
            return logits(tensor(theta)).numpy()

    def jacobian(theta: Any) -> Any:
        return torch.func.jacrev(logits)(tensor(theta)).detach().numpy()

    def hessian_product(theta: Any, v: Any, U: Any) -> Any:
        weights, direction = tensor(U), tensor(v)
        slope = torch.func.grad(lambda x: (weights * logits(x)).sum())
        # Backwards twice: not every module can be differentiated forwards.
        along = torch.func.grad(lambda x: (slope(x) * direction).sum())
        return along(tensor(theta)).detach().numpy()

    theta0 = torch.cat([parameter.reshape(-1) for parameter in first]).numpy()
    family = Callable(mdp, function, jacobian, theta0.shape, hessian_product=hessian_product)
    family.logits(theta0)  # so that a module that does not fit is refused here
    return family, theta0


def from_jax(mdp: MDP, function: Any, theta0: Any) -> tuple[Callable, FloatArray]:
    """A JAX function that gives logits, as a family.

    Parameters
    ----------
    mdp : MDP
    function : function parameters -> (S, A) array
        Written with jax.numpy, without side effects.
    theta0 : pytree of arrays
        Parameters, as the function takes them.

    Returns
    -------
    family : Callable
        Over theta (D,), the leaves of ``theta0`` in the order of ``jax.flatten_util.ravel_pytree``.
    theta : (D,) array
        ``theta0``, flat.

    Raises
    ------
    MissingExtraError
        If JAX is not installed.
    ModelError
        If the function returns another shape.

    Notes
    -----
    All is computed in float64, whatever the setting of ``jax_enable_x64``, which is not changed.
    ``jax.flatten_util.ravel_pytree(theta0)[1](theta)`` makes a pytree of an improved theta.

    Examples
    --------
    >>> def table(parameters):
    ...     return parameters["w"] @ np.eye(2)
    >>> family, theta = from_jax(mdp, table, {"w": np.zeros((3, 2))})  # doctest: +SKIP
    >>> theta.shape  # doctest: +SKIP
    (6,)
    """
    try:
        import jax
        from jax.flatten_util import ravel_pytree
    except ImportError as error:
        raise MissingExtraError("jax", "jax") from error
    check_model(mdp)
    in_float64 = _float64(jax)
    with in_float64():
        doubles = jax.tree_util.tree_map(lambda x: jax.numpy.asarray(x, dtype=np.float64), theta0)
        flat, unravel = ravel_pytree(doubles)

    def logits(theta: Any) -> Any:
        return function(unravel(theta))

    def bent(theta: Any, v: Any, U: Any) -> Any:
        slope = jax.grad(lambda x: (U * logits(x)).sum())
        return jax.jvp(slope, (theta,), (v,))[1]

    def outside(inside: Any) -> Any:
        """Called with NumPy arrays, computed in float64, returned as a NumPy array."""
        compiled = jax.jit(inside)

        def call(*arrays: Any) -> Any:
            with in_float64():
                return np.asarray(compiled(*(np.asarray(x, dtype=np.float64) for x in arrays)))

        return call

    family = Callable(
        mdp, outside(logits), outside(jax.jacrev(logits)), flat.shape, hessian_product=outside(bent)
    )
    start = np.asarray(flat)
    family.logits(start)  # so that a function that does not fit is refused here
    return family, start


def _float64(jax: Any) -> Any:
    """The context in which JAX keeps float64; it has moved between releases."""
    if hasattr(jax, "enable_x64"):
        return lambda: jax.enable_x64(True)
    from jax.experimental import enable_x64

    return enable_x64
