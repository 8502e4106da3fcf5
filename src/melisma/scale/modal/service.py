"""Modal as it is: calls of the deployed app; needs the package `modal`, and an account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import modal
from modal.exception import FunctionTimeoutError, NotFoundError, OutputExpiredError, RemoteError

from melisma.scale.modal.cloud import Call, CallLost, CallTimedOut, CloudError, Needs
from melisma.scale.modal.config import LONGEST_S, ModalConfig
from melisma.scale.modal.orders import Order, Report
from melisma.scale.modal.store import ModalStore, sentences

FUNCTION = "work"


@dataclass(frozen=True, slots=True)
class ModalCall:
    """A call of the app."""

    call: Any  # modal.FunctionCall, whose types are made at run time

    @property
    def id(self) -> str:
        """What it is found by again, for a week."""
        return str(self.call.object_id)

    def result(self) -> Report:
        """Wait for it; CallLost or CallTimedOut if it ended without one."""
        try:
            with sentences():
                found = self.call.get()
        except CloudError as error:
            cause = error.__cause__
            if isinstance(cause, FunctionTimeoutError):
                raise CallTimedOut(str(cause)) from error
            # Out of memory, a crash, a container that did not start; or a result that nobody fetched within a week.
            if isinstance(cause, (RemoteError, OutputExpiredError, NotFoundError, modal.exception.InternalFailure)):
                raise CallLost(str(cause) or type(cause).__name__) from error
            raise
        if not isinstance(found, Report):
            raise CloudError("the app at Modal is of another version: deploy it anew (melisma scale modal-app)")
        return found

    def cancel(self) -> None:
        """End it."""
        with sentences():
            self.call.cancel()


class ModalCloud:
    """The app that was deployed, and its volume.

    Parameters
    ----------
    config : ModalConfig
        Names of both.
    """

    same_disk = False

    def __init__(self, config: ModalConfig) -> None:
        self.mount, self._config = config.mount, config
        self.store = ModalStore(config.volume)
        self._functions: dict[Needs, Any] = {}

    def start(self, order: Order, needs: Needs) -> Call:
        """Have an order done."""
        try:
            with sentences():
                return ModalCall(self._function(needs).spawn(order))
        except CloudError as error:
            if isinstance(error.__cause__, NotFoundError):
                said = f"Modal has no app {self._config.app!r} with a function {FUNCTION!r} of yours"
                raise CloudError(f"{said}: deploy it with `modal deploy -m melisma.scale.modal.app`") from error
            raise

    def _function(self, needs: Needs) -> Any:
        if needs not in self._functions:
            found = modal.Function.from_name(self._config.app, FUNCTION)
            self._functions[needs] = found.with_options(
                cpu=needs.cpus,
                memory=needs.memory_mb,
                gpu=needs.gpu,
                timeout=min(LONGEST_S, max(1, round(needs.timeout_s))),
                max_containers=needs.workers,
            )
        return self._functions[needs]

    def attach(self, id: str) -> Call:
        """Return a call that was started before, by whomever."""
        with sentences():
            return ModalCall(modal.FunctionCall.from_id(id))

    def close(self) -> None:
        """Let go; calls that were not cancelled go on."""
