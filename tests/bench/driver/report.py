"""What came out: a table for people, JSON for programs, plots as SVG."""
import html
import json
import os
import statistics

COLOURS = ("#1f6f8b", "#c8553d", "#6a994e", "#8e6c8a", "#d4a017")


class Result:
    """One line of the table. `values` are what the goal speaks of, one a round; `series`
    are the plain figures behind them, by server."""

    def __init__(self, work, measure, goal, values, series, unit, note=""):
        self.work = work
        self.measure = measure
        self.goal = goal  # ("at least" | "at most" | "", number)
        self.values = values
        self.series = series
        self.unit = unit
        self.note = note

    @property
    def median(self):
        return statistics.median(self.values)

    @property
    def met(self):
        kind, bound = self.goal
        if not kind:
            return None
        return self.median >= bound if kind == "at least" else self.median <= bound

    def goal_text(self):
        kind, bound = self.goal
        return f"{'≥' if kind == 'at least' else '≤'} {bound:g}" if kind else "-"

    def range_text(self):
        return f"{self.median:.3g} [{min(self.values):.3g} .. {max(self.values):.3g}]"

    def series_text(self):
        return ", ".join(f"{name} {statistics.median(figures):.4g}"
                         for name, figures in self.series.items())

    def as_dict(self):
        return {"work": self.work, "measure": self.measure, "goal": list(self.goal),
                "met": self.met, "median": self.median, "min": min(self.values),
                "max": max(self.values), "values": self.values, "series": self.series,
                "unit": self.unit, "note": self.note}

    def file_name(self):
        text = f"{self.work} {self.measure}".lower()
        return "-".join("".join(c if c.isalnum() else " " for c in text).split()) + ".svg"


def met_text(result):
    return {True: "yes", False: "**no**", None: ""}[result.met]


def print_result(result):
    print(f"{result.work}: {result.measure}: {result.range_text()} "
          f"(goal {result.goal_text()}{'' if result.met is not False else ', MISSED'}) "
          f"[{result.series_text()} {result.unit}] {result.note}", flush=True)


def table(results, plots):
    lines = ["| work | measure | median [min .. max] | goal | met | medians |",
             "|---|---|---|---|---|---|"]
    for r in results:
        work = f"[{r.work}]({plots}/{r.file_name()})" if plots and r.series else r.work
        figures = f"{r.series_text()} {r.unit}" if r.series else ""
        note = f" {r.note}" if r.note else ""
        lines.append(f"| {work} | {r.measure} | {r.range_text()} | {r.goal_text()} "
                     f"| {met_text(r)} | {figures}{note} |")
    return "\n".join(lines) + "\n"


def svg(result):
    """The series, round by round, from zero."""
    width, height, left, top, bottom = 560, 240, 60, 40, 40
    top_value = max(max(figures) for figures in result.series.values()) or 1
    rounds = max(len(figures) for figures in result.series.values())

    def x(i):
        return left + (width - left - 20) * (i + 0.5) / rounds

    def y(value):
        return height - bottom - (height - top - bottom) * value / (top_value * 1.05)

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
             'font-family="sans-serif" font-size="11">',
             f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
             f'<text x="{left}" y="16" font-size="13">'
             f'{html.escape(result.work)} ({html.escape(result.unit)})</text>']
    for step in range(5):
        value = top_value * step / 4
        parts.append(f'<line x1="{left}" x2="{width - 20}" y1="{y(value):.1f}" '
                     f'y2="{y(value):.1f}" stroke="#dddddd"/>')
        parts.append(f'<text x="{left - 6}" y="{y(value) + 4:.1f}" text-anchor="end">'
                     f'{value:.3g}</text>')
    for i in range(rounds):
        parts.append(f'<text x="{x(i):.1f}" y="{height - 22}" text-anchor="middle">'
                     f'{i + 1}</text>')
    for n, (name, figures) in enumerate(result.series.items()):
        colour = COLOURS[n % len(COLOURS)]
        points = " ".join(f"{x(i):.1f},{y(v):.1f}" for i, v in enumerate(figures))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}"/>')
        parts += [f'<circle cx="{x(i):.1f}" cy="{y(v):.1f}" r="3" fill="{colour}"/>'
                  for i, v in enumerate(figures)]
        parts.append(f'<text x="{left + 120 * n}" y="{height - 6}" fill="{colour}">'
                     f'{html.escape(name)}</text>')
    parts.append("</svg>\n")
    return "\n".join(parts)


def write_json(path, results, machine):
    with open(path, "w", encoding="utf-8") as out:
        json.dump({"machine": machine, "results": [r.as_dict() for r in results]}, out,
                  indent=1, ensure_ascii=False)
        out.write("\n")


def write_plots(folder, results):
    os.makedirs(folder, exist_ok=True)
    for result in results:
        if result.series:
            with open(os.path.join(folder, result.file_name()), "w",
                      encoding="utf-8") as out:
                out.write(svg(result))


def row_key(line):
    """What a line of the table is about: the work, without its link, and the measure."""
    cells = line.split("|")
    return cells[1].strip().partition("](")[0].lstrip("["), cells[2].strip()


def merge(old, new):
    """The lines of an old table, with those of a new one in their places or behind them."""
    fresh = {row_key(line): line for line in new.splitlines()}
    lines = [fresh.pop(row_key(line), line) for line in old.splitlines() if line]
    return "\n".join(lines + list(fresh.values())) + "\n"


def put_into(document, text):
    """Puts the lines of a table between the two marks of a document; those of rows that
    were not run this time stay."""
    begin, end = "<!-- bench: begin -->\n", "<!-- bench: end -->"
    with open(document, encoding="utf-8") as source:
        old = source.read()
    before, rest = old.split(begin, 1)
    table_before, after = rest.split(end, 1)
    with open(document, "w", encoding="utf-8") as out:
        out.write(before + begin + merge(table_before, text) + end + after)
