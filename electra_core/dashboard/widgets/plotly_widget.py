"""A live plotly figure without its 5 MB of JavaScript going through the kernel.

An ordinary `FigureWidget` sends plotly.js over the websocket as one of its values, once for every figure.
Under Voila the browser fetches the same file from the server instead, early and cached:
`voila/server_config.py` serves it and tells the kernels where. Elsewhere the widget is the ordinary one.
"""

import json
import os
from collections.abc import Mapping
from functools import cache
from typing import Any

import plotly.graph_objects as go

# The bundle's default export makes the functions of one figure; anywidget calls ours once for each figure.
# The address is made whole in the browser, because this code runs from a blob, where "/…" means nothing.
# Plotly measures the element that it draws in, so drawing waits until that has a width, and then follows it.
# It reports every redraw to the kernel, which echoes it: as many bytes again as the redraw itself, for
# callbacks that these pages do not have. The reports stay in the browser.
_ESM = """
const bundle = await import(new URL(%s, document.baseURI).href);
const quiet = (model) => ({
  ...model,
  set: (name, value) => String(name).startsWith("_js2py_") || model.set(name, value),
});
export default () => {
  const figure = bundle.default();
  return {
    initialize: (context) => figure.initialize({ ...context, model: quiet(context.model) }),
    render(context) {
      const { el } = context, model = quiet(context.model);
      let remove, drawn, followed = false;
      // A change of a plot's height pins its width, and only one without a width follows its element.
      // Following drops the height, so that the element has to keep it.
      const follow = () => {
        if (el.layout.height) el.style.height = `${el.layout.height}px`;
        delete el.layout.width;
        window.dispatchEvent(new Event("resize"));
      };
      const watch = new ResizeObserver(([entry]) => {
        const width = Math.round(entry.contentRect.width);
        if (!width || width === drawn) return;
        drawn = width;
        model.get("_config").responsive = true;
        if (!remove) remove = figure.render({ ...context, model });
        else {
          if (!followed) el.on("plotly_afterplot", () => el.layout.width && follow());
          followed = true;
          follow();
        }
      });
      watch.observe(el);
      return () => { watch.disconnect(); remove?.(); };
    },
  };
};
"""


def bundle_url(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the address of plotly's widget bundle; None where it is not served."""
    bundle = environ.get("ELECTRA_PLOTLY_BUNDLE")
    base = environ.get("VOILA_BASE_URL")  # of the page; only Voila gives it to its kernels.
    # The first alone does not do: a JupyterLab that has Voila installed sets it for its own kernels too.
    return base + bundle if base and bundle else None


@cache
def _served_widget(url: str) -> Any:
    class ServedFigureWidget(go.FigureWidget):  # type: ignore[misc]  # plotly publishes no types
        _esm = _ESM % json.dumps(url)

    return ServedFigureWidget


def figure_widget(figure: go.Figure) -> go.FigureWidget:
    """Make the live widget of a figure, once; then change it in place, under `widget.batch_update()`.

    The figure has to be complete: under Voila, what is changed between this call and the first paint is lost.
    """
    url = bundle_url()
    widget = _served_widget(url)(figure) if url else go.FigureWidget(figure)
    widget._config = {"displayModeBar": False, "responsive": True}
    return widget
