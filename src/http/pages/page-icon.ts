// A key, drawn here so that no page asks for /favicon.ico.
const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><path fill="none" stroke="#1f4e79" stroke-width="4" d="M18 14a7 7 0 1 0-4 4l3 3h4v4h5v-5z"/></svg>`;

/** The link element of the pages' icon; their policy must let in `img-src data:`. */
export const pageIcon = `<link rel="icon" href="data:image/svg+xml,${encodeURIComponent(icon)}">`;
