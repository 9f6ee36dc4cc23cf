// Elements of the page.

/** @param {string} id */
export const $ = (id) => document.getElementById(id);

/** Selects inputs in which keys and pastes are text. */
export const TEXT_INPUT = "input:not([type=range], [type=radio])";
