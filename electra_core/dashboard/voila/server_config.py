"""Voila's own configuration on the server, installed as `etc/jupyter/voila.py` of the environment.

Voila reads it by itself, before the `voila.json` of the project. It exists for two things that JSON cannot
say. The folder differs from one environment to the next: plotly's widget bundle is served from where pip put
it, nothing copied; `voila_figure.py` is the other end. And Voila has no option that names one more file:
`ELECTRA_VOILA=voila_public.json` does.
"""

import os
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from traitlets.config import Config
from traitlets.config.loader import JSONFileConfigLoader


def serve_plotly(config: Config) -> None:
    """Serve plotly's package data under `voila/labextensions/` and say so to the template and the kernels."""
    spec = find_spec("plotly")  # found, not imported: the server has no use for plotly
    if spec is None or spec.origin is None:
        return
    folder = Path(spec.origin).parent / "package_data"
    if not (folder / "widgetbundle.js").is_file():
        return
    # The version lets the browser keep the file for good and still see a new one.
    bundle = f"voila/labextensions/widgetbundle.js?v={version('plotly')}"
    config.VoilaConfiguration.extra_labextensions_path = [str(folder)]
    config.VoilaConfiguration.resources = {"electra": {"plotly_bundle": bundle}}
    os.environ["ELECTRA_PLOTLY_BUNDLE"] = bundle  # kernels inherit it


def add_file(config: Config, path: Path) -> None:
    """Add the settings of a file to those of `voila.json`, which wins where both name one."""
    if not path.is_file():  # Voila would go on with any other error, and serve without the bound
        raise SystemExit(f"ELECTRA_VOILA names {path}, and there is no such file")
    try:
        config.merge(JSONFileConfigLoader(path.name, str(path.parent)).load_config())
    except ValueError as error:
        raise SystemExit(f"ELECTRA_VOILA names {path}, which is not JSON: {error}") from error


if "get_config" in globals():  # only where Voila runs this as its configuration
    settings = globals()["get_config"]()
    serve_plotly(settings)
    if os.environ.get("ELECTRA_VOILA"):
        add_file(settings, Path(os.environ["ELECTRA_VOILA"]))
        # Where many come, a link must not make the page ask whatever listens on this machine.
        os.environ.setdefault("ELECTRA_STATIONS", "")
