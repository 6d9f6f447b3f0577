"""`python -m clouddriver [api|migrate|worker|cache]`."""

from kork.app import service_main

from clouddriver.app import create_app
from clouddriver.settings import ClouddriverSettings
from clouddriver.watching import run_cache
from clouddriver.worker import run_worker

main = service_main("clouddriver", ClouddriverSettings, create_app, roles={"cache": run_cache, "worker": run_worker})

if __name__ == "__main__":
    main()
