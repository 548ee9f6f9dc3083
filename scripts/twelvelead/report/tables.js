// Tables that sort: a button in every heading of table[data-sortable]; the state is in aria-sort. Empty cells stay last.
for (const table of document.querySelectorAll("table[data-sortable]")) {
  const headings = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  const body = table.tBodies[0];
  const asWritten = [...body.rows];
  const valueOf = (row, column) => row.cells[column].dataset.v ?? row.cells[column].textContent.trim();
  const sortBy = (column, direction) => {
    const numeric = headings[column].classList.contains("n");
    const known = (row) => valueOf(row, column) !== "";
    const compared = (a, b) => {
      if (known(a) !== known(b)) return known(a) ? -1 : 1;
      const [x, y] = [valueOf(a, column), valueOf(b, column)];
      return direction * (numeric ? x - y : x.localeCompare(y, "en"));
    };
    headings.forEach((heading, at) => heading.setAttribute("aria-sort", at !== column || !direction ? "none"
      : direction > 0 ? "ascending" : "descending"));
    body.append(...(direction ? [...asWritten].sort(compared) : asWritten));
  };
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...heading.childNodes);
    heading.append(button);
    heading.setAttribute("aria-sort", "none");
    const first = heading.classList.contains("n") ? -1 : 1;
    button.addEventListener("click", () => {
      const now = { none: 0, ascending: 1, descending: -1 }[heading.getAttribute("aria-sort")];
      sortBy(column, now === 0 ? first : now === first ? -first : 0);
    });
  });
}
