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

/** Whether the alert is about an answer that did not come: it stays until one comes. */
let unanswered = false;

/** @param {string} words */
function alert(words) {
  $("alert").hidden = words === "";
  if ($("alert").textContent !== words) $("alert").textContent = words;
}

/** @param {string} words  none takes back what was said so before */
export function complain(words) {
  if (words === "" && unanswered) return;
  unanswered = false;
  alert(words);
}

/** An answer came, or none is waited for any more. What was said of other things stays. */
export function relieve() {
  if (unanswered) alert("");
  unanswered = false;
}

/** @param {Error} problem @param {boolean} retrying */
export function explain(problem, retrying) {
  alert(retrying ? `${problem.message} Trying again…` : problem.message);
  unanswered = true;
  if (retrying) say("waiting", "Waiting for the server");
  else say("failed", "No photo for this sketch");
}
