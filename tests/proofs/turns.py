"""Lets threads take turns, one access to shared memory each, and tells after each what it was.

The idea: a thread stops before its access until it is chosen, and when it stops again, or ends, that access and all
that the thread does by itself are over, and everybody stands still. So whoever follows the run sees every state that
another thread could see.
"""

import sys
import threading

from mapproof.impl.sync import FatalError, watched_by


class Parted(AssertionError):
    """The code did what the system cannot do."""


class Stopped(BaseException):
    """The run is over, though this thread is not."""


class Turns:
    """A run of threads. `choose` picks the next of those that can go on; `owner` is the class of the object under
    test: an access is told as the name of its method, the last part of the name of what is accessed, and the kind."""

    def __init__(self, owner, choose):
        self.owner, self.choose = owner, choose
        self.errors = {}
        self._parked, self._local = {}, threading.local()
        self._back = threading.Semaphore(0)
        self._stopped = False

    def happened(self, number, access):
        """Thread `number` has made this access. To be overridden."""

    def pending(self):
        """The access before which each thread stands that has not ended."""
        return [access for access, _, _ in self._parked.values()]

    # -- the hook

    def before(self, target, access):
        self.wait(target, access, lambda: True)

    def wait(self, target, access, ready):
        if self._stopped:  # on its way out a thread may tidy up
            raise Stopped
        frame = sys._getframe(1)
        while not isinstance(frame.f_locals.get("self"), self.owner):
            frame = frame.f_back
        go = threading.Semaphore(0)
        told = frame.f_code.co_name, target.name.rpartition(".")[2], access
        self._parked[self._local.number] = told, ready, go
        self._back.release()
        go.acquire()
        if self._stopped:
            raise Stopped

    def after(self, target, access, happened):
        """What it says can be seen."""

    def thread(self):
        return self._local.number

    # -- the run

    def run(self, bodies):
        """Every body in a thread of its own, to its end, or until one raises: `errors` has what. Raises Parted."""
        threads = [threading.Thread(target=self._one, args=made, daemon=True) for made in enumerate(bodies)]
        with watched_by(self):
            for thread in threads:
                thread.start()
                self._back.acquire()
            try:
                while self._parked and not self.errors:
                    self._one_access()
            finally:
                self._stopped = True
                for _, _, go in self._parked.values():
                    go.release()
                for thread in threads:
                    thread.join()

    def _one(self, number, body):
        self._local.number = number
        try:
            body()
        except Stopped:
            pass
        except (Exception, FatalError) as error:  # noqa: BLE001 - whatever ends a thread ends the run
            self.errors[number] = error
        self._back.release()

    def _one_access(self):
        able = [number for number, (_, ready, _) in sorted(self._parked.items()) if ready()]
        if not able:
            raise Parted("all threads wait")
        number = self.choose(able)
        access, _, go = self._parked.pop(number)
        go.release()
        self._back.acquire()
        self.happened(number, access)
