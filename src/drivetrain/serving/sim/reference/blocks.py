"""KV memory of a core: free blocks, and entries of the prefix cache on the device and in host memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

ADDED, REMOVED = True, False


class Blocks:
    """Counts blocks; knows entries by name.

    An entry takes ``per_entry`` blocks. It is held by sequences or idle; idle ones are thrown out from the longest
    idle when blocks are needed, into host memory where that holds entries. ``told`` hears (name, added or removed) when
    a name appears or is nowhere any more.
    """

    def __init__(
        self, total: int, per_entry: int, host_entries: int, told: Callable[[int, bool], None] | None = None
    ) -> None:
        self.total = self.free = total
        self.per_entry = per_entry
        self._host_entries = host_entries
        self._told = told
        self._holders: dict[int, int] = {}  # by name: entries on the device
        self._idle: OrderedDict[int, None] = OrderedDict()
        self._host: OrderedDict[int, None] = OrderedDict()

    @property
    def available(self) -> int:
        """Blocks that are free, or would be if idle entries were thrown out."""
        return self.free + len(self._idle) * self.per_entry

    @property
    def used(self) -> int:
        """Blocks that somebody holds."""
        return self.total - self.available

    @property
    def n_entries(self) -> int:
        """Entries on the device."""
        return len(self._holders)

    @property
    def n_host(self) -> int:
        """Entries in host memory."""
        return len(self._host)

    def match(self, names: Sequence[int], most: int) -> tuple[int, int]:
        """Leading entries among the first ``most`` names that are on the device, and in host memory after them."""
        names = names[:most]
        device = 0
        while device < len(names) and names[device] in self._holders:
            device += 1
        host = device
        while host < len(names) and names[host] in self._host:
            host += 1
        return device, host - device

    def n_idle(self, names: Iterable[int]) -> int:
        """How many of these entries nobody holds."""
        return sum(name in self._idle for name in names)

    def hold(self, name: int) -> None:
        """One more sequence uses an entry on the device."""
        self._holders[name] += 1
        self._idle.pop(name, None)

    def release(self, names: Iterable[int]) -> None:
        """A sequence no longer uses its entries, the last ones first."""
        for name in reversed(list(names)):
            self._holders[name] -= 1
            if self._holders[name] == 0:
                self._idle[name] = None

    def fetch(self, names: Iterable[int]) -> None:
        """Take entries out of host memory; :meth:`enter` puts them on the device."""
        for name in names:
            del self._host[name]

    def enter(self, name: int, *, fetched: bool = False) -> bool:
        """Blocks just filled get a name, held by whoever filled them; whether it is new on the device.

        Where it was there already, that entry is held instead, and the copy's blocks are free again.
        """
        if name in self._holders:
            self.hold(name)
            self.free += self.per_entry
            return False
        self._holders[name] = 1
        if name in self._host:
            del self._host[name]
        elif not fetched:
            self._tell(name, ADDED)
        return True

    def take(self, n: int) -> None:
        """Take ``n`` blocks, throwing out idle entries as needed. There must be as many available."""
        while self.free < n:
            name, _ = self._idle.popitem(last=False)
            del self._holders[name]
            self.free += self.per_entry
            self._keep_in_host(name)
        self.free -= n

    def give(self, n: int) -> None:
        """Blocks without a name become free."""
        self.free += n

    def _keep_in_host(self, name: int) -> None:
        if self._host_entries > 0:
            self._host[name] = None
            if len(self._host) <= self._host_entries:
                return
            name, _ = self._host.popitem(last=False)
        self._tell(name, REMOVED)

    def _tell(self, name: int, added: bool) -> None:
        if self._told is not None:
            self._told(name, added)
