"""VectorBT for `tieout compare`: a run's orders for ``from_orders``, and the known differences of rules."""

from collections.abc import Callable
from importlib.metadata import version as package_version
from importlib.util import find_spec

from tieout.execution.kernels.orders import Reason
from tieout.execution.models.commissions.per_order import PerOrderCommission
from tieout.execution.models.commissions.percent import PercentCommission
from tieout.validation.engines.interface import Adapter
from tieout.validation.engines.vectorbt import imitation
from tieout.validation.engines.vectorbt.grid import Grid
from tieout.validation.engines.vectorbt.scenario import Engine, Scenario
from tieout.validation.foreign.explanations import SHARED_RULES, UNLIMITED, Rule, fills_less, is_refused_for
from tieout.validation.foreign.native import NativeRun
from tieout.validation.foreign.outcome import Outcome, renumbered
from tieout.validation.foreign.requests import charges

NAME = "VectorBT"
COMMISSIONS = (PercentCommission, PerOrderCommission)
_LAST_FRACTION = Rule(
    "the last fraction",
    "tieout cuts an order to whole steps of the instrument, or to lots. VectorBT cuts it to the last"
    " fraction that cash pays for",
    lambda case: case.run.cuts and is_refused_for(Reason.INSUFFICIENT_CASH)(case) and fills_less(case),
)


def scenario_of(run: NativeRun) -> tuple[Scenario, Grid]:
    """Translate the orders of a run for ``Portfolio.from_orders``. The grid has the number of each order.

    Partial fills are allowed where the account of the run cuts orders. A cash account is long only.
    """
    costs, grid = charges(run, NAME, COMMISSIONS), Grid.of(run)
    scenario = Scenario(
        "orders",
        run.panels["close"],
        run.opening,
        {
            "size": grid.size,
            "price": run.panels["close" if run.is_same_close else "open"],
            "direction": "longonly" if run.is_limited else "both",
            "fees": costs.percent,
            "fixed_fees": costs.per_order,
            "slippage": costs.slippage,
            "allow_partial": run.cuts,
        },
        call_seq=grid.turn,
    )
    return scenario, grid


def outcome_of(run: NativeRun, perform: Callable[[Scenario], Outcome]) -> Outcome:
    """Return the outcome of a run's orders under *perform*, the package or its imitation."""
    scenario, grid = scenario_of(run)
    return renumbered(perform(scenario), grid.number.ravel().tolist())


def by_package(run: NativeRun, engine: Engine | None = None) -> Outcome:
    """Return the outcome of a run's orders in the package, by its *engine* ``numba`` or ``rust``."""
    from tieout.validation.engines.vectorbt import package

    return outcome_of(run, lambda scenario: package.run(scenario, engine or default_engine()))


def by_imitation(run: NativeRun) -> Outcome:
    """Return the outcome of a run's orders in the imitation."""
    return outcome_of(run, imitation.imitate)


def default_engine() -> Engine:
    """Choose Rust if it is installed, because it needs no compilation, and numba otherwise."""
    return "rust" if find_spec("vectorbt_rust") else "numba"


def version() -> str:
    """Return the version of the package and the engine that it runs."""
    return f"{package_version('vectorbt')}, {default_engine()}"


ADAPTER = Adapter(
    NAME,
    version,
    "1.2.0",
    by_package,
    by_imitation,
    COMMISSIONS,
    rules=(*(rule for rule in SHARED_RULES if rule is not UNLIMITED), _LAST_FRACTION, UNLIMITED),
    # VectorBT also says PartialFill where more is sold than is held.
    catch_all=frozenset({"PartialFill"}),
)
