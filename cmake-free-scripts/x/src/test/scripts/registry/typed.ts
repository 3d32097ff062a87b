enum Color { Red, Green = "green", Blue = 1 << 3 }
interface Named<T extends object = {}> { readonly name: string; value?: T }
abstract class Base<T> implements Named { constructor(public name: string, protected items: T[] = []) {} abstract first(): T | undefined }
class Numbers extends Base<number> { first = () => this.items[0]!; *[Symbol.iterator]() { yield* this.items as Iterable<number> } }
export const numbers = new Numbers("some", [Color.Red, Color.Blue]) satisfies Named;
export type { Named };
