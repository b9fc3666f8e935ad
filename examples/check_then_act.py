"""The smallest wrong map: `setdefault` checks, then acts, and another thread may act in between."""


class CheckThenAct(dict):  # type: ignore[type-arg]
    def setdefault(self, key: object, default: object = None) -> object:
        if key not in self:
            self[key] = default
        return self[key]
