"""Voila's own configuration on the server, installed as `etc/jupyter/voila.py` of the environment.

Voila reads it before the `voila.json` of the project. It has two settings that JSON cannot express: the
folder of plotly's widget bundle, which differs between environments (`widgets/plotly_widget.py` loads the
bundle in the browser), and one more file of settings, which the environment names
(`ELECTRA_VOILA=voila_public.json`) because Voila has no option for it.
"""

import os
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from traitlets.config import Config
from traitlets.config.loader import JSONFileConfigLoader


def serve_plotly(config: Config) -> None:
    """Serve plotly's package data under `voila/labextensions/` and say so to the template and the kernels."""
    spec = find_spec("plotly")  # found, not imported: the server does not need plotly
    if spec is None or spec.origin is None:
        return
    folder = Path(spec.origin).parent / "package_data"
    if not (folder / "widgetbundle.js").is_file():
        return
    # With the version in its name the browser may cache the file for good and still gets a new one.
    bundle = f"voila/labextensions/widgetbundle.js?v={version('plotly')}"
    config.VoilaConfiguration.extra_labextensions_path = [str(folder)]
    config.VoilaConfiguration.resources = {"electra": {"plotly_bundle": bundle}}
    os.environ["ELECTRA_PLOTLY_BUNDLE"] = bundle  # kernels inherit it


def add_file(config: Config, path: Path) -> None:
    """Add the settings of a file; `voila.json` wins where both have one."""
    if not path.is_file():  # after any other exception Voila would go on, and serve without the bound
        raise SystemExit(f"ELECTRA_VOILA names {path}, and there is no such file")
    try:
        config.merge(JSONFileConfigLoader(path.name, str(path.parent)).load_config())
    except ValueError as error:
        raise SystemExit(f"ELECTRA_VOILA names {path}, which is not JSON: {error}") from error


if "get_config" in globals():  # only when Voila runs this file as its configuration
    settings = globals()["get_config"]()
    serve_plotly(settings)
    if os.environ.get("ELECTRA_VOILA"):
        add_file(settings, Path(os.environ["ELECTRA_VOILA"]))
        # On a public page a link must not make the kernel send requests to other servers.
        os.environ.setdefault("ELECTRA_STATIONS", "")
