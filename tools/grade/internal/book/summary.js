"use strict";
const value = (row, i) => {
  const cell = row.cells[i];
  return cell.dataset.v === undefined ? cell.textContent : Number(cell.dataset.v);
};
for (const table of document.querySelectorAll("table.sortable")) {
  for (const button of table.querySelectorAll("thead button")) {
    button.addEventListener("click", () => {
      const head = button.closest("th"), i = head.cellIndex, body = table.tBodies[0];
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const th of head.parentNode.cells) th.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].sort((a, b) => {
        const x = value(a, i), y = value(b, i);
        const order = typeof x === "number" ? x - y : x.localeCompare(y, undefined, { numeric: true });
        return down ? -order : order;
      });
      body.append(...rows);
    });
  }
}
const find = document.getElementById("find"), found = document.getElementById("found");
find.addEventListener("input", () => {
  const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
  let n = 0;
  for (const row of document.getElementById("class").tBodies[0].rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every(w => text.includes(w));
    if (!row.hidden) n++;
  }
  found.value = words.length ? n + " found" : "";
});
