// SPDX-License-Identifier: Apache-2.0
// The page: what comes is shown, as text and never as markup; what is asked for goes out. Decides nothing itself.
import { at, badge, make } from "/dom.js";
import { beginReplay, showReplay } from "/replay.js";
import { keepSceneLight } from "/scene.js";
import { drawPlots } from "/plots.js";
import { Plan } from "/plan.js";

const PATIENCE = 1000; // ms until somebody who pressed Stop is told that nobody answers
const session = kept("sessionStorage", "session", token());
let reality = { word: "UNKNOWN", tone: "quiet", why: "not asked yet; take it for real" }, connected = true;
let socket = null, lastHeard = 0, wheel = { name: "", mine: false }, pressed = null;
const plan = new Plan(send);

// What the browser remembers; one that remembers nothing, as it may be told to, must still be able to stop the robot.
function kept(where, name, otherwise) {
  try { return window[where][name] ?? (window[where][name] = otherwise); } catch { return otherwise; }
}

function keep(where, name, value) {
  try { window[where][name] = value; } catch { /* then it is asked again */ }
}

function token() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function send(request) {
  if (socket?.readyState !== WebSocket.OPEN) {
    at("refused").textContent = "Not sent: the page is not connected.";
    return false;
  }
  at("refused").textContent = "";
  socket.send(JSON.stringify(request));
  return true;
}

function connect() {
  socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => send({ do: "hello", session });
  socket.onmessage = ({ data }) => {
    lastHeard = performance.now();
    if (typeof data !== "string") return showPicture(data);
    for (const [name, content] of Object.entries(JSON.parse(data))) show[name]?.(content);
  };
  socket.onclose = () => setTimeout(connect, 1000);
}

setInterval(() => {
  const there = socket?.readyState === WebSocket.OPEN && performance.now() - lastHeard < 3000;
  at("link").textContent = there ? "connected" : "not connected: what is shown is old";
  at("link").className = `badge ${there ? "good" : "bad"}`;
  document.querySelector("main").classList.toggle("stale", !there);
  if (there !== connected) { connected = there; showReality(); }
}, 500);

// What moves is not known while nothing is heard, whatever it was.
function showReality() {
  const { word, tone, why } = reality;
  at("reality").className = connected ? tone : "quiet";
  at("reality").replaceChildren(...(connected ? [make("b", {}, word), make("span", {}, why)]
    : [make("b", {}, "UNKNOWN"), make("span", {}, `not connected; take it for real. It was: ${word}`)]));
}

const show = {
  page({ title, example, steered }) {
    document.title = at("title").textContent = title;
    document.body.classList.toggle("looked-at", !steered);
    if (!at("instruction").value) at("instruction").value = example;
  },
  reality(content) {
    reality = content;
    showReality();
    at("new-scene").hidden = reality.word !== "SIMULATED";
  },
  wheel(content) {
    wheel = content;
    at("driver").textContent = wheel.mine ? `you drive, as ${wheel.name}` : wheel.name ? `${wheel.name} drives` : "nobody drives";
    at("name").hidden = wheel.mine;
    at("take").textContent = wheel.mine ? "Leave the wheel" : wheel.name ? `Take it from ${wheel.name}` : "Take the wheel";
    for (const one of document.querySelectorAll(".drive")) one.disabled = !wheel.mine;
    plan.drives(wheel.mine);
  },
  plan: (content) => plan.show(content),
  cameras: showCameras,
  replay: showReplay,
  traces: drawPlots,
  control({ state, tone, reason, figures, stale, emergency, needs_resume }) {
    const rows = figures.map(([name, value]) => make("tr", {}, make("td", {}, name), make("td", {}, value)));
    rows.push(make("tr", {}, make("td", {}, "emergency stop"), make("td", {}, badge(emergency.words, emergency.tone))));
    at("control-body").className = stale ? "stale" : "";
    at("pressed").hidden = emergency.tone !== "bad";
    at("control-body").replaceChildren(
      make("p", {}, badge(state, tone), ` ${reason}`),
      ...(needs_resume ? [make("p", { class: "note bad" }, "Goes on only when a person presses Resume.")] : []),
      make("table", {}, make("tbody", {}, ...rows)),
    );
  },
  nodes(reports) {
    const open = new Set([...at("nodes").querySelectorAll("details[open]")].map((one) => one.dataset.name));
    at("nodes").replaceChildren(...reports.map((one) => {
      const rows = one.values.map(([key, value]) => make("tr", {}, make("td", {}, key), make("td", {}, value)));
      const shown = make("details", { open: open.has(one.name) },
        make("summary", {}, badge(one.level, one.tone), ` ${one.name}: ${one.message}`), make("table", {}, make("tbody", {}, ...rows)));
      shown.dataset.name = one.name;
      return shown;
    }));
  },
  answers(entries) {
    at("answers").replaceChildren(...entries.map((one) => make("li", {}, badge(one.what, one.tone),
      ` ${one.words} `, make("span", { class: "note" }, `${one.at} ${one.who}${one.took === null ? "" : `, after ${one.took} s`}`))));
    const stop = entries.find((one) => one.do === "stop");
    if (stop && (pressed === null || stop.number > pressed.after)) sayStop(stop);
  },
  end() { socket.send(JSON.stringify({ do: "seen" })); },
  refused(words) { at("refused").textContent = words; },
};

