"use strict";
(() => {
  const section = document.getElementById("rows");
  if (!section) return;
  const rows = [...section.querySelectorAll("tbody tr")];
  const buttons = [...section.querySelectorAll("button[data-filter]")];
  const search = section.querySelector("input");
  const count = section.querySelector("output");
  const kinds = { all: null, right: ["right", "fixed"], wrong: ["wrong", "broken"], fixed: ["fixed"], broken: ["broken"],
    better: ["better"], worse: ["worse"], same: ["same"] };
  let chosen = "all";
  const show = () => {
    const wanted = search.value.trim().toLowerCase();
    let shown = 0;
    for (const row of rows) {
      const fits = (kinds[chosen] === null || kinds[chosen].includes(row.dataset.change)) &&
        (wanted === "" || row.textContent.toLowerCase().includes(wanted));
      row.hidden = !fits;
      shown += fits ? 1 : 0;
    }
    count.textContent = `${shown} / ${rows.length}`;
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.filter === chosen));
  };
  for (const button of buttons) button.addEventListener("click", () => { chosen = button.dataset.filter; show(); });
  search.addEventListener("input", show);
  show();
})();
