// Draws docs/architecture.svg from the imports of src/: node scripts/architecture-picture.mjs
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { root } from "./root.mjs";

/** @typedef {ReadonlyMap<string, ReadonlySet<string>>} RoomGraph The rooms that each room imports */

const IMPORT = /\b(?:from|import)\s*\(?\s*"(\.[^"]+)"/g;
const LAYER_HEIGHT = 64;
const BOX = { width: 118, height: 32 };
const WIDTH = 760;
const src = join(root, "src");

export const pictureFile = "docs/architecture.svg";

/** @returns {string[]} every source file, relative to src/ */
export function sourceFiles() {
  return readdirSync(src, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.m?[jt]s$/.test(entry.name))
    .map((entry) => relative(src, join(entry.parentPath, entry.name)).replaceAll("\\", "/"))
    .sort();
}

/**
 * A folder of src/ is a room. The files beside them are the ground, but for the two that put the rooms together.
 * @param {string} file relative to src/
 */
function roomOf(file) {
  const [first = file, ...rest] = file.split("/");
  if (rest.length > 0) return first;
  return first === "issuer.ts" || first === "index.ts" ? first : "ground";
}

/** @returns {RoomGraph} */
function roomGraph() {
  /** @type {Map<string, Set<string>>} */
  const graph = new Map();
  for (const file of sourceFiles()) {
    const room = roomOf(file);
    const imported = graph.get(room) ?? new Set();
    graph.set(room, imported);
    for (const [, specifier = ""] of readFileSync(join(src, file), "utf8").matchAll(IMPORT)) {
      const other = roomOf(join(dirname(file), specifier).replaceAll("\\", "/"));
      if (other !== room) imported.add(other);
    }
  }
  return graph;
}

/**
 * How far a room is above the ground: one more than the highest room that it imports.
 * @param {RoomGraph} graph
 */
function layersOf(graph) {
  /** @type {Map<string, number>} */
  const layers = new Map();
  /** @param {string} room @returns {number} */
  function layerOf(room) {
    const known = layers.get(room);
    if (known !== undefined) return known;
    const layer = 1 + Math.max(-1, ...[...(graph.get(room) ?? [])].map(layerOf));
    layers.set(room, layer);
    return layer;
  }
  for (const room of graph.keys()) layerOf(room);
  return layers;
}

/**
 * The imports that do not follow from others: an arrow from http to the ground says nothing where http imports the issuer.
 * @param {RoomGraph} graph
 */
function directImports(graph) {
  /** @param {string} from @param {string} to @returns {boolean} */
  const reaches = (from, to) => [...(graph.get(from) ?? [])].some((next) => next === to || reaches(next, to));
  return [...graph].flatMap(([room, imported]) =>
    [...imported]
      .filter((other) => ![...imported].some((between) => between !== other && reaches(between, other)))
      .map((other) => /** @type {const} */ ([room, other])),
  );
}

/** @param {RoomGraph} graph */
function positions(graph) {
  /** @type {Map<number, string[]>} */
  const byLayer = new Map();
  for (const [room, layer] of layersOf(graph)) byLayer.set(layer, [...(byLayer.get(layer) ?? []), room]);
  const top = Math.max(...byLayer.keys());
  /** @type {Map<string, { x: number, y: number }>} */
  const places = new Map();
  for (const [layer, rooms] of byLayer) {
    for (const [index, room] of rooms.sort().entries()) {
      // Rooms alone in their layer alternate a little, so that an arrow past one of them can be seen.
      const aside = rooms.length === 1 ? (layer % 2 === 0 ? -40 : 40) : 0;
      const x = (WIDTH * (index + 1)) / (rooms.length + 1) + aside;
      places.set(room, { x: Math.round(x), y: 30 + (top - layer) * LAYER_HEIGHT });
    }
  }
  return { places, height: 60 + top * LAYER_HEIGHT };
}

/** The picture, as SVG. */
export function architecturePicture() {
  const graph = roomGraph();
  const { places, height } = positions(graph);
  const at = (/** @type {string} */ room) => /** @type {{ x: number, y: number }} */ (places.get(room));
  const arrows = directImports(graph)
    .sort()
    .map(([from, to]) => {
      const [a, b] = [at(from), at(to)];
      return `  <path d="M${a.x} ${a.y + BOX.height / 2}L${b.x} ${b.y - BOX.height / 2 - 2}" marker-end="url(#head)"/>`;
    });
  const boxes = [...places.keys()].sort().map((room) => {
    const { x, y } = at(room);
    const rectangle = `<rect x="${x - BOX.width / 2}" y="${y - BOX.height / 2}" width="${BOX.width}" height="${BOX.height}" rx="6"/>`;
    return `  ${rectangle}<text x="${x}" y="${y + 5}">${room}</text>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="The rooms of src/ and what they import">`,
    "  <style>text { font: 14px sans-serif; text-anchor: middle; fill: #1f2328 } rect { fill: #f6f8fa; stroke: #57606a } path { fill: none; stroke: #57606a }</style>",
    '  <marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" style="fill: #57606a; stroke: none"/></marker>',
    ...arrows,
    ...boxes,
    "</svg>",
    "",
  ].join("\n");
}

if (process.argv[1] === import.meta.filename) writeFileSync(join(root, pictureFile), architecturePicture());