// Stop: everybody's, by the button and by the space bar, wherever on the page one is.
let newestStop = 0;

function sayStop({ number, words, tone, took }) {
  newestStop = Math.max(newestStop, number);
  if (tone !== "busy" && pressed !== null) { clearTimeout(pressed.timer); pressed = null; }
  at("stopped").className = tone;
  at("stopped").textContent = took === null ? `Stop: ${words}` : `Stop: ${words} (after ${took} s)`;
}

function stop() {
  if (pressed !== null) clearTimeout(pressed.timer);
  at("stopped").className = "busy";
  at("stopped").textContent = "Stop: asked";
  const timer = setTimeout(() => {
    at("stopped").className = "bad";
    at("stopped").textContent = "Stop: NOBODY ANSWERS. Use the robot's own emergency stop.";
  }, PATIENCE);
  pressed = { after: newestStop, timer };
  if (!send({ do: "stop" })) {
    clearTimeout(timer);
    at("stopped").className = "bad";
    at("stopped").textContent = "Stop: NOT SENT, the page is not connected. Use the robot's own emergency stop.";
  }
}

function onKey(event) {
  if (event.code !== "Space" || document.body.classList.contains("looked-at")) return;
  if (event.target.tagName === "INPUT" && !event.target.disabled) return; // a space belongs in a text that is being typed
  event.preventDefault();
  event.stopImmediatePropagation();
  if (event.type === "keydown" && !event.repeat) stop();
}

for (const kind of ["keydown", "keyup"]) window.addEventListener(kind, onKey, true);
window.addEventListener("keydown", (event) => { if (event.key === "Escape") document.activeElement?.blur(); });
at("stop").addEventListener("click", stop);
keepSceneLight(onKey);
beginReplay(send);

// What only whoever drives may do.
const asks = (id, request) => at(id).addEventListener("click", (event) => { event.preventDefault(); send(request()); });
const sends = (id, field, name) => at(id).addEventListener("submit", (event) => {
  event.preventDefault();
  if (wheel.mine && at(field).value.trim()) { send({ do: name, text: at(field).value }); at(field).blur(); }
});
sends("instruct", "instruction", "instruct");
sends("ask", "question", "ask");
for (const name of ["cancel", "resume", "home"]) asks(name, () => ({ do: name }));
asks("new-scene", () => ({ do: "scene" }));
at("wheel").addEventListener("submit", (event) => {
  event.preventDefault();
  if (wheel.mine) return send({ do: "leave" });
  const name = at("name").value.trim() || "somebody";
  keep("localStorage", "driver", name);
  at("name").blur();
  send({ do: "take", name, from_other: wheel.name !== "" });
});
at("name").value = kept("localStorage", "driver", "");

// Cameras, with what the model pointed at.
const SVG = "http://www.w3.org/2000/svg";
let views = [];

function showCameras({ views: news, pointed }) {
  while (views.length < news.length) {
    const image = make("img", { alt: "" }), marks = document.createElementNS(SVG, "svg"), words = make("figcaption");
    const figure = make("figure", { class: "view" }, make("div", { class: "frame" }, image, marks), words);
    views.push({ image, marks, words, figure, url: null, said: "", width: 0, height: 0 });
    at("views").append(figure);
  }
  news.forEach((one, index) => {
    const view = views[index];
    view.figure.classList.toggle("silent", one.silence !== "");
    view.words.replaceChildren(`${one.name}, ${one.kind} `, ...(one.silence ? [badge(one.silence, "quiet")] : []));
    view.image.alt = one.name;
    view.news = one.marks;
    drawMarks(view);
  });
  at("pointed").textContent = pointed ? `Pointed at ${pointed.age}: “${pointed.question}” ${pointed.answer}` : "";
}

function showPicture(data) {
  const head = new DataView(data), view = views[head.getUint8(0)];
  if (!view) return;
  const old = view.url;
  view.url = URL.createObjectURL(new Blob([data.slice(5)], { type: "image/jpeg" }));
  view.image.src = view.url;
  if (old) URL.revokeObjectURL(old);
  view.width = head.getUint16(1, true);
  view.height = head.getUint16(3, true);
  drawMarks(view);
}

function drawMarks(view) {
  const said = JSON.stringify([view.news, view.width, view.height]);
  if (said === view.said || !view.width) return;
  view.said = said;
  view.marks.setAttribute("viewBox", `0 0 ${view.width} ${view.height}`);
  const size = view.width / 30;
  view.marks.replaceChildren(...(view.news ?? []).flatMap(({ pixels, label, place }) => {
    const [x, y, right, bottom] = pixels;
    const shape = right === undefined
      ? part("circle", { cx: x, cy: y, r: size / 2 })
      : part("rect", { x, y, width: Math.max(right - x, 0), height: Math.max(bottom - y, 0) });
    for (const [name, value] of Object.entries({ fill: "none", stroke: "#db2777", "stroke-width": size / 6 })) shape.setAttribute(name, value);
    const left = x > 0.4 * view.width; // words stay inside of the picture
    const words = part("text", { x: left ? x - size : x + size, y: Math.max(y, size), "font-size": size * 0.9, "text-anchor": left ? "end" : "start" });
    words.textContent = [label, place].filter(Boolean).join(" ");
    return [shape, words];
  }));
}

function part(tag, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

connect();
