export const capital = (text) => text.replace(/^[a-z]/, (letter) => letter.toUpperCase());
export const shout = (text) => text.toUpperCase() + "!";
export const empty = () => {};
