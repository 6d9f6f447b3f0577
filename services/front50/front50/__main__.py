"""`python -m front50 [api|migrate]`."""

from kork.app import service_main

from front50.app import create_app
from front50.settings import Front50Settings

main = service_main("front50", Front50Settings, create_app)

if __name__ == "__main__":
    main()
