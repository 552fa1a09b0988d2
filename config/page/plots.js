// SPDX-License-Identifier: Apache-2.0
// Lines over the last minute, on canvases: each plot has rows of [time, numbers...], the time relative to now, s.
const COLOURS = ["#2563eb", "#d97706", "#16a34a", "#dc2626"];
const AXES = ["x", "y", "z"];
const plots = new Map();

export function drawPlots({ latency, arms, window }) {
  const series = (rows, index, look = {}) => ({ points: rows.map((row) => [row[0], row[index]]), colour: COLOURS[index - 1], ...look });
  plot("latency", "", window, [series(latency, 1), series(latency, 2)], ["asked to answered", "of it inference"], 0);
  for (const { name, tool, chunks, force, limit } of arms) {
    const lines = AXES.flatMap((_, axis) => [
      ...chunks.map((rows) => series(rows, axis + 1, { faint: true })), series(tool, axis + 1)]);
    plot("motion", name, window, lines, AXES, null, "thin: what chunks foresaw; thick: where the tool was");
    if (limit !== null) {
      const most = { points: [[-window, limit], [0, limit]], colour: COLOURS[3], faint: true };
      plot("force", name, window, [series(force, 1), most], ["measured"], 0, `stops at ${limit} N`);
    }
  }
  if (arms.every(({ limit }) => limit === null)) document.getElementById("force").textContent = "This robot measures none.";
}

function plot(id, name, window, lines, names, floor, note = "") {
  const key = `${id} ${name}`;
  if (!plots.has(key)) {
    const canvas = document.createElement("canvas"), words = document.createElement("div");
    words.className = "key";
    const said = [name, note].filter(Boolean).join(", ");
    names.forEach((one, index) => {
      const entry = document.createElement("span"), mark = document.createElement("i");
      mark.className = `c${index}`;
      entry.append(mark, one);
      words.append(entry);
    });
    if (said) words.append(said);
    document.getElementById(id).append(canvas, words);
    plots.set(key, canvas);
  }
  draw(plots.get(key), lines, window, floor);
}

function draw(canvas, lines, window, floor) {
  const ratio = devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
  if (!width) return;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  pen.font = "11px system-ui, sans-serif";
  const values = lines.flatMap(({ points }) => points.map(([, value]) => value)).filter((value) => value !== null);
  let low = floor ?? Math.min(...values), high = Math.max(...values);
  if (!values.length) { pen.fillStyle = "#6b7280"; pen.fillText("nothing heard yet", 44, height / 2); return; }
  if (!(high - low > 1e-6)) { high += 0.5e-2 + Math.abs(high) * 0.05; low -= floor === null ? 0.5e-2 : 0; }
  const ahead = 3, left = 44, bottom = height - 16, top = 6; // s that chunks look ahead
  const x = (time) => left + ((time + window) / (window + ahead)) * (width - left - 4);
  const y = (value) => bottom - ((value - low) / (high - low)) * (bottom - top);
  pen.strokeStyle = "#e5e7eb"; pen.fillStyle = "#6b7280";
  for (const share of [0, 0.5, 1]) {
    const value = low + share * (high - low);
    pen.beginPath(); pen.moveTo(left, y(value)); pen.lineTo(width, y(value)); pen.stroke();
    pen.fillText(value.toPrecision(3), 2, y(value) + 4);
  }
  for (const time of [-60, -45, -30, -15, 0]) pen.fillText(time ? `${time} s` : "now", x(time) - 10, height - 3);
  pen.save(); pen.beginPath(); pen.rect(left, 0, width, bottom + 2); pen.clip();
  for (const { points, colour, faint } of lines) {
    pen.strokeStyle = colour; pen.globalAlpha = faint ? 0.35 : 1; pen.lineWidth = faint ? 1 : 2;
    pen.beginPath();
    let begun = false;
    for (const [time, value] of points) {
      if (value === null) { begun = false; continue; }
      begun ? pen.lineTo(x(time), y(value)) : pen.moveTo(x(time), y(value));
      begun = true;
    }
    pen.stroke();
  }
  pen.restore();
}
