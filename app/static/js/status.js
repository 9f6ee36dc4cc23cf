// What the page says in words: how the photo stands, and what went wrong.

/** @param {string} id */
const $ = (id) => document.getElementById(id);

/**
 * @param {string} state
 * @param {string} words
 */
export function say(state, words) {
  $("status").dataset.state = $("photo").dataset.state = state;
  if ($("status").textContent !== words) $("status").textContent = words;
}

/** @param {string} words  none hides the alert */
export function complain(words) {
  $("alert").hidden = words === "";
  if ($("alert").textContent !== words) $("alert").textContent = words;
}

/** @param {Error} problem @param {boolean} retrying */
export function explain(problem, retrying) {
  complain(retrying ? `${problem.message} Trying again…` : problem.message);
  if (retrying) say("waiting", "Waiting for the server");
  else say("failed", "No photo for this sketch");
}
