"""`python -m orca [api|migrate|worker|clock]`."""

from kork.app import service_main

from orca.app import create_app
from orca.clock import run_clock
from orca.settings import OrcaSettings
from orca.worker import run_worker

main = service_main("orca", OrcaSettings, create_app, roles={"worker": run_worker, "clock": run_clock})

if __name__ == "__main__":
    main()
