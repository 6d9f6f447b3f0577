"""`python -m clouddriver [api|migrate]`."""

from kork.app import service_main

from clouddriver.app import create_app
from clouddriver.settings import ClouddriverSettings

main = service_main("clouddriver", ClouddriverSettings, create_app)

if __name__ == "__main__":
    main()
