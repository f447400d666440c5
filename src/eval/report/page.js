// Sorts tables and draws the curves. Everything else on the page works without scripts.
'use strict';

/* Tables: every head of a sortable table becomes a button. */
for (const table of document.querySelectorAll('table.sortable')) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  const keyOf = (row, column) => {
    const cell = row.cells[column];
    return 'value' in cell.dataset ? Number(cell.dataset.value) : cell.textContent;
  };
  const compare = (a, b) => {
    if (typeof a === 'number' && typeof b === 'number') return a - b;
    if (typeof a !== typeof b) return typeof a === 'number' ? 1 : -1;
    return a.localeCompare(b, 'en', { numeric: true });
  };
  heads.forEach((head, column) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener('click', () => {
      const descending = head.getAttribute('aria-sort') !== 'descending';
      for (const other of heads) other.removeAttribute('aria-sort');
      head.setAttribute('aria-sort', descending ? 'descending' : 'ascending');
      const rows = [...body.rows];
      rows.sort((a, b) => compare(keyOf(a, column), keyOf(b, column)) * (descending ? -1 : 1));
      body.append(...rows);
    });
  });
}

/* Cells too small for their numbers show them on pointing. */
for (const cell of document.querySelectorAll('table.tight td')) cell.title = cell.textContent;

/* Curves: colours differ in lightness, lines in their dashes, so neither colour nor a screen is
   needed to tell them apart. */
const curveData = document.getElementById('curve-data');
if (curveData && window.Chart) {
  const curves = JSON.parse(curveData.textContent);
  const dashes = [[], [8, 4], [2, 3], [12, 4, 2, 4], [5, 5], [1, 5], [14, 6]];
  const lightColours = ['#000000', '#5b2a86', '#1f5fa8', '#00857a', '#a8600a', '#b02a4c', '#6b7280'];
  const darkColours = ['#ffffff', '#c9a2f2', '#86bdf5', '#4fd1c0', '#f0b35b', '#f58aa6', '#a3a9b6'];
  const dark = window.matchMedia('(prefers-color-scheme: dark)');
  let chart = null;

  const draw = (isDark) => {
    const colours = isDark ? darkColours : lightColours;
    const [ink, line] = isDark ? ['#a3a9b6', '#373c46'] : ['#444b58', '#d5d8df'];
    const axis = (text) => ({
      title: { display: true, text, color: ink },
      ticks: { color: ink, maxTicksLimit: 9 },
      grid: { color: line, drawBorder: false },
    });
    if (chart) chart.destroy();
    chart = new window.Chart(document.getElementById('curves'), {
      type: 'line',
      data: {
        datasets: curves.map((curve, i) => ({
          label: curve.label,
          data: curve.points.map(([x, y]) => ({ x, y })),
          borderColor: colours[i % colours.length],
          borderDash: dashes[i % dashes.length],
          borderWidth: i === 0 ? 3 : 1.5,
          pointRadius: 0,
          pointHitRadius: 8,
        })),
      },
      options: {
        animation: false,
        maintainAspectRatio: false,
        interaction: { mode: 'nearest', intersect: false },
        plugins: { legend: { display: false } },
        scales: {
          x: { type: 'linear', ...axis('iteration'), ticks: { color: ink, precision: 0 } },
          y: { type: 'linear', ...axis('relative error') },
        },
      },
    });
    // A legend of our own: long names wrap in it, those of the canvas would be cut off.
    document.getElementById('curve-key').replaceChildren(...curves.map((curve, i) => {
      const item = document.createElement('li');
      const sample = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
      sample.setAttribute('width', '36');
      sample.setAttribute('height', '8');
      sample.setAttribute('aria-hidden', 'true');
      const stroke = document.createElementNS('http://www.w3.org/2000/svg', 'path');
      stroke.setAttribute('d', 'M0 4H36');
      stroke.setAttribute('stroke', colours[i % colours.length]);
      stroke.setAttribute('stroke-width', i === 0 ? '3' : '1.5');
      stroke.setAttribute('stroke-dasharray', dashes[i % dashes.length].join(' '));
      sample.append(stroke);
      const name = document.createElement('span');
      name.className = 'name';
      name.textContent = curve.label;
      item.append(sample, name);
      return item;
    }));
  };

  draw(dark.matches);
  dark.addEventListener('change', () => draw(dark.matches));
  window.addEventListener('beforeprint', () => {
    draw(false);
    chart.resize();
  });
  window.addEventListener('afterprint', () => draw(dark.matches));
}
