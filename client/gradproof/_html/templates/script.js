"use strict";
for (const idle of document.querySelectorAll(".hint, .modes")) idle.hidden = false;  // of no use without this file
for (const map of document.querySelectorAll("[data-figure=heatmap]")) {
  const cells = JSON.parse(map.dataset.cells);
  const rows = cells.row.length, columns = rows ? cells.row[0].length : 0;
  const readout = map.querySelector(".readout");
  const panes = [...map.querySelectorAll(".pane svg")];
  let at = [0, 0];
  const choose = (r, c) => {
    at = [Math.min(Math.max(r, 0), rows - 1), Math.min(Math.max(c, 0), columns - 1)];
    const [i, j] = at;
    for (const pane of panes) {
      const cursor = pane.querySelector(".cursor");
      cursor.setAttribute("x", j);
      cursor.setAttribute("y", i);
      cursor.setAttribute("visibility", "visible");
    }
    readout.textContent = `[${cells.row[i][j]}, ${cells.column[i][j]}]  claimed ${cells.claimed[i][j]}  reference ${cells.reference[i][j]}  ${Number(cells.digits[i][j]).toFixed(1)} digits match`;
  };
  for (const pane of panes) {
    pane.addEventListener("click", (event) => {
      const box = pane.getBoundingClientRect();
      choose(Math.floor((event.clientY - box.top) / box.height * rows), Math.floor((event.clientX - box.left) / box.width * columns));
    });
    pane.addEventListener("keydown", (event) => {
      const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      if (!step) return;
      event.preventDefault();
      choose(at[0] + step[0], at[1] + step[1]);
    });
  }
}
for (const graph of document.querySelectorAll("[data-figure=graph]")) {
  const nodes = [...graph.querySelectorAll(".node")];
  const readout = graph.querySelector(".readout");
  const shades = new Map(nodes.map((node) => [node, JSON.parse(node.dataset.shades)]));
  for (const button of graph.querySelectorAll("input[type=radio]")) {
    button.addEventListener("change", () => {
      for (const node of nodes) {
        const { fill, ink, text } = shades.get(node)[button.value];
        node.querySelector(".box").setAttribute("fill", fill);
        for (const words of node.querySelectorAll("text")) words.setAttribute("fill", ink);
        node.querySelector(".small").textContent = text;
      }
    });
  }
  const choose = (node) => {
    for (const other of nodes) other.classList.toggle("chosen", other === node);
    for (const edge of graph.querySelectorAll(".edge")) {
      edge.classList.toggle("near", edge.dataset.from === node.dataset.seat || edge.dataset.to === node.dataset.seat);
    }
    readout.textContent = node.dataset.told;
  };
  for (const node of nodes) {
    node.addEventListener("click", () => choose(node));
    node.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(node); }
    });
  }
}
for (const run of document.querySelectorAll("[data-figure=run]")) {
  const boxes = [...run.querySelectorAll(".choice input[type=checkbox]")];
  const search = run.querySelector(".choice input[type=search]");
  const shown = run.querySelector(".shown");
  const cases = [...run.querySelectorAll("[data-verdict][data-name]")];
  const choose = () => {
    const wanted = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    const word = search.value.trim().toLowerCase();
    for (const one of cases) one.hidden = !(wanted.has(one.dataset.verdict) && one.dataset.name.toLowerCase().includes(word));
    const rows = cases.filter((one) => one.tagName === "TR");
    const left = rows.filter((row) => !row.hidden).length;
    shown.textContent = left === rows.length ? "" : `${left} of ${rows.length} cases are shown`;
  };
  for (const box of boxes) box.addEventListener("change", choose);
  search?.addEventListener("input", choose);
  const unfold = () => {
    const meant = location.hash.length > 1 && document.getElementById(location.hash.slice(1))?.closest("details.case");
    if (meant && !meant.hidden) { meant.open = true; meant.scrollIntoView(); }
  };
  addEventListener("hashchange", unfold);
  run.addEventListener("click", (event) => { if (event.target.closest(".cases a")) setTimeout(unfold); });
  unfold();
}
