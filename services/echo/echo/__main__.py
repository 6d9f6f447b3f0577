"""`python -m echo [api|migrate]`."""

from kork.app import service_main

from echo.app import create_app
from echo.settings import EchoSettings

main = service_main("echo", EchoSettings, create_app)

if __name__ == "__main__":
    main()
