// The status line and the alert.

import { $ } from "./elements.js";

/**
 * @param {string} state
 * @param {string} text
 */
export function showStatus(state, text) {
  $("status").dataset.state = $("photo").dataset.state = state;
  if ($("status").textContent !== text) $("status").textContent = text;
}

/** Whether the alert is about a failed request. It stays until a request succeeds. */
let isRequestAlert = false;

/** @param {string} text  "" hides the alert */
function setAlert(text) {
  $("alert").hidden = text === "";
  if ($("alert").textContent !== text) $("alert").textContent = text;
}

/** @param {string} text  "" hides the alert, unless it is about a failed request */
export function showAlert(text) {
  if (text === "" && isRequestAlert) return;
  isRequestAlert = false;
  setAlert(text);
}

/** Hides the alert if it is about a failed request. */
export function clearRequestAlert() {
  if (isRequestAlert) setAlert("");
  isRequestAlert = false;
}

/** @param {Error} problem @param {boolean} retrying */
export function showRequestProblem(problem, retrying) {
  setAlert(retrying ? `${problem.message} Trying again…` : problem.message);
  isRequestAlert = true;
  if (retrying) showStatus("waiting", "Waiting for the server");
  else showStatus("failed", "No photo for this sketch");
}
