"use strict";
(() => {
  const table = document.getElementById("pictures");
  const status = document.getElementById("sorted");
  const body = table.tBodies[0];
  const headings = [...table.tHead.rows[0].cells];
  const original = [...body.rows];

  const compare = (a, b, column, kind) => {
    const x = a.cells[column].dataset.value;
    const y = b.cells[column].dataset.value;
    if (x === "" || y === "") return (x === "") - (y === "");
    return kind === "number" ? x - y : x.localeCompare(y, undefined, { numeric: true });
  };

  const sort = (heading) => {
    const column = heading.cellIndex;
    const descending = heading.ariaSort === "ascending";
    const missing = (row) => row.cells[column].dataset.value === "";
    const rows = [...original].sort((a, b) => {
      const order = compare(a, b, column, heading.dataset.sort);
      return descending && !missing(a) && !missing(b) ? -order : order;
    });
    body.append(...rows);
    for (const other of headings) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
    status.textContent = `Sorted by ${heading.textContent.trim()}, ${heading.ariaSort}`;
  };

  for (const heading of headings) {
    if (!heading.dataset.sort) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    button.addEventListener("click", () => sort(heading));
    heading.append(button);
  }
  document.documentElement.classList.add("sortable");
})();
