/** A chart as a picture to be kept: title, time, drawing and legend on one canvas. */

import { MISSING, figure, time } from "./format.js";
import { statistics, sums } from "./chart_series.js";
import { colour } from "./theme.js";

const MARGIN = 16;
const ROW = 20;
const TEXT_SIZE = 13;
// The room of a line's sample before its text.
const LINE = 30;

function day(seconds) {
  return new Date(seconds * 1000).toLocaleDateString("sv");
}

/** "2026-11-22 12:00:00 – 12:05:00" in local time. */
function rangeText(from, to) {
  const end = day(from) === day(to) ? time(to) : `${day(to)} ${time(to)}`;
  return `${day(from)} ${time(from)} – ${end}`;
}

/**
 * A PNG (`Blob`) of the `plots`, one below the other: `{title, plot, hidden, comparison}` each, `comparison` a text.
 */
export async function pictureOf(heading, plots) {
  const scale = devicePixelRatio;
  const blocks = plots.map((entry) => ({ ...entry, lines: legendLines(entry) }));
  const width = Math.max(...blocks.map((block) => blockWidth(block, scale))) + 2 * MARGIN;
  const height = blocks.reduce((sum, block) => sum + blockHeight(block, scale), 3 * MARGIN + ROW);
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [Math.ceil(width * scale), Math.ceil(height * scale)];
  const context = canvas.getContext("2d");
  context.scale(scale, scale);
  context.fillStyle = colour("surface");
  context.fillRect(0, 0, width, height);
  write(context, heading, MARGIN, MARGIN + 14, { size: 16, bold: true });
  let top = MARGIN * 1.5 + ROW;
  for (const block of blocks) {
    drawBlock(context, block, top, scale);
    top += blockHeight(block, scale);
  }
  return new Promise((resolve) => {
    canvas.toBlob(resolve, "image/png");
  });
}

function blockWidth({ plot, lines, comparison }, scale) {
  const context = document.createElement("canvas").getContext("2d");
  context.font = font(TEXT_SIZE, false);
  const texts = [...lines.map(({ text }) => LINE + context.measureText(text).width), context.measureText(comparison).width];
  return Math.max(plot.canvas.width / scale, ...texts);
}

function blockHeight({ plot, lines, comparison }, scale) {
  return 1.6 * ROW + plot.canvas.height / scale + (lines.length + (comparison ? 1 : 0)) * ROW + MARGIN;
}

function drawBlock(context, { title, plot, lines, comparison }, top, scale) {
  const { series } = plot;
  write(context, `${title} (${series.unit})`, MARGIN, top + 14, { bold: true });
  const left = MARGIN + 4 + context.measureText(`${title} (${series.unit})`).width + 12;
  write(context, rangeText(series.from, series.to), left, top + 14, { fill: "muted" });
  const drawing = top + 1.3 * ROW;
  context.drawImage(plot.canvas, MARGIN, drawing, plot.canvas.width / scale, plot.canvas.height / scale);
  let row = drawing + plot.canvas.height / scale + ROW;
  for (const { line, text } of lines) {
    if (line.colour) {
      Object.assign(context, { strokeStyle: colour(line.colour), lineWidth: 3 });
      context.setLineDash(line.dash ?? []);
      context.beginPath();
      context.moveTo(MARGIN, row - 4);
      context.lineTo(MARGIN + 22, row - 4);
      context.stroke();
    }
    write(context, text, MARGIN + LINE, row);
    row += ROW;
  }
  if (comparison) write(context, comparison, MARGIN, row, { fill: "muted" });
}

function legendLines({ plot: { series }, hidden }) {
  const shown = series.lines.filter(({ id }) => !hidden.includes(id));
  const lines = series.stacked ? [...shown, { name: "Total", values: sums(shown, series.timestamps.length) }] : shown;
  return lines.map((line) => {
    const { mean, max } = statistics(line.values);
    const text = (value) => (value === null ? MISSING : `${figure(value)} ${series.unit}`);
    return { line, text: `${line.name}: mean ${text(mean)}, maximum ${text(max)}` };
  });
}

function write(context, text, x, y, { size = TEXT_SIZE, bold = false, fill = "text" } = {}) {
  context.font = font(size, bold);
  context.fillStyle = colour(fill);
  context.fillText(text, x, y);
}

const font = (size, bold) => `${bold ? 600 : 400} ${size}px ${getComputedStyle(document.body).fontFamily}`;
