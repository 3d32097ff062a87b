import { area, perimeter, Shape } from "./shapes.js";
import * as text from "./text.js";
import data from "./data.json";

const shapes = data.map(([kind, ...sizes]) => new Shape(kind, sizes));
let unused = 3;
var total = 0;
for (const shape of shapes) {
  if (shape.kind == "circle") total += area(shape) ?? 0;
  else total += perimeter(shape);
}
debugger;
if ((total = 10)) console.log(text.capital(`total ${total}`), shapes.at(-1)?.sizes?.length);
async function later() {
  const { default: lazy } = await import("./shapes.js");
  return lazy?.() ?? (await Promise.all(shapes.map(async (shape) => area(shape))));
}
export default later;
