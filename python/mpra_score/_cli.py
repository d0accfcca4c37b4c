"""The command `mpra-score`."""

import signal
import sys

from . import _core, _runtime


def main() -> int:
    """The program, with the process's arguments."""
    _runtime.use()
    # The program has its own ways with signals, and with readers that go away.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.stdout.flush()
    return _core.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
