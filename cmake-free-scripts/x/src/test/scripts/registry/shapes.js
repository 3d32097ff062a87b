export class Shape {
  #sizes;
  static count = 0;
  constructor(kind, sizes) {
    this.kind = kind;
    this.#sizes = sizes;
    Shape.count++;
  }
  get sizes() {
    return [...this.#sizes];
  }
}
export const area = ({ kind, sizes }) => (kind === "circle" ? Math.PI * sizes[0] ** 2 : sizes.reduce((a, b) => a * b, 1));
export function perimeter(shape) {
  switch (shape.kind) {
    case "circle":
      return 2 * Math.PI * shape.sizes[0];
    case "square":
      return 4 * shape.sizes[0];
    case "circle":
      return 0;
  }
  return 2 * shape.sizes.reduce((a, b) => a + b, 0);
  console.log("never");
}
export const neverUsed = () => NaN === NaN;
