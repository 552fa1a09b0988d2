// SPDX-License-Identifier: Apache-2.0
// The controls of a record: pause, time, speed, and what happened when.
import { at, make } from "/dom.js";

let held = false; // the slider is a person's while it is held

export function beginReplay(send) {
  at("play").addEventListener("click", () => send({ do: "play" }));
  at("time").addEventListener("input", () => { held = true; });
  at("time").addEventListener("change", () => { held = false; send({ do: "seek", time: Number(at("time").value) }); });
  at("speed").addEventListener("change", () => send({ do: "speed", speed: Number(at("speed").value) }));
  at("moment").addEventListener("change", () => {
    if (at("moment").value) send({ do: "seek", time: Number(at("moment").value) });
    at("moment").value = "";
  });
}

export function showReplay({ playing, time, seconds, speed, speeds, moments, happened }) {
  at("replay").hidden = false;
  at("play").textContent = playing ? "Pause" : "Play";
  at("time").max = seconds;
  if (!held) at("time").value = time;
  at("clock").textContent = `${time.toFixed(1)} of ${seconds.toFixed(1)} s`;
  if (at("speed").options.length !== speeds.length) {
    at("speed").replaceChildren(...speeds.map((one) => make("option", { value: one }, `${one} ×`)));
  }
  at("speed").value = speed;
  if (at("moment").options.length !== moments.length + 1) {
    at("moment").replaceChildren(make("option", { value: "" }, "go to"),
      ...moments.map((one) => make("option", { value: one.time }, `${one.time} s ${one.line}`)));
  }
  at("happened").replaceChildren(...happened.map((one) => make("li", {}, make(one.corrects ? "b" : "span", {}, `${one.at} ${one.line}`))));
}
