/**
 * Makes labels of names: with a capital letter, and numbered from the second one of a name on.
 * @param {string[]} names
 * @returns {string[]} such as ["Lightness", "Hue", "Lightness 2"]
 */
export function distinctLabels(names) {
  return names.map((name, i) => {
    const earlier = names.slice(0, i).filter((other) => other === name).length;
    const label = name[0].toUpperCase() + name.slice(1);
    return earlier > 0 ? `${label} ${earlier + 1}` : label;
  });
}
