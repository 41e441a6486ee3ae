"use strict";
(() => {
  const number = (said) => {
    const found = said.replace(/,/g, "").match(/[-+−]?\d+(\.\d+)?/);
    return found === null ? null : Number(found[0].replace("−", "-"));
  };
  const compare = (a, b) => {
    const [x, y] = [number(a), number(b)];
    return x !== null && y !== null ? x - y : a.localeCompare(b, document.documentElement.lang);
  };
  for (const button of document.querySelectorAll("button[data-sort]")) {
    const heading = button.closest("th");
    const table = button.closest("table");
    const column = Number(button.dataset.sort);
    const numeric = heading.classList.contains("r");
    button.addEventListener("click", () => {
      const order = heading.getAttribute("aria-sort") === (numeric ? "descending" : "ascending") ? (numeric ? 1 : -1) : (numeric ? -1 : 1);
      for (const other of table.querySelectorAll("th")) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", order > 0 ? "ascending" : "descending");
      const cell = (row) => row.cells[column].textContent.trim();
      const empty = (row) => cell(row) === "" || cell(row).startsWith("—");
      const sorted = [...table.tBodies[0].rows].sort((a, b) =>
        empty(a) || empty(b) ? Number(empty(a)) - Number(empty(b))
          : order * (numeric ? compare(cell(a), cell(b)) : cell(a).localeCompare(cell(b), document.documentElement.lang)));
      table.tBodies[0].append(...sorted);
    });
  }
})();
