"""The functions that ask others: users' addresses, front50, clouddriver's artifact store, Kayenta.

Each asks when its text is evaluated by one of the ways of `orca.expressions.outside`, never under a lock.

Source: Spinnaker's `UrlExpressionFunctionProvider`, `PipelineExpressionFunctionProvider`,
`ApplicationExpressionFunctionProvider`, `KayentaConfigExpressionFunctionProvider`, the artifact store's functions.
"""

from collections.abc import Callable
from typing import Any, cast
from urllib.parse import quote

from kork.errors import UpstreamError

from orca.execution.model import Execution, JsonMap
from orca.expressions.fetching import fetched
from orca.expressions.outside import services_now
from orca.expressions.texts import failed, read_json, read_properties, read_yaml

_REFERENCE = "ref://"


class AskingFunctions:
    """The functions for the expressions of one execution."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution

    def functions(self) -> dict[str, Callable[..., Any]]:
        """Give the functions by the names that expressions use."""
        return {
            "applicationMetadata": self.application_metadata,
            "canaryConfigNameToId": self.canary_config_name_to_id,
            "fetchReference": self.fetch_reference,
            "fromUrl": self.from_url,
            "jsonFromUrl": self.json_from_url,
            "pipelineId": self.pipeline_id,
            "pipelineIdInApplication": self.pipeline_id_in_application,
            "pipelineIdOrNull": self.pipeline_id_or_null,
            "propertiesFromUrl": self.properties_from_url,
            "yamlFromUrl": self.yaml_from_url,
        }

    def from_url(self, url: Any) -> str:
        """Read the text at an address."""
        services = services_now()
        if not isinstance(url, str):
            raise failed(f"#from({url}) failed: an address is needed")
        return fetched(url, services.http, services.settings)

    def json_from_url(self, url: Any) -> Any:
        """Read the JSON at an address."""
        return read_json(self.from_url(url))

    def yaml_from_url(self, url: Any) -> Any:
        """Read the YAML document at an address."""
        return read_yaml(self.from_url(url))

    def properties_from_url(self, url: Any) -> dict[str, str]:
        """Read the Java properties at an address."""
        return read_properties(self.from_url(url))

    def pipeline_id(self, name: Any) -> str:
        """Find the id of the pipeline of this name in the execution's application."""
        found = self._pipeline("pipelineId", self._execution.application, name)
        if found is None:
            application = self._execution.application
            raise failed(f"Pipeline with name '{name}' could not be found on application {application}")
        return found

    def pipeline_id_or_null(self, name: Any) -> str | None:
        """Find the id of the pipeline of this name in the execution's application; null when there is none."""
        return self._pipeline("pipelineIdOrNull", self._execution.application, name)

    def pipeline_id_in_application(self, name: Any, application: Any) -> str | None:
        """Find the id of the pipeline of this name in an application; null when there is none."""
        if not application:
            raise failed("applicationName must be specified for function #pipelineIdInApplication")
        return self._pipeline("pipelineIdInApplication", application, name)

    def application_metadata(self, application: Any) -> JsonMap:
        """Read what front50 knows of an application."""
        if not application:
            raise failed("application must be specified for function #applicationMetadata")
        found = _asked("applicationMetadata", "front50", f"/v2/applications/{_quoted(application)}")
        if found is None:
            raise failed(f"Application '{application}' could not be found")
        return cast(JsonMap, found)

    def canary_config_name_to_id(self, name: Any, application: Any) -> str:
        """Find the id of the canary configuration of this name in an application."""
        if not name:
            raise failed("Config name is a required field for the canaryConfigNameToId function.")
        if not application:
            raise failed("App is a required field for the canaryConfigNameToId function.")
        for config in cast(list[JsonMap], _canary_configs()):
            if config.get("name") == name and application in (config.get("applications") or []):
                return str(config.get("id"))
        raise failed(f"Unable to find config with name {name} for app {application}.")

    def fetch_reference(self, reference: Any) -> str:
        """Read what is stored under a `ref://` address of the artifact store; any other text stays as it is."""
        services_now()
        text = str(reference)
        if not text.startswith(_REFERENCE):
            return text
        application, _, digest = text.removeprefix(_REFERENCE).partition("/")
        path = f"/artifacts/content-address/{_quoted(application)}/{_quoted(digest)}"
        found = _asked("fetchReference", "clouddriver", path)
        if not isinstance(found, dict) or not isinstance(cast(JsonMap, found).get("reference"), str):
            raise failed(f"Nothing is stored under '{text}'")
        return cast(JsonMap, found)["reference"]

    def _pipeline(self, function: str, application: Any, name: Any) -> str | None:
        if not name:
            raise failed(f"pipelineName must be specified for function #{function}")
        path = f"/pipelines/{_quoted(application)}/name/{_quoted(name)}/get"
        found = _asked(function, "front50", path)
        return str(cast(JsonMap, found)["id"]) if isinstance(found, dict) and "id" in found else None


ASKING = frozenset(AskingFunctions(Execution("PIPELINE", "", "", [])).functions())


def _quoted(text: Any) -> str:
    return quote(str(text), safe="")


def _asked(function: str, service: str, path: str) -> Any:
    """GET from one of our services; `None` for a 404."""
    try:
        return getattr(services_now(), service).get(path)
    except UpstreamError as error:
        if error.status == 404:
            return None
        raise failed(f"Failed to evaluate #{function} function: {error.message}") from error


def _canary_configs() -> Any:
    from kork.http import SyncServiceClient

    settings = services_now().settings
    kayenta = getattr(settings, "kayenta", None)
    if kayenta is None or not kayenta.enabled:
        raise failed(
            "#canaryConfigNameToId needs Kayenta, which is not enabled here (kayenta.enabled, kayenta.baseUrl)"
        )
    client = SyncServiceClient(kayenta.base_url, service="kayenta", signer=None, settings=settings.http)
    try:
        return client.get("/v2/canaryConfig") or []
    except UpstreamError as error:
        raise failed(f"Failed to evaluate #canaryConfigNameToId function: {error.message}") from error
