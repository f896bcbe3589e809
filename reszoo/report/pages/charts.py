"""Interactive charts of a page by Altair; the library that draws them is embedded once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

Rows = Sequence[Mapping[str, Any]]
_GLOBALS = "window.vegaEmbed = vegaEmbed;"
_FEW_EPOCHS = 10
_WIDE_RANGE = 20
"""Costs that differ by more than this factor are drawn on a logarithmic axis."""


@cache
def chart_library() -> str:
    """Returns Vega, Vega-Lite and Vega-Embed as one script."""
    import vl_convert

    # `</script` inside of the script would end it.
    return str(vl_convert.javascript_bundle(_GLOBALS)).replace("</script", "<\\/script")


def add_chart(charts: dict[str, Any], name: str, spec: Mapping[str, Any], rows: Rows) -> None:
    """Adds a chart and its rows to those of a page, under the name of its element."""
    charts[name] = {**spec, "datasets": {"rows": list(rows)}}


def cost_chart(
    rows: Rows, cost: str, title: str, hover: Sequence[str], *, accuracy: str = "accuracy"
) -> dict[str, Any]:
    """Returns accuracy against a cost, with the front that nothing beats in both.

    Args:
      rows: with `accuracy`, the cost, `group` (a front and a colour for each), `front` of each
        cost (`front_<cost>`, whether the row lies on it), and what hovering shows.
      cost: the field of the cost.
      title: of its axis.
      hover: the fields that are shown.
      accuracy: the title of the vertical axis.
    """
    import altair as alt

    values = [row[cost] for row in rows if row.get(cost)]
    wide = bool(values) and max(values) > _WIDE_RANGE * min(values)
    scale = alt.Scale(type="log", nice=True) if wide else alt.Scale(zero=False, nice=True)
    x = alt.X(
        f"{cost}:Q",
        title=title,
        scale=scale,
        axis=alt.Axis(format="~s" if max(values, default=0) >= 1000 else "~g"),
    )
    y = alt.Y("accuracy:Q", title=accuracy, axis=alt.Axis(format=".1%")).scale(zero=False)
    groups = {row["group"] for row in rows}
    legend = alt.Legend(orient="bottom") if len(groups) > 1 else None
    colour = alt.Color("group:N", title=None, legend=legend)
    base = alt.Chart(alt.NamedData("rows")).transform_filter(f"isValid(datum['{cost}'])")
    front = (
        base.transform_filter(f"datum['front_{cost}']")
        .mark_line(interpolate="step-after", strokeDash=[4, 3], opacity=0.8)
        .encode(x=x, y=y, color=colour)
    )
    points = base.mark_circle(size=70, opacity=0.85).encode(
        x=x, y=y, color=colour, tooltip=[alt.Tooltip(f"{field}:N") for field in hover]
    )
    return _spec(front + points)


def curves_chart(metrics: Mapping[str, str], shown: Sequence[str], epochs: int) -> dict[str, Any]:
    """Returns curves over the epochs of the runs in the parameter `shown`.

    Args:
      metrics: titles of the metrics by their field; a menu chooses one.
      shown: labels of the runs to begin with.
      epochs: number of epochs of the longest run.
    """
    import altair as alt

    menu = alt.binding_select(options=list(metrics), labels=list(metrics.values()), name="Metric ")
    metric = alt.param("metric", value=next(iter(metrics)), bind=menu)
    runs = alt.param("shown", value=list(shown))
    legend = alt.Legend(orient="bottom", columns=2, symbolLimit=16, labelLimit=220)
    # Vega divides a short axis into halves.
    ticks = list(range(1, epochs + 1)) if epochs <= _FEW_EPOCHS else alt.Undefined
    shares = "indexof(metric, 'accuracy') >= 0"
    text = f"{shares} ? format(datum.value, '.4~p') : format(datum.value, '~g')"
    chart = (
        alt.Chart(alt.NamedData("rows"))
        .transform_filter("indexof(shown, datum.run) >= 0")
        .transform_calculate(value="datum[metric]")
        .transform_filter("isValid(datum.value)")
        .mark_line(point=alt.OverlayMarkDef(size=18), strokeWidth=1.5)
        .encode(
            x=alt.X("epoch:Q", title="epoch", axis=alt.Axis(values=ticks, format="d")),
            y=alt.Y("value:Q", title=None, axis=alt.Axis(labelExpr=text)).scale(zero=False),
            color=alt.Color("run:N", title=None, legend=legend),
            tooltip=[
                alt.Tooltip("run:N"),
                alt.Tooltip("epoch:Q"),
                alt.Tooltip("value:Q", format=".4g"),
            ],
        )
        .add_params(metric, runs)
    )
    title = alt.Title(alt.ExprRef(f"{json.dumps(dict(metrics))}[metric]"), anchor="start")
    return _spec(chart.properties(title=title), height=320)


def _spec(chart: Any, height: int = 260) -> dict[str, Any]:
    spec: dict[str, Any] = chart.properties(width="container", height=height).to_dict()
    spec.pop("$schema", None)
    spec["config"] = {}  # The page's theme decides.
    return spec
