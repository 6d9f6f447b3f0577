"""`python -m gate [api]`."""

from kork.app import service_main

from gate.app import create_app
from gate.settings import GateSettings

main = service_main("gate", GateSettings, create_app, database=False)

if __name__ == "__main__":
    main()
