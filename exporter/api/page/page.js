/* Keeps the page live: brings its parts up to a new copy of it (the server has escaped them; a parsed copy runs nothing) in
 * place, so that what a reader selected, opened or has in focus stays, and draws the charts from the query API. Nothing here makes markup from text. */
"use strict";
(() => {
  const PAGE_MS = 5000, CHARTS_MS = 15000, HOUR_S = 3600, LEAST_S = 120, POINTS = 120, W = 320, H = 110, LEFT = 34, BOTTOM = 14, LINES = 4;
  const byId = id => document.getElementById(id);
  const element = (name, attributes = {}, text) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const drawn = (name, attributes, text) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  };

  const get = async url => {
    const answer = await fetch(url, {cache: "no-store", signal: AbortSignal.timeout(10000)});
    if (!answer.ok) throw new Error(`${url.split("?")[0]} answers ${answer.status}`);
    return answer;
  };

  /* ---- In place ---- */

  const key = node => node.dataset?.key || (node.nodeName === "TR" ? node.querySelector("th")?.textContent : undefined);
  const renew = (old, fresh) => {
    if (old.isEqualNode(fresh)) return;
    if (old.nodeType !== Node.ELEMENT_NODE) {
      old.data = fresh.data;
      return;
    }
    for (const {name, value} of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    for (const {name} of [...old.attributes]) if (name !== "open" && !fresh.hasAttribute(name)) old.removeAttribute(name);
    let place = old.firstChild;
    for (const child of [...fresh.childNodes]) {
      let match = place;
      while (match && (match.nodeName !== child.nodeName || key(match) !== key(child))) match = match.nextSibling;
      if (match === place && place) place = place.nextSibling;
      else old.insertBefore(match || child, place);
      if (match) renew(match, child);
    }
    while (place) {
      const gone = place;
      place = place.nextSibling;
      gone.remove();
    }
  };
  const undisturbed = change => { /* an element that is moved loses focus and selection */
    const active = document.activeElement, selection = getSelection();
    const {anchorNode, anchorOffset, focusNode, focusOffset, isCollapsed} = selection;
    change();
    if (active && active.isConnected && active !== document.activeElement) active.focus({preventScroll: true});
    if (isCollapsed || !anchorNode.isConnected || !focusNode.isConnected) return;
    const within = (node, offset) => Math.min(offset, node.nodeType === Node.TEXT_NODE ? node.length : node.childNodes.length);
    if (selection.anchorNode !== anchorNode || selection.anchorOffset !== anchorOffset || selection.focusNode !== focusNode || selection.focusOffset !== focusOffset) {
      selection.setBaseAndExtent(anchorNode, within(anchorNode, anchorOffset), focusNode, within(focusNode, focusOffset));
    }
  };

  /* ---- Tables ---- */

  let lost = null;
  const say = error => {
    const live = byId("live"), trouble = byId("trouble");
    lost = error ? lost || new Date() : null;
    live.className = error ? "dot off" : "dot on";
    live.title = error ? "not live" : `live: asks every ${PAGE_MS / 1000} s`;
    trouble.hidden = !error;
    trouble.textContent = error ? `The sidecar has not answered since ${lost.toISOString().slice(11, 19)} UTC; what is shown is from before. (${error.message})` : "";
  };
  const refresh = async () => {
    try {
      const fresh = new DOMParser().parseFromString(await (await get("./")).text(), "text/html");
      if (!fresh.getElementById("tiles")) throw new Error("this reader may no longer see the ledger");
      undisturbed(() => {
        for (const part of fresh.querySelectorAll("[data-live]")) {
          const old = byId(part.id);
          if (old) renew(old, part);
        }
      });
      document.title = fresh.title;
      say(null);
    } catch (error) {
      say(error);
    }
  };

  /* ---- Charts ---- */

  const SCALES = {
    bytes: [[2 ** 30, 2 ** 30, " GiB"], [2 ** 20, 2 ** 20, " MiB"], [2 ** 10, 2 ** 10, " KiB"], [0, 1, " B"]],
    plain: [[1e9, 1e9, " G"], [1e6, 1e6, " M"], [1e4, 1e3, " k"], [0, 1, ""]],
  };
  const shown = (value, unit) => {
    if (!Number.isFinite(value)) return "–";
    const [, by, suffix] = SCALES[unit || "plain"].find(([from]) => Math.abs(value) >= from);
    const size = Math.abs(value / by);
    return Number((value / by).toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2)) + suffix;
  };
  const above = (value, unit) => { /* a round number at or above it */
    if (!(value > 0)) return 1;
    const base = unit === "bytes" ? 2 ** 20 : 1, n = value / base, ten = 10 ** Math.floor(Math.log10(n));
    return base * ten * [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find(step => step * ten >= n * 0.999);
  };
  let step = HOUR_S / POINTS;
  const range = async (text, start, end) => {
    const query = text.replaceAll("[5m]", `[${Math.max(60, Math.round((end - start) / 12))}s]`); /* 5m of an hour */
    const words = new URLSearchParams({query, start, end, step});
    return (await (await get(`api/v1/query_range?${words}`)).json()).data.result;
  };

  const path = (points, x, y) => {
    let text = "", last = -Infinity;
    for (const [t, v] of points) {
      const number = Number(v);
      if (!Number.isFinite(number)) continue;
      const gap = t - last > step * 1.5; /* a lone point is a dot */
      text += `${gap ? "M" : "L"}${x(t).toFixed(1)} ${y(number).toFixed(1)}${gap ? "h.01" : ""}`;
      last = t;
    }
    return text;
  };

  const draw = (figure, lines, start, end) => {
    const unit = figure.dataset.unit, all = lines.flatMap(l => l.points.map(p => Number(p[1]))).filter(Number.isFinite);
    const top = above(Math.max(0, ...all), unit);
    const x = t => LEFT + (t - start) / (end - start) * (W - LEFT), y = v => 6 + (1 - v / top) * (H - BOTTOM - 6);
    const svg = drawn("svg", {viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": figure.querySelector("figcaption").textContent});
    for (const part of [0, 0.5, 1]) {
      svg.append(drawn("line", {class: "grid", x1: LEFT, x2: W, y1: y(part * top), y2: y(part * top)}),
                 drawn("text", {x: LEFT - 4, y: y(part * top) + 3, "text-anchor": "end"}, shown(part * top, unit)));
    }
    for (const [part, anchor] of [[0, "start"], [0.5, "middle"], [1, "end"]]) {
      const time = new Date((start + part * (end - start)) * 1000).toISOString().slice(11, 16); /* UTC, as all of the page */
      svg.append(drawn("text", {x: x(start + part * (end - start)), y: H - 1, "text-anchor": anchor}, time));
    }
    const cursor = drawn("line", {class: "cursor", y1: 6, y2: H - BOTTOM, visibility: "hidden"});
    const legend = element("ul", {class: "legend"}), values = [];
    for (const line of lines) {
      svg.append(drawn("path", {class: line.style, d: path(line.points, x, y)}));
      const item = element("li"), value = element("b");
      item.append(element("span", {class: `key ${line.style}`}), `${line.name} `, value);
      legend.append(item);
      values.push(value);
    }
    const tell = t => lines.forEach((line, i) => {
      const near = line.points.filter(p => Math.abs(p[0] - t) <= step).pop();
      values[i].textContent = near ? shown(Number(near[1]), unit) : "–";
    });
    if (lines.length === 0) legend.append(element("li", {}, "nothing"));
    tell(end);
    svg.append(cursor);
    svg.addEventListener("pointermove", event => {
      const box = svg.getBoundingClientRect(), at = (event.clientX - box.left) / box.width * W;
      const t = start + Math.min(1, Math.max(0, (at - LEFT) / (W - LEFT))) * (end - start);
      for (const end of ["x1", "x2"]) cursor.setAttribute(end, x(t));
      cursor.setAttribute("visibility", "visible");
      tell(t);
    });
    svg.addEventListener("pointerleave", () => { cursor.setAttribute("visibility", "hidden"); tell(end); });
    figure.querySelector("figcaption").after(svg, legend);
    while (legend.nextSibling) legend.nextSibling.remove();
  };

  const highest = line => Math.max(...line.points.map(p => Number(p[1])).filter(Number.isFinite), -Infinity);
  const chart = async (figure, start, end) => {
    const {by, query, limit, name} = figure.dataset;
    const lines = (await range(query, start, end)).map(series => ({name: by ? series.metric[by] || "?" : name, points: series.values}));
    lines.sort((a, b) => highest(b) - highest(a) || (a.name < b.name ? -1 : 1));
    lines.length = Math.min(lines.length, LINES);
    lines.sort((a, b) => a.name < b.name ? -1 : 1).forEach((line, i) => { line.style = `s${i}`; });
    for (const series of limit ? await range(limit, start, end) : []) lines.push({name: "limit", points: series.values, style: "limit"});
    draw(figure, lines, start, end);
  };
  const charts = async () => {
    /* A memory that is younger than an hour fills the charts, too. */
    const end = Math.floor(Date.now() / 1000), oldest = Number(byId("charts").dataset.oldest) || end;
    const window = Math.min(HOUR_S, Math.max(LEAST_S, Math.ceil((end - oldest) / 60) * 60)), start = end - window;
    step = Math.ceil(window / POINTS);
    byId("hour-title").textContent = `${window === HOUR_S ? "The last hour" : `The last ${window / 60} minutes`}, UTC`;
    for (const figure of document.querySelectorAll("figure[data-query]")) {
      try {
        await chart(figure, start, end);
      } catch (error) { /* the page's own question says what is wrong */ }
    }
  };

  const every = (what, ms) => {
    const again = async () => {
      if (!document.hidden) await what();
      setTimeout(again, ms);
    };
    setTimeout(again, ms);
    document.addEventListener("visibilitychange", () => { if (!document.hidden) what(); });
  };
  say(null);
  charts();
  every(refresh, PAGE_MS);
  every(charts, CHARTS_MS);
})();
