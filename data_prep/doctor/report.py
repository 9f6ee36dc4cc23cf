"""Formats a report as text, as JSON, and as a self-contained HTML page with thumbnails."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import jinja2
from PIL import Image

from data_prep.doctor import Report
from data_prep.doctor.checks import Finding
from data_prep.doctor.measure import Measured, PairFiles
from pix2pix.errors import ImageError
from pix2pix.files import printable
from pix2pix.images.framing import UInt8, resized
from pix2pix.images.io import read_photo, read_sketch
from pix2pix.images.mask import stored_or_found

FORMAT = 2
CASES_SHOWN = 5  # of each finding, in the text
THUMBNAIL_PX = 112
PER_FINDING, FOR_FINDINGS = 24, 144  # pairs with thumbnails; with the 48 below at most 192
WORST, ORDINARY = 24, 24
OUTLINE = (230, 30, 160)


def as_text(report: Report) -> Iterator[str]:
    """Yields the lines of the report, the verdict last."""
    counts, sizes = report.counts, list(report.sizes)
    shown = ", ".join(sizes[:3]) + (f" and {len(sizes) - 3} other sizes" if len(sizes) > 3 else "")
    summary = f"{counts['train']} pairs for training, {counts['val']} held out (val)"
    yield f"{printable(str(report.folder))}: {summary}" + (f"; {shown}" if shown else "")
    for finding in report.findings:
        yield f"{finding.severity:8}{finding.kind}: {finding.message}"
        for case in finding.cases[:CASES_SHOWN]:
            yield f"{'':8}  {_case_line(case.pairs, case.detail)}"
        if len(finding.cases) > CASES_SHOWN:
            yield f"{'':8}  and {len(finding.cases) - CASES_SHOWN} more"
    yield f"Verdict: {report.verdict}"


def as_json(report: Report) -> str:
    """Returns the report as a JSON object.

    format      2
    folder      as given
    verdict     "ready" | "usable, with warnings" | "not ready"
    pairs       {"train": int, "val": int}
    sizes       {"256x256": int, ...}, pairs by size
    findings    the most severe first: [{kind, severity: "error" | "warning" | "note", message, count,
                cases: [{pairs: ["train/NAME", ...], detail}, ...]}, ...]
    fits        {"train/NAME": fit of the photo to the sketch, -1 to 1}
    """
    return json.dumps(
        {
            "format": FORMAT,
            "folder": str(report.folder),
            "verdict": report.verdict,
            "pairs": report.counts,
            "sizes": report.sizes,
            "findings": [_finding_json(finding) for finding in report.findings],
            "fits": {one.pair.key: round(one.looks.fit.score, 4) for one in report.measured if one.looks},
        },
        indent=1,
    )


def as_html(report: Report) -> str:
    """Returns a page that needs no other file: the findings, and thumbnails of at most 192 pairs."""
    measured = {one.pair.key: one for one in report.measured}
    some = report.measured[:: max(1, len(report.measured) // ORDINARY)][:ORDINARY]
    template = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        Path(__file__).with_name("report.html").read_text(encoding="utf-8")
    )
    return template.render(
        report=report,
        sections=list(_sections(report.findings, measured)),
        worst=_pictured(_worst_fits(report.measured), _fit_caption),
        ordinary=_pictured(some, _mask_caption, outlined=True),
        side_px=THUMBNAIL_PX,
        plain=printable,
    )


def _case_line(pairs: Sequence[str], detail: str) -> str:
    return printable(f"{' = '.join(pairs)}: {detail}" if pairs else detail)


def _finding_json(finding: Finding) -> dict[str, Any]:
    return {
        "kind": finding.kind,
        "severity": finding.severity,
        "message": finding.message,
        "count": len(finding.cases),
        "cases": [{"pairs": list(case.pairs), "detail": case.detail} for case in finding.cases],
    }


def _worst_fits(measured: Sequence[Measured]) -> list[Measured]:
    readable = [(one.looks.fit.score, one) for one in measured if one.looks]
    return [one for _, one in sorted(readable, key=lambda pair: pair[0])[:WORST]]


def _fit_caption(one: Measured) -> str:
    return f"fit {one.looks.fit.score:.2f}" if one.looks else ""


def _mask_caption(one: Measured) -> str:
    if not (one.looks and one.looks.silhouette):
        return _fit_caption(one)
    return f"{_fit_caption(one)}, {one.looks.silhouette.covered:.0%} is product"


def _pictured(
    chosen: Sequence[Measured], caption: Callable[[Measured], str], outlined: bool = False
) -> list[dict[str, Any]]:
    return [
        {"detail": caption(one), "pairs": [{"key": one.pair.key, "src": _thumbnail(one, outlined)}]}
        for one in chosen
    ]


def _sections(findings: Sequence[Finding], measured: dict[str, Measured]) -> Iterator[dict[str, Any]]:
    """Each finding with its first cases; the first FOR_FINDINGS pairs have thumbnails."""
    room = FOR_FINDINGS
    for finding in findings:
        cases, left = [], min(PER_FINDING, room)
        for case in finding.cases[:PER_FINDING]:
            pictured = [measured[key] for key in case.pairs[:3] if key in measured][:left]
            left -= len(pictured)
            room -= len(pictured)
            sources = {one.pair.key: _thumbnail(one, "mask" in finding.kind) for one in pictured}
            cases.append(
                {
                    "detail": case.detail,
                    "pairs": [{"key": key, "src": sources.get(key)} for key in case.pairs[:3]],
                }
            )
        yield {"finding": finding, "cases": cases, "more": len(finding.cases) - len(cases)}


def _thumbnail(one: Measured, outlined: bool) -> str:
    """A data URI: the file of the sketch and the photo side by side; red if it cannot be read.

    `outlined` draws the outline of the mask on the photo, if there is one.
    """
    return _data_uri(one.pair, outlined and one.looks is not None and one.looks.silhouette is not None)


@lru_cache(maxsize=256)
def _data_uri(pair: PairFiles, outlined: bool) -> str:
    sheet = Image.new("RGB", (2 * THUMBNAIL_PX, THUMBNAIL_PX), (190, 60, 50))
    for place, path in enumerate((pair.sketch, pair.photo)):
        try:
            small = resized(read_photo(path), (THUMBNAIL_PX, THUMBNAIL_PX))
        except ImageError:
            continue
        if outlined and path == pair.photo:
            small = _outlined(small, pair)
        sheet.paste(Image.fromarray(small), (place * THUMBNAIL_PX, 0))
    buffer = io.BytesIO()
    sheet.save(buffer, "WEBP", quality=70)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def _outlined(small: UInt8, pair: PairFiles) -> UInt8:
    mask = stored_or_found(pair.mask, read_sketch(pair.sketch), read_photo(pair.photo))
    contours, _ = cv2.findContours(resized(mask, small.shape[1::-1]), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    drawn = small.copy()
    cv2.drawContours(drawn, contours, -1, OUTLINE, 1)
    return drawn
